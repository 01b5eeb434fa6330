//! From an action to single calls. Pure: no clock, no store, no address.

use caigunn_bridge::model::capabilities::TextUnit;
use caigunn_bridge::model::outbound::Voice;
use caigunn_bridge::model::{OutboundAction, Rendered, Target};
use serde::{Deserialize, Serialize};

use super::config::MAX_TEXT;
use super::ids;

/// The body of a call, as a row keeps it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) text: String,
    /// Whether `*` makes bold.
    #[serde(default)]
    pub(super) stars: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<String>,
}

/// The text in pieces that the platform takes; the first one names the message that it answers.
pub(super) fn render(action: &OutboundAction, to: &Target) -> Vec<Rendered> {
    let (text, reply_to, stars) = match action {
        OutboundAction::Send { text, reply_to, voice, .. } => (text, reply_to.clone(), *voice == Voice::Bot),
        // The platform cannot edit; what has changed is said again.
        OutboundAction::Edit { text, .. } => (text, None, true),
        _ => return Vec::new(),
    };
    let mut reply_to = reply_to;
    split(text)
        .into_iter()
        .map(|piece| {
            let body = Body { text: piece.to_owned(), stars, reply_to: reply_to.take() };
            let plain =
                stars.then(|| Body { text: piece.replace('*', ""), stars: false, reply_to: body.reply_to.clone() });
            Rendered {
                payload: json(&body),
                plain: plain.as_ref().map(json),
                scopes: ids::scopes(&to.key),
                expires_in: None,
            }
        })
        .collect()
}

fn json(body: &Body) -> String {
    serde_json::to_string(body).expect("strings and flags can be written")
}

/// Pieces within the limit, cut after a line or a word where there is one.
fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while TextUnit::Utf16.count(rest) > MAX_TEXT {
        let mut units = 0;
        let fits = rest.char_indices().find(|(_, c)| {
            units += c.len_utf16();
            units > MAX_TEXT
        });
        let end = fits.map_or(rest.len(), |(at, _)| at);
        let cut = rest[..end].rfind('\n').or_else(|| rest[..end].rfind(' ')).filter(|at| *at > 0).unwrap_or(end);
        pieces.push(rest[..cut].trim_end());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use caigunn_bridge::model::capabilities::TextUnit;
    use caigunn_bridge::model::{OutboundAction, Target};

    use super::super::config::MAX_TEXT;
    use super::{Body, render, split};

    #[test]
    fn pieces_fit_and_nothing_is_lost() {
        for text in [
            "word ".repeat(200),
            "長".repeat(500),
            "🎈".repeat(300),
            format!("{}\n{}", "a".repeat(100), "b".repeat(100)),
        ] {
            let pieces = split(&text);
            assert!(pieces.len() > 1 && pieces.iter().all(|piece| TextUnit::Utf16.count(piece) <= MAX_TEXT));
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(solid(&pieces.concat()), solid(&text));
        }
    }

    #[test]
    fn an_answer_has_a_plain_form_and_a_notice_is_plain() {
        let body = |payload: &str| serde_json::from_str::<Body>(payload).unwrap();
        let answer = render(&OutboundAction::answer("*hi*", Some("m1".into())), &Target::of("c1"));
        assert_eq!(body(&answer[0].payload), Body { text: "*hi*".into(), stars: true, reply_to: Some("m1".into()) });
        assert_eq!(
            body(answer[0].plain.as_ref().unwrap()),
            Body { text: "hi".into(), stars: false, reply_to: Some("m1".into()) }
        );
        let notice = render(&OutboundAction::notice("*hi*", None), &Target::of("c1"));
        assert_eq!(body(&notice[0].payload), Body { text: "*hi*".into(), stars: false, reply_to: None });
        assert_eq!(notice[0].plain, None);
    }
}
