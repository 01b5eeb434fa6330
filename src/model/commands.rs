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
    /// What platforms send when somebody opens the bot; greets. Understood, and in no list.
    Start,
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

/// What people are shown, in this order.
pub const CATALOGUE: &[CommandInfo] = &[
    CommandInfo { command: Command::Help, name: "help", summary: Text::CommandHelp, argument: None },
    CommandInfo { command: Command::Reset, name: "reset", summary: Text::CommandReset, argument: None },
    CommandInfo { command: Command::History, name: "history", summary: Text::CommandHistory, argument: Some("n") },
    CommandInfo { command: Command::Lang, name: "lang", summary: Text::CommandLang, argument: Some("en | zh-TW") },
    CommandInfo { command: Command::Id, name: "id", summary: Text::CommandId, argument: None },
];

/// Commands that are understood and not shown.
const HIDDEN: &[(&str, Command)] = &[("start", Command::Start)];

impl Command {
    /// The command of this name, shown or not.
    pub fn parse(name: &str) -> Option<Self> {
        let shown = CATALOGUE.iter().map(|info| (info.name, info.command));
        shown.chain(HIDDEN.iter().copied()).find(|(known, _)| *known == name).map(|(_, command)| command)
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

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, Command, help};
    use crate::model::texts::Lang;

    #[test]
    fn start_is_understood_and_not_shown() {
        assert_eq!(Command::parse("start"), Some(Command::Start));
        assert!(CATALOGUE.iter().all(|info| info.command != Command::Start));
        assert!(!help(|lang, text| text.built_in(lang).to_owned(), Lang::En).contains("/start"));
        assert!(CATALOGUE.iter().all(|info| Command::parse(info.name) == Some(info.command)));
        assert_eq!(Command::parse("etc"), None);
    }
}
