//! Telegram's HTML as Telegram reads it: which tags and references there are, what it says of a mistake, and what is left of
//! text and entities once its rules have been applied. After what <https://core.telegram.org/bots/api#html-style> says and
//! tdlib's `parse_html` and `fix_formatted_text` do; descriptions are worded as the Bot API server words them.

mod link;
mod mend;
mod tests;

/// A text as a message has it, and its entities in order. Those that clients find for themselves (URLs, mentions) are not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) text: String,
    pub(crate) entities: Vec<Entity>,
}

/// Offset and length count UTF-16 units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entity {
    /// As in `MessageEntity.type`.
    pub(crate) kind: &'static str,
    pub(crate) offset: usize,
    pub(crate) length: usize,
    /// The URL of a `text_link`, the language of a `pre`, the id of a `text_mention` or a `custom_emoji`.
    pub(crate) extra: Option<String>,
}

/// What becomes of a text that was sent with `parse_mode` HTML, or the description of the error 400.
pub(crate) fn parse(html: &str) -> Result<Parsed, String> {
    if html.is_empty() {
        return Err("Bad Request: message text is empty".to_owned());
    }
    let raw = read(html).map_err(|what| format!("Bad Request: can't parse entities: {what}"))?;
    mend::mend(raw).ok_or_else(|| "Bad Request: text must be non-empty".to_owned())
}

/// What becomes of a text that was sent without a parse mode.
pub(crate) fn plain(text: &str) -> Result<Parsed, String> {
    if text.is_empty() {
        return Err("Bad Request: message text is empty".to_owned());
    }
    let raw = Parsed { text: text.to_owned(), entities: Vec::new() };
    mend::mend(raw).ok_or_else(|| "Bad Request: text must be non-empty".to_owned())
}

/// How many UTF-16 units a text has: what Telegram's limits count.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

struct Open {
    tag: String,
    argument: String,
    offset: usize,
    begin: usize,
}

/// The source, with a zero byte after its end as the C string has.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn at(&self, index: usize) -> u8 {
        self.0.get(index).copied().unwrap_or(0)
    }

    /// The end is a space too.
    fn space(&self, index: usize) -> bool {
        matches!(self.at(index), b' ' | b'\t' | b'\r' | b'\n' | 0 | 0x0b)
    }

    fn skip_spaces(&self, mut index: usize) -> usize {
        while self.at(index) != 0 && self.space(index) {
            index += 1;
        }
        index
    }

    fn lower(&self, from: usize, to: usize) -> String {
        String::from_utf8_lossy(&self.0[from..to.min(self.0.len())]).to_ascii_lowercase()
    }

    /// The character that a reference at `index` stands for, and where it ends.
    fn reference(&self, index: usize) -> Option<(u32, usize)> {
        let mut end = index + 1;
        let code = if self.at(end) == b'#' {
            end += 1;
            let radix = if self.at(end) == b'x' { 16 } else { 10 };
            end += usize::from(radix == 16);
            let mut code = 0_u32;
            while let Some(digit) = char::from(self.at(end)).to_digit(radix) {
                code = code.wrapping_mul(radix).wrapping_add(digit);
                end += 1;
            }
            if code == 0 || code >= 0x0010_ffff || end - index >= 10 {
                return None;
            }
            code
        } else {
            while self.at(end).is_ascii_alphabetic() {
                end += 1;
            }
            u32::from(match &self.0[index + 1..end] {
                b"lt" => b'<',
                b"gt" => b'>',
                b"amp" => b'&',
                b"quot" => b'"',
                _ => return None,
            })
        };
        Some((code, end + usize::from(self.at(end) == b';')))
    }
}

const TAGS: [&str; 17] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "strike",
    "del",
    "u",
    "ins",
    "tg-spoiler",
    "tg-emoji",
    "tg-time",
    "span",
    "pre",
    "code",
    "blockquote",
];

const SURROGATE: &str =
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate code units";

/// Text and entities as written, before any rule but the grammar.
fn read(html: &str) -> Result<Parsed, String> {
    let source = Source(html.as_bytes());
    let (mut text, mut offset) = (String::with_capacity(html.len()), 0);
    let (mut open, mut entities, mut surrogate) = (Vec::<Open>::new(), Vec::new(), false);
    let mut i = 0;
    while i < html.len() {
        if source.at(i) == b'&'
            && let Some((code, end)) = source.reference(i)
        {
            surrogate |= char::from_u32(code).is_none();
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            text.push(c);
            offset += c.len_utf16();
            i = end;
        } else if source.at(i) != b'<' {
            let c = html[i..].chars().next().unwrap();
            text.push(c);
            offset += c.len_utf16();
            i += c.len_utf8();
        } else if source.at(i + 1) == b'/' {
            i = end_tag(&source, i, &text, offset, &mut open, &mut entities)?;
        } else {
            let (tag, argument, end) = start_tag(&source, i)?;
            open.push(Open { tag, argument, offset, begin: text.len() });
            i = end;
        }
    }
    if let Some(open) = open.last() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag));
    }
    for entity in entities.iter_mut().filter(|entity: &&mut Entity| entity.kind == "code") {
        entity.extra = None;
    }
    mend::sort(&mut entities);
    if surrogate { Err(SURROGATE.to_owned()) } else { Ok(Parsed { text, entities }) }
}

/// Reads a start tag: its name, its argument, and where it ends.
fn start_tag(source: &Source<'_>, begin: usize) -> Result<(String, String, usize), String> {
    let mut i = begin + 1;
    while !source.space(i) && source.at(i) != b'>' {
        i += 1;
    }
    let unclosed = || format!("Unclosed start tag at byte offset {begin}");
    if source.at(i) == 0 {
        return Err(unclosed());
    }
    let tag = source.lower(begin + 1, i);
    if !TAGS.contains(&tag.as_str()) {
        return Err(format!("Unsupported start tag \"{tag}\" at byte offset {begin}"));
    }
    let mut argument = String::new();
    while source.at(i) != b'>' {
        i = source.skip_spaces(i);
        if source.at(i) == b'>' {
            break;
        }
        let name = i;
        while !source.space(i) && !matches!(source.at(i), b'=' | b'>' | b'/' | b'"' | b'\'') {
            i += 1;
        }
        let name = &source.0[name..i];
        if name.is_empty() {
            return Err(format!("Empty attribute name in the tag \"{tag}\" at byte offset {begin}"));
        }
        i = source.skip_spaces(i);
        if source.at(i) == 0 {
            return Err(format!("Unclosed start tag \"{tag}\" at byte offset {begin}"));
        }
        let mut value = String::new();
        if source.at(i) == b'=' {
            i = source.skip_spaces(i + 1);
            if source.at(i) == 0 {
                return Err(format!("Unclosed start tag \"{tag}\" at byte offset {begin}"));
            }
            (value, i) = attribute(source, i)?;
            if source.at(i) == 0 {
                return Err(unclosed());
            }
        } else if (tag.as_str(), name) != ("blockquote", b"expandable") {
            continue;
        }
        match (tag.as_str(), name) {
            ("a", b"href") | ("tg-emoji", b"emoji-id") => argument = value,
            ("code", b"class") => argument = value.strip_prefix("language-").unwrap_or(&argument).to_owned(),
            ("span", b"class") => argument = value.strip_prefix("tg-").unwrap_or(&argument).to_owned(),
            ("blockquote", b"expandable") => argument = "1".to_owned(),
            _ => {}
        }
    }
    if tag == "span" && argument != "spoiler" {
        return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"));
    }
    Ok((tag, argument, i + 1))
}

/// Reads the value of an attribute, and where it ends.
fn attribute(source: &Source<'_>, begin: usize) -> Result<(String, usize), String> {
    let mut i = begin;
    let quote = source.at(i);
    if !matches!(quote, b'"' | b'\'') {
        while source.at(i).is_ascii_alphanumeric() || matches!(source.at(i), b'.' | b'-') {
            i += 1;
        }
        if !source.space(i) && source.at(i) != b'>' {
            return Err(format!("Unexpected end of name token at byte offset {begin}"));
        }
        return Ok((source.lower(begin, i), i));
    }
    i += 1;
    let mut value = Vec::new();
    while !matches!(source.at(i), 0) && source.at(i) != quote {
        if source.at(i) == b'&'
            && let Some((code, end)) = source.reference(i)
        {
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            i = end;
        } else {
            value.push(source.at(i));
            i += 1;
        }
    }
    let value = String::from_utf8(value).map_err(|error| error.to_string())?;
    Ok((value, i + usize::from(source.at(i) == quote)))
}

/// Reads an end tag and makes an entity of what it closes; answers where it ends.
fn end_tag(
    source: &Source<'_>,
    begin: usize,
    text: &str,
    offset: usize,
    open: &mut Vec<Open>,
    entities: &mut Vec<Entity>,
) -> Result<usize, String> {
    let Some(start) = open.pop() else {
        return Err(format!("Unexpected end tag at byte offset {begin}"));
    };
    let mut i = begin + 2;
    while !source.space(i) && source.at(i) != b'>' {
        i += 1;
    }
    let name = source.lower(begin + 2, i);
    i = source.skip_spaces(i);
    if source.at(i) != b'>' {
        return Err(format!("Unclosed end tag at byte offset {begin}"));
    }
    let tag = start.tag.as_str();
    if !name.is_empty() && name != tag {
        return Err(format!("Unmatched end tag at byte offset {begin}, expected \"</{tag}>\", found \"</{name}>\""));
    }
    if offset > start.offset {
        close(&start, &text[start.begin..], offset, entities)?;
    }
    Ok(i + 1)
}

fn close(open: &Open, inner: &str, end: usize, entities: &mut Vec<Entity>) -> Result<(), String> {
    let length = end - open.offset;
    let argument = (!open.argument.is_empty()).then(|| open.argument.clone());
    let same = |last: &Entity| (last.offset, last.length) == (open.offset, length);
    let (kind, extra) = match open.tag.as_str() {
        "i" | "em" => ("italic", None),
        "b" | "strong" => ("bold", None),
        "s" | "strike" | "del" => ("strikethrough", None),
        "u" | "ins" => ("underline", None),
        "tg-spoiler" | "span" => ("spoiler", None),
        "tg-emoji" => match open.argument.parse::<i64>() {
            Ok(id) if id != 0 => ("custom_emoji", argument),
            _ => return Err("Invalid custom emoji identifier specified".to_owned()),
        },
        "blockquote" if argument.is_some() => ("expandable_blockquote", None),
        "blockquote" => ("blockquote", None),
        // Nothing of ours writes it.
        "tg-time" => return Ok(()),
        "a" => {
            let url = argument.unwrap_or_else(|| inner.to_owned());
            match (link::user(&url), link::checked(&url)) {
                (Some(id), _) => ("text_mention", Some(id)),
                (None, Some(url)) => ("text_link", Some(url)),
                // A link that Telegram does not take leaves its text, and nothing is said.
                (None, None) => return Ok(()),
            }
        }
        "pre" => match entities.last_mut() {
            Some(last) if last.kind == "code" && same(last) && last.extra.is_some() => {
                last.kind = "pre";
                return Ok(());
            }
            _ => ("pre", None),
        },
        _ => match entities.last_mut() {
            Some(last) if last.kind == "pre" && same(last) && argument.is_some() => {
                last.extra = argument;
                return Ok(());
            }
            _ => ("code", argument),
        },
    };
    entities.push(Entity { kind, offset: open.offset, length, extra });
    Ok(())
}
