//! The calls that there are, by method and path. Names of routes, as faults, limits and logs have them: `gateway`,
//! `gateway_bot`, `me`, `application`, `guild`, `guild_channels`, `guild_member`, `channel`, `history`, `message`, `send`,
//! `edit`, `delete`, `typing`, `open_dm`, `thread`, `active_threads`, `join_thread`, `thread_members`, `callback`,
//! `original`, `edit_original`, `delete_original`, `follow_up`, `edit_follow_up`, `get_commands`, `put_commands`,
//! `post_command`, `patch_command`, `delete_command`, `cdn`.

use http::Method;

use super::errors::Refusal;

/// A call; numbers are those of its path.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Gateway,
    GatewayBot,
    Me,
    Application,
    Guild(u64),
    GuildChannels(u64),
    GuildMember(u64, u64),
    Channel(u64),
    History(u64),
    Message(u64, u64),
    Send(u64),
    Edit(u64, u64),
    Delete(u64, u64),
    Typing(u64),
    OpenDm,
    ThreadOn(u64, u64),
    Thread(u64),
    ActiveThreads(u64),
    JoinThread(u64),
    ThreadMembers(u64),
    Callback(u64, String),
    Original(String),
    EditOriginal(String),
    DeleteOriginal(String),
    FollowUp(String),
    EditFollowUp(String, u64),
    GetCommands(Option<u64>),
    PutCommands(Option<u64>),
    PostCommand(Option<u64>),
    PatchCommand(Option<u64>, u64),
    DeleteCommand(Option<u64>, u64),
}

pub(super) struct Route {
    pub(super) name: &'static str,
    pub(super) call: Call,
    /// What the path has of it.
    pub(super) channel: Option<u64>,
    /// Whose limit is counted.
    pub(super) about: String,
    /// Works by a token in the path instead of the bot's.
    pub(super) by_token: bool,
    /// The application that the path names.
    pub(super) application: Option<u64>,
}

/// Who is called by a method and a path without its prefix. 404 for what there is not, 405 for another method.
pub(super) fn route(method: &Method, path: &str) -> Result<Route, Refusal> {
    let parts: Vec<&str> = path.split('/').collect();
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<u64>().ok());
    let word = |at: usize| parts.get(at).map(|part| (*part).to_owned()).unwrap_or_default();
    // Numbers are all alike here.
    let shape: Vec<&str> = parts.iter().map(|part| if part.parse::<u64>().is_ok() { "1" } else { *part }).collect();
    let n = |at: usize| number(at).unwrap_or_default();
    let guild = number(3);
    let (name, call) = match (method.as_str(), shape.as_slice()) {
        ("GET", ["gateway"]) => ("gateway", Call::Gateway),
        ("GET", ["gateway", "bot"]) => ("gateway_bot", Call::GatewayBot),
        ("GET", ["users", "@me"]) => ("me", Call::Me),
        ("POST", ["users", "@me", "channels"]) => ("open_dm", Call::OpenDm),
        ("GET", ["applications", "@me"] | ["oauth2", "applications", "@me"]) => ("application", Call::Application),
        ("GET", ["guilds", "1"]) => ("guild", Call::Guild(n(1))),
        ("GET", ["guilds", "1", "channels"]) => ("guild_channels", Call::GuildChannels(n(1))),
        ("GET", ["guilds", "1", "members", "1"]) => ("guild_member", Call::GuildMember(n(1), n(3))),
        ("GET", ["guilds", "1", "threads", "active"]) => ("active_threads", Call::ActiveThreads(n(1))),
        ("GET", ["channels", "1"]) => ("channel", Call::Channel(n(1))),
        ("GET", ["channels", "1", "messages"]) => ("history", Call::History(n(1))),
        ("POST", ["channels", "1", "messages"]) => ("send", Call::Send(n(1))),
        ("GET", ["channels", "1", "messages", "1"]) => ("message", Call::Message(n(1), n(3))),
        ("PATCH", ["channels", "1", "messages", "1"]) => ("edit", Call::Edit(n(1), n(3))),
        ("DELETE", ["channels", "1", "messages", "1"]) => ("delete", Call::Delete(n(1), n(3))),
        ("POST", ["channels", "1", "messages", "1", "threads"]) => ("thread", Call::ThreadOn(n(1), n(3))),
        ("POST", ["channels", "1", "threads"]) => ("thread", Call::Thread(n(1))),
        ("POST", ["channels", "1", "typing"]) => ("typing", Call::Typing(n(1))),
        ("PUT", ["channels", "1", "thread-members", "@me"]) => ("join_thread", Call::JoinThread(n(1))),
        ("GET", ["channels", "1", "thread-members"]) => ("thread_members", Call::ThreadMembers(n(1))),
        ("POST", ["interactions", "1", _, "callback"]) => ("callback", Call::Callback(n(1), word(2))),
        ("GET", ["webhooks", "1", _, "messages", "@original"]) => ("original", Call::Original(word(2))),
        ("PATCH", ["webhooks", "1", _, "messages", "@original"]) => ("edit_original", Call::EditOriginal(word(2))),
        ("DELETE", ["webhooks", "1", _, "messages", "@original"]) => ("delete_original", Call::DeleteOriginal(word(2))),
        ("POST", ["webhooks", "1", _]) => ("follow_up", Call::FollowUp(word(2))),
        ("PATCH", ["webhooks", "1", _, "messages", "1"]) => ("edit_follow_up", Call::EditFollowUp(word(2), n(4))),
        ("GET", ["applications", "1", "commands"]) => ("get_commands", Call::GetCommands(None)),
        ("PUT", ["applications", "1", "commands"]) => ("put_commands", Call::PutCommands(None)),
        ("POST", ["applications", "1", "commands"]) => ("post_command", Call::PostCommand(None)),
        ("PATCH", ["applications", "1", "commands", "1"]) => ("patch_command", Call::PatchCommand(None, n(3))),
        ("DELETE", ["applications", "1", "commands", "1"]) => ("delete_command", Call::DeleteCommand(None, n(3))),
        ("GET", ["applications", "1", "guilds", "1", "commands"]) => ("get_commands", Call::GetCommands(guild)),
        ("PUT", ["applications", "1", "guilds", "1", "commands"]) => ("put_commands", Call::PutCommands(guild)),
        ("POST", ["applications", "1", "guilds", "1", "commands"]) => ("post_command", Call::PostCommand(guild)),
        ("PATCH", ["applications", "1", "guilds", "1", "commands", "1"]) => {
            ("patch_command", Call::PatchCommand(guild, n(5)))
        }
        ("DELETE", ["applications", "1", "guilds", "1", "commands", "1"]) => {
            ("delete_command", Call::DeleteCommand(guild, n(5)))
        }
        (_, ["channels" | "guilds" | "webhooks" | "applications", "1", ..] | ["gateway" | "users", ..]) => {
            return Err(Refusal::method_not_allowed());
        }
        _ => return Err(Refusal::not_found()),
    };
    let by_token = matches!(shape[0], "interactions" | "webhooks");
    let about = match shape[0] {
        "webhooks" => format!("{}/{}", parts[1], parts[2]),
        _ => parts.get(1).map(|part| (*part).to_owned()).unwrap_or_default(),
    };
    let channel = (shape[0] == "channels").then(|| number(1)).flatten();
    let application = matches!(shape[0], "applications" | "webhooks").then(|| number(1)).flatten();
    Ok(Route { name, call, channel, about, by_token, application })
}
