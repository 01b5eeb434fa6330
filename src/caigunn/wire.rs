//! What the calls answer with. Lists are read tolerantly: the documents show fields that may be null or missing, and
//! the service may add others.

use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::{Map, Value};

/// The bot's answer; the text may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
}

/// One exchange of a conversation's history. Which of `receive` and `send` is the person's side is not documented.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    #[serde(deserialize_with = "text")]
    pub created_at: Option<String>,
    #[serde(deserialize_with = "text")]
    pub receive: Option<String>,
    #[serde(deserialize_with = "text")]
    pub send: Option<String>,
    /// The field `type`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub log_type: Option<String>,
    pub kwargs: Value,
    /// Fields that the documents do not name.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One participant.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UidEntry {
    #[serde(deserialize_with = "text")]
    pub uid: Option<String>,
    #[serde(deserialize_with = "text")]
    pub nickname: Option<String>,
    #[serde(deserialize_with = "text")]
    pub source: Option<String>,
    /// Presumably the last message.
    #[serde(deserialize_with = "text")]
    pub last_sent: Option<String>,
    #[serde(deserialize_with = "text")]
    pub last_sent_at: Option<String>,
    /// Fields that the documents do not name.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A text, or what else stands in its place as text: an id may come as a number.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// Reads the answer of talk and vision. `text` may be null, not missing: a body without it is no answer at all.
pub(super) fn answer(body: &[u8]) -> Result<Answer, String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "present")]
        text: Option<Option<String>>,
    }
    fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
    let read: Body = parse(body)?;
    let text = read.text.ok_or_else(|| format!("the answer ({} bytes) holds no `text`", body.len()))?;
    Ok(Answer { text: text.unwrap_or_default() })
}

pub(super) fn messages(body: &[u8]) -> Result<Vec<HistoryEntry>, String> {
    #[derive(Deserialize)]
    struct Body {
        messages: Option<Vec<Option<HistoryEntry>>>,
    }
    parse(body).map(|body: Body| body.messages.into_iter().flatten().flatten().collect())
}

pub(super) fn uids(body: &[u8]) -> Result<Vec<UidEntry>, String> {
    #[derive(Deserialize)]
    struct Body {
        uids: Option<Vec<Option<UidEntry>>>,
    }
    parse(body).map(|body: Body| body.uids.into_iter().flatten().flatten().collect())
}

/// The error says how the body is wrong and shows nothing of JSON, which would be somebody's conversation; what is no
/// JSON (a proxy's page) is shown in excerpt by the caller's bound.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|e| {
        let bytes = body.len();
        match (body.trim_ascii_start().first(), e.classify()) {
            (None, _) => "the answer is empty".to_owned(),
            (Some(b'{' | b'['), Category::Eof) => format!("the answer's JSON is cut off after {bytes} bytes"),
            (Some(b'{' | b'['), Category::Data) => format!("the answer ({bytes} bytes) has another form than expected"),
            (Some(b'<'), _) => {
                let page = String::from_utf8_lossy(&body[..bytes.min(1024)]);
                format!("the answer is a page, not JSON: {page}")
            }
            _ => format!("the answer ({bytes} bytes) is not JSON"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_its_text() {
        for (body, text) in [(r#"{"text":"hi","more":[1]}"#, "hi"), (r#"{"text":null}"#, ""), (r#"{"text":""}"#, "")] {
            assert_eq!(answer(body.as_bytes()).unwrap().text, text);
        }
        for body in
            ["", "  ", "{}", r#"{"text":7}"#, r#"{"text":"my words"#, "null", "\"my words\"", "my words", "<html>"]
        {
            let error = answer(body.as_bytes()).unwrap_err();
            assert!(!error.contains("my words"), "{error}");
        }
    }

    #[test]
    fn lists_bear_null_missing_and_unknown() {
        assert_eq!(messages(b"{}").unwrap(), []);
        assert_eq!(messages(br#"{"messages":null}"#).unwrap(), []);
        let entries = messages(
            br#"{"messages":[null,{},{"id":7,"receive":"a","send":null,"type":"t","kwargs":{"k":1},"new":true}],"total":3}"#,
        );
        let entries = entries.unwrap();
        assert_eq!(entries[0], HistoryEntry::default());
        assert_eq!(entries[1].id.as_deref(), Some("7"));
        assert_eq!(entries[1].receive.as_deref(), Some("a"));
        assert_eq!(entries[1].send, None);
        assert_eq!(entries[1].kind.as_deref(), Some("t"));
        assert_eq!(entries[1].kwargs["k"], 1);
        assert_eq!(entries[1].extra["new"], true);
        let uids = uids(br#"{"uids":[{"uid":"u","last_sent":null,"source":"api","x":1}]}"#).unwrap();
        assert_eq!(uids[0].uid.as_deref(), Some("u"));
        assert_eq!(uids[0].extra["x"], 1);
        assert!(messages(b"<html>502</html>").is_err());
    }
}
