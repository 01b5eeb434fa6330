//! Carries a command of a chat user out.

use crate::contract::store::ContactChange;
use crate::model::capabilities::Delivery;
use crate::model::commands::{self, Command};
use crate::model::texts::Text;
use crate::model::{Contact, Lang, Target};
use crate::pipeline::history::newest;
use crate::pipeline::shared::{ChannelEntry, Shared};

/// What is said, and what changes.
pub(crate) struct Done {
    pub(crate) text: String,
    pub(crate) change: ContactChange,
}

const HISTORY_DEFAULT: usize = 10;
const HISTORY_MAX: usize = 50;

pub(crate) async fn run(
    shared: &Shared,
    entry: &ChannelEntry,
    contact: &Contact,
    target: &Target,
    command: Command,
    args: &str,
) -> Done {
    let lang = shared.lang(contact, entry);
    let say = |text: Text| Done { text: shared.text(lang, text), change: ContactChange::default() };
    match command {
        Command::Help => {
            Done { text: commands::help(|lang, text| shared.text(lang, text), lang), change: ContactChange::default() }
        }
        Command::Reset => {
            Done { change: ContactChange { reset: true, ..ContactChange::default() }, ..say(Text::ResetDone) }
        }
        Command::Lang => match Lang::from_tag(args) {
            Some(chosen) => Done {
                text: shared.text(chosen, Text::LangSet),
                change: ContactChange { lang: Some(chosen), ..ContactChange::default() },
            },
            None => say(Text::LangChoices),
        },
        Command::Id => {
            let mut text = shared.text(lang, Text::IdIs).replace("{id}", &contact.uid());
            let chat = shared.text(lang, Text::ChatIs);
            if entry.channel.capabilities().delivery == Delivery::Push && !chat.is_empty() {
                text.push('\n');
                text.push_str(&chat.replace("{chat}", target.chat()));
            }
            Done { text, change: ContactChange::default() }
        }
        Command::Start => welcome(shared, lang),
        Command::History => history(shared, entry, contact, lang, args).await,
    }
}

/// The greeting.
pub(crate) fn welcome(shared: &Shared, lang: Lang) -> Done {
    Done { text: shared.text(lang, Text::Welcome), change: ContactChange::default() }
}

async fn history(shared: &Shared, entry: &ChannelEntry, contact: &Contact, lang: Lang, args: &str) -> Done {
    let limit = args.trim().parse().unwrap_or(HISTORY_DEFAULT).clamp(1, HISTORY_MAX);
    let read = match shared.bot(&entry.bot) {
        Some(bot) => newest(&bot.client(), &contact.uid(), limit).await.map_err(|error| error.to_string()),
        None => Err(format!("there is no bot `{}`", entry.bot)),
    };
    let text = match read {
        Ok(exchanges) if exchanges.is_empty() => shared.text(lang, Text::HistoryEmpty),
        Ok(exchanges) => {
            let lines = exchanges.into_iter().map(|exchange| {
                format!("› {}\n‹ {}", exchange.received.unwrap_or_default(), exchange.sent.unwrap_or_default())
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Err(error) => {
            tracing::warn!(bot = %entry.bot, error, "the history cannot be read");
            shared.text(lang, Text::HistoryUnavailable)
        }
    };
    Done { text, change: ContactChange::default() }
}
