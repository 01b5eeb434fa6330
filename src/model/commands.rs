//! The command catalogue. Channels present it natively; the pipeline carries it out.

use serde::{Deserialize, Serialize};

use crate::model::texts::{Lang, Text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    Help,
    Reset,
    History,
    Lang,
    Id,
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct CommandInfo {
    pub command: Command,
    pub name: &'static str,
    /// What it does, in a few words, as the platform lists it.
    pub summary: Text,
    /// The argument it takes, if any.
    pub argument: Option<&'static str>,
}

pub const CATALOGUE: &[CommandInfo] = &[
    CommandInfo { command: Command::Help, name: "help", summary: Text::CommandHelp, argument: None },
    CommandInfo { command: Command::Reset, name: "reset", summary: Text::CommandReset, argument: None },
    CommandInfo { command: Command::History, name: "history", summary: Text::CommandHistory, argument: Some("n") },
    CommandInfo { command: Command::Lang, name: "lang", summary: Text::CommandLang, argument: Some("en | zh-TW") },
    CommandInfo { command: Command::Id, name: "id", summary: Text::CommandId, argument: None },
];

impl Command {
    pub fn parse(name: &str) -> Option<Self> {
        CATALOGUE.iter().find(|info| info.name == name).map(|info| info.command)
    }
}

/// The catalogue as a text for chat users.
pub fn help(text: impl Fn(Lang, Text) -> String, lang: Lang) -> String {
    let mut lines = vec![text(lang, Text::Help), String::new()];
    for info in CATALOGUE {
        let argument = info.argument.map(|argument| format!(" [{argument}]")).unwrap_or_default();
        lines.push(format!("/{}{argument} – {}", info.name, text(lang, info.summary)));
    }
    lines.join("\n")
}
