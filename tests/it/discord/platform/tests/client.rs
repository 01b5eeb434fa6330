//! serenity's client on the servers, as the channel may use it: a runner of our own for every session, with a collector
//! that is there before the first event. Collectors are called in order, in the runner's own loop; handlers are not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serenity::all::{
    ApplicationId, Command, CommandDataOptionValue, CommandInteraction, CommandOptionType, ConnectionStage,
    CreateAllowedMentions, CreateAttachment, CreateCommand, CreateCommandOption, CreateInteractionResponse,
    CreateInteractionResponseFollowup, CreateInteractionResponseMessage, CreateMessage, EditInteractionResponse, Event,
    GatewayIntents, GuildId, Http, HttpBuilder, Interaction, MessageFlags, Nonce, ShardId, ShardInfo,
};
use serenity::gateway::{
    CollectorCallback, Shard, ShardManager, ShardManagerOptions, ShardMessenger, ShardRunner, ShardRunnerInfo,
    ShardRunnerOptions,
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::super::{APPLICATION, Draft, Platform, Slash, TOKEN};
use super::{ANN, Bot, GUILD, ROOM};
use crate::support::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// serenity, connected until it is refused.
struct Client {
    events: mpsc::Receiver<Event>,
    http: Arc<Http>,
    running: AbortOnDropHandle<serenity::Error>,
}

impl Client {
    async fn connect(platform: &Platform, intents: GatewayIntents) -> Self {
        let http = HttpBuilder::new(TOKEN).proxy(platform.url()).ratelimiter_disabled(true).build();
        http.set_application_id(ApplicationId::new(APPLICATION));
        let http = Arc::new(http);
        let url = http.get_gateway().await.unwrap().url;
        let (sender, events) = mpsc::channel(1024);
        let sessions = sessions(Arc::clone(&http), url, intents, sender);
        Self { events, http, running: AbortOnDropHandle::new(tokio::spawn(sessions)) }
    }

    /// A client that has heard of its guild.
    async fn ready(platform: &Platform) -> Self {
        let mut client = Self::connect(platform, intents()).await;
        assert!(matches!(client.next().await, Event::Ready(_)));
        let Event::GuildCreate(created) = client.next().await else { panic!("GUILD_CREATE was not read") };
        assert_eq!(created.guild.id, GuildId::new(GUILD));
        client
    }

    async fn next(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event comes").expect("the client runs")
    }

    /// The text of the next message that comes, other events passed over.
    async fn text(&mut self) -> String {
        loop {
            if let Event::MessageCreate(created) = self.next().await {
                return created.message.content;
            }
        }
    }

    async fn command(&mut self) -> CommandInteraction {
        match self.next().await {
            Event::InteractionCreate(created) => match created.interaction {
                Interaction::Command(command) => command,
                other => panic!("a command was expected: {other:?}"),
            },
            other => panic!("an interaction was expected: {other:?}"),
        }
    }
}

fn intents() -> GatewayIntents {
    GatewayIntents::GUILDS
        | GatewayIntents::GUILD_MESSAGES
        | GatewayIntents::DIRECT_MESSAGES
        | GatewayIntents::MESSAGE_CONTENT
}

/// One session after another, until one is refused.
async fn sessions(
    http: Arc<Http>,
    url: String,
    intents: GatewayIntents,
    sender: mpsc::Sender<Event>,
) -> serenity::Error {
    loop {
        if let Err(error) = Box::pin(session(&http, &url, intents, sender.clone())).await {
            let refused = matches!(error, serenity::Error::Gateway(_));
            if refused {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Ends well when another session is needed.
async fn session(
    http: &Arc<Http>,
    url: &str,
    intents: GatewayIntents,
    sender: mpsc::Sender<Event>,
) -> serenity::Result<()> {
    let id = ShardId(0);
    let shard = ShardInfo { id, total: 1 };
    // The manager would start a session of its own, without our collector: it has nowhere to go.
    let (manager, _returned) = ShardManager::new(ShardManagerOptions {
        data: Arc::default(),
        event_handlers: Vec::new(),
        raw_event_handlers: Vec::new(),
        shard_index: 0,
        shard_init: 0,
        shard_total: 1,
        ws_url: Arc::new(Mutex::new(String::new())),
        http: Arc::clone(http),
        intents,
        presence: None,
    });
    let shard = Shard::new(Arc::new(Mutex::new(url.to_owned())), TOKEN, shard, intents, None).await?;
    let mut runner = ShardRunner::new(ShardRunnerOptions {
        data: Arc::default(),
        event_handlers: Vec::new(),
        raw_event_handlers: Vec::new(),
        manager: Arc::clone(&manager),
        shard,
        http: Arc::clone(http),
    });
    let messenger = ShardMessenger::new(&runner);
    let collect = move |event: &Event| sender.try_send(event.clone()).is_ok();
    messenger.add_collector(CollectorCallback(Box::new(collect)));
    // Said beforehand, as the manager else waits five seconds for the runner that is waiting for it.
    manager.shutdown_finished(id);
    let ended = Box::pin(runner.run()).await;
    // Only a manager with runners ends its queue, which holds the manager.
    let info = ShardRunnerInfo { latency: None, runner_tx: messenger, stage: ConnectionStage::Disconnected };
    manager.runners.lock().await.insert(id, info);
    manager.shutdown_finished(id);
    manager.shutdown_all().await;
    ended
}

#[tokio::test]
async fn everything_that_is_told_is_read() {
    let bot = Bot::new().await;
    let platform = &bot.platform;
    platform.role(GUILD, 7, "helpers");
    platform.emoji(GUILD, 8, "cat");
    platform.forum(GUILD, 70, "help");
    platform.voice_channel(GUILD, 71, "voice");
    platform.announcements(GUILD, 72, "news");
    platform.thread(ROOM, ANN, "a thread", false);
    let last = platform.says(ROOM, ANN, "before");
    let mut client = Client::connect(platform, intents()).await;
    let Event::Ready(ready) = client.next().await else { panic!("READY was not read") };
    assert_eq!(ready.ready.application.id.get(), APPLICATION);
    let Event::GuildCreate(created) = client.next().await else { panic!("GUILD_CREATE was not read") };
    let guild = created.guild;
    assert_eq!((guild.channels.len(), guild.threads.len(), guild.roles.len(), guild.emojis.len()), (4, 1, 2, 1));
    assert_eq!(guild.channels[&ROOM.into()].last_message_id.unwrap().get(), last);

    let mut drafts = vec![
        Draft::new(ROOM, ANN).text("<@&7> <@1100000000000000001> <#70> <:cat:8> @everyone"),
        Draft::new(ROOM, ANN).reply_to(last).text("reply"),
        Draft::new(ROOM, 5).webhook().text("hook"),
        Draft::new(platform.dm(ANN), ANN).text("direct"),
        Draft::new(ROOM, ANN).attachment(platform.keeps(ROOM, "a.txt", "text/plain", "a")),
    ];
    drafts.extend((1..=4).map(|format| Draft::new(ROOM, ANN).sticker(9, "wave", format)));
    drafts.extend([6, 7, 18, 46].map(|kind| Draft::new(ROOM, ANN).system(kind)));
    for draft in drafts {
        let id = platform.sends(draft);
        let Event::MessageCreate(created) = client.next().await else { panic!("message {id} was not read") };
        assert_eq!(created.message.id.get(), id);
    }
    let question = platform.says(ROOM, ANN, "first");
    platform.edits(ROOM, question, "second");
    platform.types(ROOM, ANN);
    platform.thread_on(ROOM, question, ANN, "thread");
    platform.adds_bot(question);
    platform.archives(question, false);
    platform.deletes(ROOM, question);
    platform.posts(70, ANN, "post", "text");
    platform.happens("TELEPATHY", None, json!({}));
    platform.deletes_channel(question);
    platform.makes_channel(GUILD, 73, "new");
    platform.deletes_channel(73);
    platform.outage(GUILD, true);
    platform.outage(GUILD, false);
    platform.leaves(GUILD);
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "GUILD_DELETE")
        || names.iter().filter(|name| *name == "GUILD_DELETE").count() < 2
    {
        let event = client.next().await;
        if let Event::Unknown(unknown) = &event {
            assert_eq!(unknown.kind, "TELEPATHY", "serenity does not read it: {unknown:?}");
        }
        names.push(event.name().unwrap_or_else(|| "UNKNOWN".to_owned()));
    }
    let wanted = [
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "THREAD_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_CREATE",
        "THREAD_CREATE",
        "THREAD_MEMBERS_UPDATE",
        "THREAD_UPDATE",
        "MESSAGE_DELETE",
        "THREAD_CREATE",
        "MESSAGE_CREATE",
        "UNKNOWN",
        "THREAD_DELETE",
        "CHANNEL_CREATE",
        "CHANNEL_DELETE",
        "GUILD_DELETE",
        "GUILD_CREATE",
        "GUILD_DELETE",
    ];
    assert_eq!(names, wanted);
    bot.clean();
}

#[tokio::test]
async fn a_guild_with_a_field_missing_is_not_heard_of() {
    let bot = Bot::new().await;
    bot.platform.leaves_out("stage_instances");
    let mut client = Client::connect(&bot.platform, intents()).await;
    assert!(matches!(client.next().await, Event::Ready(_)));
    assert!(matches!(client.next().await, Event::Unknown(_)));
}

#[tokio::test]
async fn sessions_are_resumed_and_begun_again() {
    let bot = Bot::new().await;
    let platform = &bot.platform;
    let mut client = Client::ready(platform).await;
    let mut expected = 0;
    let mut goes_on = async |client: &mut Client, what: &str| {
        platform.says(ROOM, ANN, what);
        expected += 1;
        until(what, async || platform.resumes() == expected).await;
        assert_eq!(client.text().await, what);
    };
    platform.drops_connections();
    goes_on(&mut client, "dropped").await;
    platform.reconnects();
    goes_on(&mut client, "reconnected").await;
    platform.invalidates(true);
    goes_on(&mut client, "invalid, but resumable").await;
    platform.closes(4000);
    goes_on(&mut client, "closed").await;
    assert_eq!(platform.identifies(), 1);

    for (number, code) in [None, Some(4009)].into_iter().enumerate() {
        match code {
            None => platform.invalidates(false),
            Some(code) => platform.closes(code),
        }
        until("a new session", async || platform.identifies() == number + 2 && platform.connected() == 1).await;
        platform.says(ROOM, ANN, "new");
        assert_eq!(client.text().await, "new");
    }
    bot.clean();
}

#[tokio::test]
async fn a_connection_without_acknowledgements_is_given_up() {
    let bot = Bot::new().await;
    bot.platform.beats(Duration::from_millis(600));
    let _client = Client::ready(&bot.platform).await;
    until("a heartbeat", async || bot.platform.heartbeats().len() > 1).await;
    bot.platform.withholds_acks(true);
    until("another connection", async || bot.platform.connections().len() > 1).await;
    bot.clean();
}

/// Until then the runner reads from a socket that has ended, over and over, and its thread does nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_close_without_a_code_is_noticed_with_the_next_heartbeat() {
    let bot = Bot::new().await;
    bot.platform.beats(Duration::from_millis(600));
    let mut client = Client::ready(&bot.platform).await;
    bot.platform.closes_without_code();
    until("a new session", async || bot.platform.identifies() == 2 && bot.platform.connected() == 1).await;
    bot.platform.says(ROOM, ANN, "new");
    assert_eq!(client.text().await, "new");
    bot.clean();
}

#[tokio::test]
async fn refusals_end_the_client() {
    let bot = Bot::new().await;
    bot.platform.grants_message_content(false);
    let client = Client::connect(&bot.platform, intents()).await;
    let error = tokio::time::timeout(PATIENCE, client.running).await.unwrap().unwrap();
    assert_eq!(error.to_string(), "Disallowed gateway intents were provided");
    bot.platform.set_token("another");
    let client = Client::connect(&bot.platform, GatewayIntents::GUILDS).await;
    let error = tokio::time::timeout(PATIENCE, client.running).await.unwrap().unwrap();
    assert_eq!(error.to_string(), "Sent invalid authentication");
    assert_eq!(bot.platform.identifies(), 2);
}

#[tokio::test]
async fn messages_are_sent() {
    let bot = Bot::new().await;
    let mut client = Client::ready(&bot.platform).await;
    let question = bot.platform.asks(ROOM, ANN, "question");
    let Event::MessageCreate(asked) = client.next().await else { panic!("the question does not come") };
    let message = || {
        let allowed = CreateAllowedMentions::new().replied_user(false);
        CreateMessage::new().content("answer").allowed_mentions(allowed).flags(MessageFlags::SUPPRESS_EMBEDS)
    };
    let full = message()
        .reference_message(&asked.message)
        .nonce(Nonce::String("n1".to_owned()))
        .enforce_nonce(true)
        .add_file(CreateAttachment::bytes(b"file".to_vec(), "answer.txt"));
    let first = asked.message.channel_id.send_message(&client.http, full.clone()).await.unwrap();
    let again = asked.message.channel_id.send_message(&client.http, full).await.unwrap();
    assert_eq!(first.id, again.id);
    let sent = bot.platform.sent(ROOM);
    assert_eq!((sent.len(), sent[0].reply_to, sent[0].flags), (1, Some(question), 4));
    assert_eq!(&*sent[0].files[0].content, b"file");
    asked.message.channel_id.broadcast_typing(&client.http).await.unwrap();
    let user = asked.message.author.id.create_dm_channel(&client.http).await.unwrap();
    user.send_message(&client.http, message()).await.unwrap();
    assert_eq!(bot.platform.texts(bot.platform.dm(ANN)), ["answer"]);
    let found = asked.message.channel_id.messages(&client.http, serenity::all::GetMessages::new().limit(2)).await;
    assert_eq!(found.unwrap()[0].id, first.id);
    assert_eq!(client.http.get_bot_gateway().await.unwrap().session_start_limit.remaining, 999);
    client.http.get_current_application_info().await.unwrap();
    client.http.get_guild(GUILD.into()).await.unwrap();
    client.http.get_channel(ROOM.into()).await.unwrap();
    bot.clean();
}

#[tokio::test]
async fn commands_are_registered_and_answered() {
    let bot = Bot::new().await;
    let mut client = Client::ready(&bot.platform).await;
    let text = CreateCommandOption::new(CommandOptionType::String, "text", "What to ask").required(true);
    let image = CreateCommandOption::new(CommandOptionType::Attachment, "image", "A picture");
    let ask = CreateCommand::new("ask")
        .description("Ask")
        .name_localized("zh-TW", "提問")
        .description_localized("zh-TW", "問一個問題")
        .add_option(text)
        .add_option(image);
    let made = Command::set_global_commands(&client.http, vec![ask]).await.unwrap();
    assert_eq!(bot.platform.commands_created(), 1);

    let picture = bot.platform.keeps(ROOM, "cat.png", "image/png", crate::support::picture(image::ImageFormat::Png));
    for channel in [ROOM, bot.platform.dm(ANN)] {
        let slash =
            Slash::new(channel, ANN, "ask").option("text", "what?").file("image", picture.clone()).locale("zh-TW");
        let number = bot.platform.uses(slash);
        let command = client.command().await;
        assert_eq!((command.id.get(), command.data.id, &*command.locale), (number, made[0].id, "zh-TW"));
        assert_eq!((command.user.id.get(), command.guild_id.is_some()), (ANN, channel == ROOM));
        let CommandDataOptionValue::Attachment(file) = command.data.options[1].value else { panic!("no picture") };
        let url = &command.data.resolved.attachments[&file].url;
        assert_eq!(bot.client.get(url).send().await.unwrap().status().as_u16(), 200);

        let defer =
            CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(channel == ROOM));
        command.create_response(&client.http, defer).await.unwrap();
        let nobody = CreateAllowedMentions::new();
        let edit = EditInteractionResponse::new().content("one").allowed_mentions(nobody.clone());
        command.edit_response(&client.http, edit).await.unwrap();
        let more =
            CreateInteractionResponseFollowup::new().content("two").allowed_mentions(nobody).ephemeral(channel == ROOM);
        command.create_followup(&client.http, more).await.unwrap();
        assert_eq!(bot.platform.answers(number), ["one", "two"]);
        assert_eq!(bot.platform.responses(number)[2].ephemeral, channel == ROOM);
        // What the bot says in public comes back to it.
        while let Ok(event) = client.events.try_recv() {
            assert!(!matches!(event, Event::Unknown(_)), "{event:?}");
        }
        if channel != ROOM {
            assert_eq!(bot.platform.texts(channel), ["one", "two"]);
        }
    }
    assert_eq!(bot.platform.sent_count(ROOM), 0);
    bot.clean();
}
