//! `messages`: what waits or was given up, in an operator's hand. Works beside a running daemon.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, start};
use crate::cli::output::{Output, age};
use crate::cli::{ConfigFile, Exit, help, load};
use crate::config::HumanDuration;
use crate::contract::Store;
use crate::contract::store::{StoreError, Utterance, WorkFilter, WorkId, WorkItem};
use crate::model::inbound::InboundEvent;
use crate::model::{ChannelId, Clock, TurnId};

/// Characters of a contact in a table.
const WIDE: usize = 40;

#[derive(clap::Args)]
#[command(after_help = help::MESSAGES)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// What has not ended well: waiting, being worked on, given up, undeliverable.
    #[command(after_help = help::MESSAGES_LIST)]
    List {
        /// Only what was given up.
        #[arg(long)]
        dead: bool,
        /// Only this channel.
        #[arg(long, value_name = "ID")]
        channel: Option<String>,
        /// Only what is at least this old, such as 10m.
        #[arg(long, value_name = "DURATION", value_parser = HumanDuration::parse)]
        older_than: Option<HumanDuration>,
        /// At most so many, the oldest.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One message: what was said, and what became of it.
    #[command(after_help = help::MESSAGES_SHOW)]
    Show {
        /// As listed: msg_… or out_….
        id: String,
    },
    /// Give messages a new start.
    #[command(after_help = help::MESSAGES_RETRY)]
    Retry {
        /// As listed; several are allowed.
        #[arg(value_name = "ID", required_unless_present = "all_dead")]
        ids: Vec<String>,
        /// All that were given up.
        #[arg(long, conflicts_with = "ids")]
        all_dead: bool,
    },
    /// End messages without an answer.
    #[command(after_help = help::MESSAGES_DROP)]
    Drop {
        /// As listed; several are allowed.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

pub(super) async fn run(app: &App, args: Args) -> Exit {
    let loaded = match load(app, args.file.config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let path = &loaded.config.store.path;
    if !path.exists() {
        Output::error(&format!(
            "there is no store at {}\nhint: is this the configuration that the bridge runs with?",
            path.display()
        ));
        return Exit::Store;
    }
    let store = match start::open_store(&loaded.config, &Clock::system(), false).await {
        Ok(store) => store,
        Err(error) => {
            Output::error(&error.to_string());
            return Exit::Store;
        }
    };
    let exit = match act(&store, args.command).await {
        Ok(exit) => exit,
        Err(error) => {
            Output::error(&error.to_string());
            Exit::Failure
        }
    };
    store.close().await;
    exit
}

async fn act(store: &Arc<dyn Store>, command: Command) -> Result<Exit, StoreError> {
    match command {
        Command::List { dead, channel, older_than, limit, json } => {
            let filter = WorkFilter {
                channel: channel.map(|id| ChannelId::new(id.as_str())),
                dead_only: dead,
                gone: true,
                older_than: older_than.map_or(Duration::ZERO, |age| *age),
                limit,
            };
            list(&store.work(filter).await?, json);
            Ok(Exit::Ok)
        }
        Command::Show { id } => show(&**store, &id).await,
        Command::Retry { ids, all_dead } => {
            let ids = if all_dead {
                let filter =
                    WorkFilter { dead_only: true, gone: true, limit: usize::MAX >> 1, ..WorkFilter::default() };
                store.work(filter).await?.into_iter().map(|item| shown(item.id)).collect()
            } else {
                ids
            };
            each(&**store, ids, "retried", |store, id| Box::pin(store.retry(id))).await
        }
        Command::Drop { ids } => each(&**store, ids, "dropped", |store, id| Box::pin(store.drop_item(id))).await,
    }
}

type Done<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

async fn each(
    store: &dyn Store,
    ids: Vec<String>,
    what: &str,
    act: for<'a> fn(&'a dyn Store, WorkId) -> Done<'a>,
) -> Result<Exit, StoreError> {
    let mut exit = Exit::Ok;
    for text in ids {
        let Some(id) = parse(&text) else {
            Output::error(&format!("{text}: is no id; ids look like msg_… or out_… (see `messages list`)"));
            exit = Exit::Usage;
            continue;
        };
        match act(store, id).await {
            Ok(()) => Output::line(&format!("{text}: {what}")),
            Err(error @ (StoreError::NotFound(_) | StoreError::LeaseLost)) => {
                Output::error(&format!("{text}: not {what}: {error}"));
                exit = Exit::Failure;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(exit)
}

fn list(items: &[WorkItem], json: bool) {
    if json {
        for item in items {
            let line = serde_json::json!({
                "id": shown(item.id), "channel": item.channel, "bot": item.bot, "contact": item.contact,
                "state": item.state, "reason": item.reason, "error": item.error, "attempts": item.attempts,
                "age_seconds": item.age.as_secs(), "due_in_seconds": item.due_in.as_secs(),
            });
            Output::line(&line.to_string());
        }
        return;
    }
    if items.is_empty() {
        Output::line("Nothing waits and nothing was given up.");
        return;
    }
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            vec![
                shown(item.id),
                item.channel.to_string(),
                short(item.contact.as_ref().map_or("", |key| key.as_str())),
                item.state.as_str().to_owned(),
                age(item.age),
                item.attempts.to_string(),
                why(item),
            ]
        })
        .collect();
    Output::table(&["ID", "CHANNEL", "CONTACT", "STATE", "AGE", "ATTEMPTS", "REASON"], &rows);
}

/// What a table has room for. `show` and `--json` have the whole.
fn short(contact: &str) -> String {
    if contact.chars().count() <= WIDE {
        return contact.to_owned();
    }
    contact.chars().take(WIDE - 1).chain(['…']).collect()
}

/// The reason, and the platform's or CaiGunn's words for it, on one line.
fn why(item: &WorkItem) -> String {
    let error = item.error.as_deref().and_then(|error| error.lines().next());
    let parts: Vec<&str> = item.reason.as_deref().into_iter().chain(error).filter(|part| !part.is_empty()).collect();
    parts.join(": ")
}

async fn show(store: &dyn Store, text: &str) -> Result<Exit, StoreError> {
    let filter = WorkFilter { gone: true, limit: usize::MAX >> 1, ..WorkFilter::default() };
    let items = store.work(filter).await?;
    let item = parse(text).and_then(|id| items.iter().find(|item| item.id == id));
    // A row is part of what was said to a message: that one is shown with it.
    let view = match TurnId::parse(text).or(item.and_then(|item| item.turn)) {
        Some(id) => store.view(id).await?,
        None => None,
    };
    if item.is_none() && view.is_none() {
        Output::error(&format!("{text}: there is no such message"));
        return Ok(Exit::Failure);
    }
    let field = |name: &str, value: &str| {
        if !value.is_empty() {
            Output::line(&format!("{name:<10}{value}"));
        }
    };
    field("id", text);
    if let Some(item) = item {
        field("channel", item.channel.as_str());
        field("contact", item.contact.as_ref().map_or("", |key| key.as_str()));
        field("state", item.state.as_str());
        field("reason", item.reason.as_deref().unwrap_or_default());
        field("error", item.error.as_deref().unwrap_or_default());
        field("attempts", &item.attempts.to_string());
        field("age", &age(item.age));
        if matches!(item.id, WorkId::Row(_)) {
            field("turn", &item.turn.map(|turn| turn.to_string()).unwrap_or_default());
        }
    }
    let Some(view) = view else { return Ok(Exit::Ok) };
    if item.is_none() {
        field("channel", view.channel.as_str());
        field("state", view.outcome.map_or(view.state.as_str(), |outcome| outcome.as_str()));
        field("reason", view.outcome.and_then(|outcome| outcome.reason()).map_or("", |reason| reason.as_str()));
    }
    field("received", &view.received_at.to_string());
    for entry in store.last_entries(view.contact, None, 1_000).await?.iter().filter(|entry| entry.turn == Some(view.id))
    {
        match &entry.said {
            Utterance::In(event) => field("in", &told(event)),
            Utterance::Out(action) => field("out", action.text()),
            Utterance::Forgotten => field("", "(past its retention)"),
        }
    }
    for row in items.iter().filter(|row| row.turn == Some(view.id) && Some(row.id) != item.map(|item| item.id)) {
        field("not sent", &format!("{} {}", shown(row.id), why(row)));
    }
    Ok(Exit::Ok)
}

fn told(event: &InboundEvent) -> String {
    match event {
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } if message.media.is_empty() => {
            message.text.clone()
        }
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } => {
            format!("{} [{} attached]", message.text, message.media.len()).trim_start().to_owned()
        }
        other => format!("{other:?}"),
    }
}

fn shown(id: WorkId) -> String {
    match id {
        WorkId::Turn(id) => id.to_string(),
        WorkId::Row(seq) => format!("out_{seq}"),
    }
}

fn parse(text: &str) -> Option<WorkId> {
    match text.strip_prefix("out_") {
        Some(seq) => seq.parse().ok().map(WorkId::Row),
        None => TurnId::parse(text).map(WorkId::Turn),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_long_contact_is_cut_where_characters_end() {
        assert_eq!(short("u:ann"), "u:ann");
        assert_eq!(short(&"長".repeat(40)), "長".repeat(40));
        assert_eq!(short(&"長".repeat(41)), "長".repeat(39) + "…");
    }
}
