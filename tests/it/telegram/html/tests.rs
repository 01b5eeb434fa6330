//! What is known of Telegram's own parser.

use super::{Entity, parse, plain};

fn refused(html: &str) -> String {
    let error = parse(html).unwrap_err();
    error.strip_prefix("Bad Request: can't parse entities: ").unwrap_or(&error).to_owned()
}

#[track_caller]
fn read(html: &str, text: &str, entities: &[(&'static str, usize, usize)]) -> Vec<Entity> {
    let parsed = parse(html).unwrap();
    let found: Vec<_> = parsed.entities.iter().map(|entity| (entity.kind, entity.offset, entity.length)).collect();
    assert_eq!((parsed.text.as_str(), found.as_slice()), (text, entities), "{html}");
    parsed.entities
}

#[test]
fn mistakes_are_named_as_telegram_names_them() {
    assert_eq!(
        parse("<b>x").unwrap_err(),
        "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\""
    );
    assert_eq!(refused("a < b"), "Unsupported start tag \"\" at byte offset 2");
    assert_eq!(refused("a <abac aba>"), "Unsupported start tag \"abac\" at byte offset 2");
    assert_eq!(refused("a <abacaba"), "Unclosed start tag at byte offset 2");
    assert_eq!(refused("x<i   =aba>"), "Empty attribute name in the tag \"i\" at byte offset 1");
    assert_eq!(refused("x<i aba  =  "), "Unclosed start tag \"i\" at byte offset 1");
    assert_eq!(refused("x<i aba = 190-.,"), "Unexpected end of name token at byte offset 10");
    assert_eq!(refused("x<i aba = \"&lt;>"), "Unclosed start tag at byte offset 1");
    assert_eq!(refused("x</b>"), "Unexpected end tag at byte offset 1");
    assert_eq!(refused("<i>a</i   "), "Unclosed end tag at byte offset 4");
    assert_eq!(refused("<i>a</em>"), "Unmatched end tag at byte offset 4, expected \"</i>\", found \"</em>\"");
    assert_eq!(refused("<span>a</span>"), "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0");
    assert_eq!(refused("&#57311;"), super::SURROGATE);
    assert_eq!(refused(""), "Bad Request: message text is empty");
    for empty in ["<b></b>", " \n ", "\u{200b}", "<i> </i>", "\u{3000}\u{2800}", "\t\r\n"] {
        assert_eq!(refused(empty), "Bad Request: text must be non-empty", "{empty:?}");
    }
    assert!(plain("\u{200b}\u{feff}").is_err());
    assert_eq!(plain(" <b> & \n").unwrap().text, "<b> &");
}

#[test]
fn references_and_offsets() {
    read("&ge;&lt;&gt;&amp;&quot;&laquo;&#12345678;&#65;", "&ge;<>&\"&laquo;&#12345678;A", &[]);
    read("🏟 🏟<i>🏟 &lt🏟</i>", "🏟 🏟🏟 <🏟", &[("italic", 5, 6)]);
    read("🏟<i aba = '&lt;&quot;'>a</>", "🏟a", &[("italic", 2, 1)]);
    read("<B>x</b><tg-spoiler>y</tg-spoiler>", "xy", &[("bold", 0, 1), ("spoiler", 1, 1)]);
}

#[test]
fn code_and_its_language() {
    let entities = read("<pre><code class=\"language-fift\">a &lt;</code></pre>", "a <", &[("pre", 0, 3)]);
    assert_eq!(entities[0].extra.as_deref(), Some("fift"));
    // Without a language the code within is one entity too many, and is dropped.
    read("<pre><code>ab</code></pre>", "ab", &[("pre", 0, 2)]);
    read("<code>a <b>b</b></code>", "a b", &[("code", 0, 3)]);
    read("<b>x <code>y</code> z</b>", "x y z", &[("bold", 0, 2), ("code", 2, 1), ("bold", 4, 1)]);
    read("<pre>  indented</pre>", "  indented", &[("pre", 0, 10)]);
}

#[test]
fn nesting() {
    read("<blockquote>a<pre>b</pre></blockquote>", "ab", &[("blockquote", 0, 2), ("pre", 1, 1)]);
    read("<blockquote>a<blockquote>b</blockquote></blockquote>", "ab", &[("blockquote", 0, 2)]);
    read("<blockquote expandable>a</blockquote>", "a", &[("expandable_blockquote", 0, 1)]);
    read("<b>a <i>b</i> c</b>", "a b c", &[("bold", 0, 2), ("bold", 2, 3), ("italic", 2, 1)]);
    read("<b>a</b><b>b</b>", "ab", &[("bold", 0, 2)]);
    let entities = read(
        "<b>a <a href=\"https://x.org\">b</a> c</b>",
        "a b c",
        &[("bold", 0, 2), ("text_link", 2, 1), ("bold", 2, 1), ("bold", 4, 1)],
    );
    assert_eq!(entities[1].extra.as_deref(), Some("https://x.org/"));
}

#[test]
fn links() {
    let url = |html: &str| parse(html).unwrap().entities.first().and_then(|entity| entity.extra.clone());
    assert_eq!(url("<a href=telegram.org>x</a>").as_deref(), Some("http://telegram.org/"));
    assert_eq!(url("<a href='https://a.b/?x=1&amp;y=&quot;'>x</a>").as_deref(), Some("https://a.b/?x=1&y=\""));
    assert_eq!(url("<a>https://telegram.org/a?b#c</a>").as_deref(), Some("https://telegram.org/a?b#c"));
    assert_eq!(url("<a href='tg://resolve?domain=x'>x</a>").as_deref(), Some("tg://resolve?domain=x"));
    assert_eq!(url("<a href='tg://user?id=42'>x</a>").as_deref(), Some("42"));
    for none in
        ["http://localhost/", "ftp://a.b/", "/relative", "https://", "javascript:alert(1)", "https://a.b:99999/"]
    {
        assert_eq!(url(&format!("<a href=\"{none}\">x</a>")), None, "{none}");
    }
}

#[test]
fn white_space() {
    read("  \n<b> x </b> \n", "x", &[("bold", 0, 1)]);
    read("\t<i>a</i>\r\nb", "a\nb", &[("italic", 0, 1)]);
    read("a\u{202e}<b>b</b>", "ab", &[("bold", 1, 1)]);
    read("x <code> </code>", "x", &[]);
}
