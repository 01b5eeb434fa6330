//! No script of an answer, a name or a text ever runs; nothing of another host is ever loaded.

use serde_json::{Value, json};

use super::browser::{Browser, Page};
use super::{answers, is_connected, playground, shown};
use crate::support::until;

/// Classic ways to run a script, as Markdown and as HTML. `alert` and `canary` tell when they are called; `evil.example` is a
/// host that must not be called.
const VECTORS: &[&str] = &[
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://evil.example/p.png>",
    "<img/src/onerror=alert(1)>",
    "<img src=\"x` `<script>alert(1)</script>\"` `>",
    "<IMG \"\"\"><SCRIPT>alert(1)</SCRIPT>\"\\>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href=\"data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>#x\">",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text x=20 y=20>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math href=\"javascript:alert(1)\">x</math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<template><img src=x onerror=alert(1)></template>",
    "<template shadowrootmode=open><script>alert(1)</script></template>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<iframe srcdoc=\"<script>parent.alert(1)</script>\"></iframe>",
    "<object data=\"data:text/html,<script>alert(1)</script>\"></object>",
    "<embed src=\"javascript:alert(1)\">",
    "<base href=\"https://evil.example/\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\">",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css';*{background:url(https://evil.example/y)}</style>",
    "<div style=\"background:url(https://evil.example/z)\">x</div>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1) autoplay>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href=\"jav&Tab;ascript:alert(1)\">x</a>",
    "<a href=\" &#14; javascript:alert(1)\">x</a>",
    "<a href=x target=_self onclick=alert(1)>x</a>",
    "<p id=log><p id=text name=text>",
    "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml-stylesheet href=\"javascript:alert(1)\"?>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61&#x6C&#x65&#x72&#x74&#x28&#x31&#x29)",
    "[x](java\tscript:alert(1))",
    "[x](<java\u{a0}script:alert(1)>)",
    "[x](\u{1}javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:alert(1))",
    "[x](blob:https://evil.example/x)",
    "[x](//evil.example/x)",
    "[x](https://evil.example/\"onmouseover=\"alert(1))",
    "[x](<https://evil.example/\"><img src=x onerror=alert(1)>>)",
    "[x]: javascript:alert(1)\n\n[x]",
    "![x](https://evil.example/p.png)",
    "![x\"onerror=\"alert(1)](https://evil.example/p.png)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "<javascript:alert(1)>",
    "<https://evil.example/\"onclick=alert(1)>",
    "https://evil.example/'onclick='alert(1)",
    "https://evil.example/<img/src=x/onerror=alert(1)>",
    "```\"><img src=x onerror=alert(1)>\nx\n```",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "`</code><img src=x onerror=alert(1)>`",
    "| <img src=x onerror=alert(1)> |\n|-|\n| <script>alert(1)</script> |",
    "> <script>\n> alert(1)\n> </script>",
    "- <svg/onload=alert(1)>",
    "# <img src=x onerror=alert(1)>",
    "**<img src=x onerror=alert(1)>**",
    "~~[x](javascript:alert(1))~~",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\<script>alert(1)\\</script>",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} <%= alert(1) %>",
    "\0<scr\0ipt>alert(1)</scr\0ipt>",
    "\u{202e}<img src=x onerror=alert(1)>\u{2028}<script>alert(1)</script>",
];

/// What the log may hold, beside the page's own drawings.
const ALLOWED: &str = "ARTICLE DIV SPAN P BR HR H1 H2 H3 H4 H5 H6 EM STRONG DEL CODE PRE BLOCKQUOTE UL OL LI TABLE THEAD TBODY TR \
    TH TD A INPUT BUTTON TIME svg use";

/// What no element of the log may be, and no attribute.
async fn log_is_harmless(page: &Page) {
    let strange = format!(
        "[...document.querySelectorAll('#log *')].filter((e) => !{:?}.split(' ').includes(e.tagName) || \
         [...e.attributes].some((a) => /^on|^style$|^src|^action$|^formaction$/i.test(a.name) || \
         (a.name === 'href' && !/^(https?:|mailto:|#i-)/.test(a.value)))).map((e) => e.outerHTML)",
        ALLOWED.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    assert_eq!(page.eval(&strange).await, json!([]));
    let links =
        "[...document.querySelectorAll('#log a')].every((a) => a.target === '_blank' && a.rel.includes('noopener'))";
    assert_eq!(page.eval(links).await, true);
    // As somebody with a mouse, a keyboard and much curiosity does.
    let curious = "for (const e of document.querySelectorAll('#log *')) { for (const t of ['mouseover', 'click', 'focus', 'toggle']) \
                   if (e.tagName !== 'A' && e.tagName !== 'BUTTON') e.dispatchEvent(new Event(t, { bubbles: true })); }";
    page.eval(curious).await;
}

#[tokio::test]
async fn nothing_that_is_said_runs() {
    let Some(browser) = Browser::get() else { return };
    assert!(VECTORS.len() >= 40);
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en&title=<img src=x onerror=alert(1)>")).await;
    is_connected(&page).await;
    let token = page.text("localStorage.getItem('caigunn-bridge / guest')").await;
    for vector in VECTORS {
        answers(&bridge, vector);
        let said = json!({ "text": vector });
        let answer: Value = bridge.post(&token, &said).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["state"], "answered", "{vector}: {answer}");
    }
    super::until_shown(&page, 2 * VECTORS.len()).await;
    let before = shown(&page).await;
    assert_eq!(before.len(), 2 * VECTORS.len());
    log_is_harmless(&page).await;
    // What was there before is shown by the same way as what is new.
    page.reload().await;
    is_connected(&page).await;
    let after = shown(&page).await;
    assert_eq!(after.len(), 50);
    assert_eq!(after, before[before.len() - 50..]);
    log_is_harmless(&page).await;
    page.shows("hostile").await;

    let requests = page.requests();
    let elsewhere: Vec<_> = requests.iter().filter(|url| !url.starts_with(&bridge.url("/"))).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    page.is_clean().await;
}

/// The page does not lean on the server's care: were raw HTML to come, it would do no harm either.
#[tokio::test]
async fn the_page_itself_lets_nothing_through() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    let wrapped =
        ["{}", "<p>{}</p>", "<table><tr><td>{}", "<a href=\"https://a.example/\">{}</a>", "<pre><code class='{}'>{}"];
    let all: Vec<_> = VECTORS.iter().flat_map(|vector| wrapped.map(|around| around.replace("{}", vector))).collect();
    let show = format!(
        "import('{}').then(({{ safe }}) => {{ for (const html of {}) {{ const box = document.createElement('div'); \
         box.append(safe(html)); document.querySelector('#log').append(box); }} }})",
        bridge.url("/chat/safe.js"),
        json!(all)
    );
    page.eval(&show).await;
    assert_eq!(page.eval("document.querySelectorAll('#log > div').length").await, all.len());
    log_is_harmless(&page).await;
    let nested = format!("safe('{}'.repeat(600) + 'deep')", "<blockquote>");
    let deep = format!(
        "import('{}').then(({{ safe }}) => {{ const f = {nested}; return f.textContent }})",
        bridge.url("/chat/safe.js")
    );
    assert_eq!(page.eval(&deep).await, "deep");
    let requests = page.requests();
    assert!(requests.iter().all(|url| url.starts_with(&bridge.url("/"))), "{requests:?}");
    // Chromium reports handlers and styles as blocked that it has met in a document in which nothing runs anyway.
    let mut others = page.problems();
    others.retain(|problem| !(problem.contains("/safe.js") && problem.contains("The action has been blocked")));
    assert_eq!(others, [""; 0]);
    assert_eq!(page.eval("window.ran").await, json!([]));
}

/// The policy is the second wall: it holds without the first one.
#[tokio::test]
async fn the_policy_stops_what_would_get_into_the_page() {
    let Some(browser) = Browser::get() else { return };
    let bridge = playground().start().await;
    let page = browser.page().await;
    page.open(&bridge.url("/chat?lang=en")).await;
    is_connected(&page).await;
    // Strings are no markup here at all.
    let refused = "(() => { try { document.querySelector('#log').innerHTML = '<img>'; return 'taken' } \
                   catch (error) { return error.name } })()";
    assert_eq!(page.eval(refused).await, "TypeError");
    let insert = "(() => { for (const [name, attributes] of [\
        ['img', { src: 'https://evil.example/x.png' }], ['script', {}], ['iframe', { src: 'https://evil.example/' }], \
        ['link', { rel: 'stylesheet', href: 'https://evil.example/x.css' }], ['base', { href: 'https://evil.example/' }]]) { \
        const e = document.createElement(name); for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v); \
        document.head.append(e); } })()";
    page.eval(insert).await;
    until("the violations are told", async || page.problems().len() >= 4).await;
    assert_eq!(page.text("document.baseURI").await, bridge.url("/chat?lang=en"));
    assert_eq!(page.eval("window.ran").await, json!([]));
    let fetched = page.eval("fetch('https://evil.example/').then(() => 'sent', (error) => error.name)").await;
    assert_eq!(fetched, "TypeError");
    let headers = bridge.client.get(bridge.url("/chat")).send().await.unwrap().headers().clone();
    assert!(headers["content-security-policy"].to_str().unwrap().ends_with("frame-ancestors 'none'"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let tag = headers["etag"].to_str().unwrap();
    let again =
        bridge.client.get(bridge.url("/chat")).header("If-None-Match", format!("W/{tag}")).send().await.unwrap();
    assert_eq!(again.status(), 304);
}
