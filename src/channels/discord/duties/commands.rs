//! The slash commands: registered when they are not what was last registered. Discord takes 200 new ones a day
//! (<https://docs.discord.com/developers/interactions/application-commands#registering-a-command>).

use reqwest::Method;
use serde::de::IgnoredAny;
use serenity::builder::{CreateCommand, CreateCommandOption};
use serenity::model::application::{CommandOptionType, CommandType, InstallationContext, InteractionContext};
use sha2::{Digest, Sha256};

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::ids;
use crate::contract::channel::SendError;
use crate::contract::store::StoreError;
use crate::model::Lang;
use crate::model::commands::{CATALOGUE, Command};
use crate::model::hex::hex;
use crate::model::texts::{LiveTexts, Text};

/// Discord's name of the second language.
const ZH_TW: &str = "zh-TW";

const KV: &str = "discord";

/// Registers the commands where the section wants them, and takes them away where it no longer does.
pub(in crate::channels::discord) async fn maintain(channel: &Discord) -> Result<(), SendError> {
    let config = &channel.config;
    let wanted: Vec<Place> = match (config.commands, config.commands_in.as_slice()) {
        (false, _) => Vec::new(),
        (true, []) => vec![Place::Everywhere],
        (true, servers) => servers.iter().map(|id| Place::Server(id.0.clone())).collect(),
    };
    let commands = all(&channel.context.texts);
    let digest = hex(&Sha256::digest(written(&commands)?));
    let key = format!("commands:{}", channel.bot);
    let store = &channel.context.store;
    let known = store.get(KV, &key).await.map_err(unkept)?.unwrap_or_default();
    let mut registered: Vec<(Place, String)> = known.lines().filter_map(read).collect();
    let before = registered.clone();
    let done = channel.bring_about(&wanted, &commands, &digest, &mut registered).await;
    if registered != before {
        // What was done is known even if the rest fails: a limit would never be passed by whoever begins anew each time.
        let lines: Vec<String> =
            registered.iter().map(|(place, digest)| format!("{} {digest}", place.name())).collect();
        store.put(KV, &key, &lines.join("\n")).await.map_err(unkept)?;
    }
    done
}

fn unkept(error: StoreError) -> SendError {
    SendError::Transient(error.to_string())
}

fn written(commands: &[CreateCommand]) -> Result<Vec<u8>, SendError> {
    serde_json::to_vec(commands).map_err(|error| SendError::Transient(error.to_string()))
}

/// Where commands are registered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Everywhere,
    Server(String),
}

const EVERYWHERE: &str = "*";

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::Everywhere => EVERYWHERE,
            Self::Server(id) => id,
        }
    }
}

fn read(line: &str) -> Option<(Place, String)> {
    let (place, digest) = line.split_once(' ')?;
    let place = if place == EVERYWHERE { Place::Everywhere } else { Place::Server(place.to_owned()) };
    Some((place, digest.to_owned()))
}

impl Discord {
    /// Registers commands where they are not, and takes them away where they are not wanted; `registered` follows.
    async fn bring_about(
        &self,
        wanted: &[Place],
        commands: &[CreateCommand],
        digest: &str,
        registered: &mut Vec<(Place, String)>,
    ) -> Result<(), SendError> {
        for place in wanted {
            if registered.iter().any(|(known, as_what)| known == place && as_what == digest) {
                continue;
            }
            if self.register(place, commands).await? {
                registered.retain(|(known, _)| known != place);
                registered.push((place.clone(), digest.to_owned()));
            }
        }
        let unwanted = registered.iter().map(|(place, _)| place).filter(|place| !wanted.contains(place));
        for place in unwanted.cloned().collect::<Vec<_>>() {
            self.register(&place, &[]).await?;
            registered.retain(|(known, _)| *known != place);
        }
        Ok(())
    }

    /// Whether the commands of a place are these now. A server that has not invited the bot is named and left alone.
    async fn register(&self, place: &Place, commands: &[CreateCommand]) -> Result<bool, SendError> {
        let application = self.application().await.map_err(failed)?;
        let path = match place {
            Place::Everywhere => format!("applications/{application}/commands"),
            Place::Server(id) => format!("applications/{application}/guilds/{id}/commands"),
        };
        let put = Call::new(Method::PUT, &path);
        match self.api.ask_with::<_, IgnoredAny>(put, commands).await {
            Ok(_) => {
                let (channel, count) = (&self.context.id, commands.len());
                tracing::info!(%channel, place = place.name(), count, "slash commands are registered");
                Ok(true)
            }
            Err(CallError::Refused { status: 403 | 404, message, code, .. }) if *place != Place::Everywhere => {
                let (channel, server) = (&self.context.id, place.name());
                tracing::warn!(
                    %channel, server, code, message,
                    "slash commands cannot be registered there: invite the bot to the server with the link that `check --online` prints"
                );
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: CallError) -> SendError {
    match error {
        CallError::Limited { retry_after, .. } => {
            SendError::RateLimited { scope: ids::BOT_SCOPE.to_owned(), retry_after }
        }
        error if error.is_unauthorized() => SendError::Unauthorized { reason: error.to_string() },
        CallError::Refused { status, .. } if status < 500 => SendError::Rejected { reason: error.to_string() },
        error => SendError::Transient(error.to_string()),
    }
}

/// The commands as Discord shows them, each in both languages.
fn all(texts: &LiveTexts) -> Vec<CreateCommand> {
    let option = |kind, name: &str, localized: &str, text| {
        let option = CreateCommandOption::new(kind, name, described(texts, Lang::En, text));
        option.name_localized(ZH_TW, localized).description_localized(ZH_TW, described(texts, Lang::ZhTw, text))
    };
    let ask = command(texts, "ask", "提問", Text::CommandAsk)
        .add_option(option(CommandOptionType::String, "text", "問題", Text::CommandAskText).max_length(MAX_QUESTION))
        .add_option(option(CommandOptionType::Attachment, "image", "圖片", Text::CommandAskImage));
    let others = CATALOGUE.iter().map(|info| {
        let made = command(texts, info.name, localized(info.command), info.summary);
        match info.command {
            Command::History => {
                let count = option(CommandOptionType::Integer, "count", "數量", Text::CommandHistoryCount);
                made.add_option(count.min_int_value(1).max_int_value(MAX_EXCHANGES))
            }
            Command::Lang => {
                let language = option(CommandOptionType::String, "language", "語言", Text::CommandLangChoice);
                made.add_option(language.add_string_choice("English", "en").add_string_choice("繁體中文", "zh-TW"))
            }
            _ => made,
        }
    });
    std::iter::once(ask).chain(others).collect()
}

/// The longest text that an option takes
/// (<https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-option-structure>).
const MAX_QUESTION: u16 = 6_000;

/// More than this `/history` shows nowhere.
const MAX_EXCHANGES: u64 = 50;

fn command(texts: &LiveTexts, name: &str, localized: &str, summary: Text) -> CreateCommand {
    CreateCommand::new(name)
        .kind(CommandType::ChatInput)
        .name_localized(ZH_TW, localized)
        .description(described(texts, Lang::En, summary))
        .description_localized(ZH_TW, described(texts, Lang::ZhTw, summary))
        .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm])
        .integration_types(vec![InstallationContext::Guild])
}

fn localized(command: Command) -> &'static str {
    match command {
        Command::Help => "說明",
        Command::Reset => "重新開始",
        Command::History => "紀錄",
        Command::Lang => "語言",
        Command::Id => "編號",
        Command::Start => "開始",
    }
}

/// At most 100 characters describe a command, and one at least.
fn described(texts: &LiveTexts, lang: Lang, text: Text) -> String {
    let line: String = texts.get(lang, text).trim().chars().take(100).collect();
    if line.is_empty() { "…".to_owned() } else { line }
}
