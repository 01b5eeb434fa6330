//! Whether keys and tokens are good, asked of those who gave them.

use std::collections::BTreeMap;

use super::terminal::Help;
use super::{Channel, Kind};
use crate::app::{App, probe};
use crate::caigunn::ErrorKind;
use crate::config::{PREFIX, Sources};
use crate::contract::Finding;
use crate::model::Secret;

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    Token,
    Key,
    /// The connection's.
    Neither,
}

/// The token to use from now on, if it is another one; or what is wrong, in words.
pub(super) async fn caigunn(
    url: Option<&str>,
    token: &Secret,
    key: &Secret,
) -> Result<Option<Secret>, (Blame, String)> {
    let usual = crate::config::Account::default().base_url;
    let asked = probe::credentials(url.unwrap_or(&usual), token.clone(), key.clone()).await;
    asked.map_err(|error| {
        let (blame, what, hint) = match error.kind {
            ErrorKind::TokenRejected => (
                Blame::Token,
                "CaiGunn refuses the access token",
                "copy the whole of it once more; it may also have expired: make a new one",
            ),
            ErrorKind::KeyRefused => (
                Blame::Key,
                "CaiGunn refuses the API key",
                "copy the whole of it from the chatbot's settings; it must be of a chatbot of this account",
            ),
            ErrorKind::InvalidInput => (
                if http::HeaderValue::from_str(token.expose()).is_err() { Blame::Token } else { Blame::Key },
                "that cannot be a token or a key",
                "it holds characters that no header can carry: copy it once more",
            ),
            _ => (
                Blame::Neither,
                "CaiGunn does not answer as it should",
                "can this machine reach it? Is a proxy needed?",
            ),
        };
        (blame, format!("WRONG {what}: {}\n      hint: {hint}", error.told()))
    })
}

/// What a channel's own look at its platform says. The section is given as an operator could give it.
///
/// # Errors
/// The same when something is wrong, and what can help.
pub(super) async fn channel(app: &App, channel: &Channel) -> Result<String, (String, Help)> {
    let id = channel.kind.id();
    let section = format!("CHANNELS__{}__", id.to_uppercase());
    let mut settings = vec![
        ("ACCOUNTS__MAIN__ACCESS_TOKEN".to_owned(), "unused".to_owned()),
        ("BOTS__MAIN__ACCOUNT".to_owned(), "main".to_owned()),
        ("BOTS__MAIN__API_KEY".to_owned(), "unused".to_owned()),
        (format!("{section}KIND"), channel.kind.name().to_owned()),
        (format!("{section}BOT"), "main".to_owned()),
        (format!("{section}TOKEN"), channel.secret.secret().expose().to_owned()),
    ];
    if let Some(url) = &channel.url {
        settings.push((format!("{section}API_URL"), url.clone()));
    }
    let env: BTreeMap<_, _> =
        settings.into_iter().map(|(key, value)| (format!("{PREFIX}{key}").into(), value.into())).collect();
    let loaded = match app.load(&Sources { file: None, env, places: Vec::new() }) {
        Ok(loaded) => loaded,
        Err(mistakes) => return Err((format!("WRONG {mistakes}"), Help::Another)),
    };
    let told = |findings: &[Finding]| findings.iter().map(line).collect::<Vec<_>>().join("\n");
    if let Some(mistakes) = loaded.broken.get(id) {
        let findings: Vec<_> = mistakes.0.iter().map(|mistake| of_mistake(channel.kind, mistake)).collect();
        return Err((told(&findings), Help::Another));
    }
    let findings = probe::channels(app, &loaded).await;
    if findings.iter().all(|finding| finding.ok) {
        return Ok(told(&findings));
    }
    // A channel says first whether its token is taken.
    let is_taken = findings.first().is_some_and(|finding| finding.ok);
    Err((told(&findings), if is_taken { Help::LookAgain } else { Help::Either }))
}

fn of_mistake(kind: Kind, mistake: &crate::config::Mistake) -> Finding {
    let what = match mistake.key.ends_with(".token") {
        true => format!("for {} this {}", kind.shown(), mistake.reason),
        false => format!("{} {}", mistake.key, mistake.reason),
    };
    Finding { ok: false, what, hint: mistake.hint.clone() }
}

fn line(finding: &Finding) -> String {
    let mark = if finding.ok { "ok   " } else { "WRONG" };
    let hint = finding.hint.as_ref().map(|hint| format!("\n      hint: {hint}")).unwrap_or_default();
    format!("{mark} {}{hint}", finding.what)
}
