//! Slash commands.

use super::*;

/// The example of <https://docs.discord.com/developers/interactions/receiving-and-responding>, in our words.
fn slash(name: &str, options: Value) -> Value {
    json!({
        "type": 2, "token": "A_UNIQUE_TOKEN", "version": 1, "id": "1150000000000000001", "application_id": "1100000000000000042",
        "member": { "user": ann(), "roles": [GUESTS], "nick": "Ann Lee", "permissions": "2147483647" },
        "guild_id": GUILD, "channel_id": TEA, "channel": { "id": TEA, "type": 0, "name": "tea", "parent_id": CATEGORY },
        "locale": "zh-TW", "guild_locale": "en-US", "context": 0, "app_permissions": "442368",
        "data": { "id": "5", "name": name, "type": 1, "options": options, "resolved": {} },
    })
}

/// The same in direct messages.
fn direct_slash(name: &str, options: Value) -> Value {
    let mut used = slash(name, options);
    let fields = used.as_object_mut().unwrap();
    for gone in ["member", "guild_id", "guild_locale"] {
        fields.remove(gone);
    }
    used["user"] = ann();
    used["context"] = 1.into();
    used["channel_id"] = DM.into();
    used["channel"] = json!({ "id": DM, "type": 1 });
    used
}

fn heard_with(used: &Value, more: Value) -> Result<Asked, &'static str> {
    interaction(&read(used), &PLACES, &rules(more))
}

fn asked(used: &Value) -> Asked {
    heard_with(used, json!({})).unwrap()
}

#[test]
fn a_question() {
    let used = asked(&slash("ask", json!([{ "name": "text", "type": 3, "value": "茶是什麼？ <:tea:1>" }])));
    let told = &used.incoming;
    assert_eq!((told.key.as_str(), told.addressed, used.private), ("i:1150000000000000001", true, false));
    assert_eq!((used.id.0, used.token.as_str()), (1_150_000_000_000_000_001, "A_UNIQUE_TOKEN"));
    assert_eq!(*said(told), Message::text("茶是什麼？ :tea:"));
    let sender = &told.sender;
    assert_eq!(
        (sender.chat.as_deref(), sender.title.as_deref(), sender.lang),
        (Some(TEA), Some("tea"), Some(Lang::ZhTw))
    );
    assert_eq!((sender.user.as_deref(), sender.nickname.as_deref()), (Some("80351110224678912"), Some("Ann Lee")));
    assert_eq!((sender.guild.as_deref(), &*sender.roles), (Some(GUILD), &[GUESTS.to_owned()][..]));
    assert_eq!(told.target, ids::public_answer(used.id, used.token.clone(), Snowflake(TEA.parse().unwrap())));
}

#[test]
fn a_picture_to_look_at() {
    let mut used = slash(
        "ask",
        json!([{ "name": "image", "type": 11, "value": "12" }, { "name": "text", "type": 3, "value": "what?" }]),
    );
    used["data"]["resolved"] = json!({ "attachments": {
        "12": { "id": "12", "filename": "t.png", "content_type": "image/png", "size": 5, "url": "https://cdn/t.png", "ephemeral": true },
        "13": { "id": "13" },
    } });
    let told = asked(&used).incoming;
    let wanted = MediaPlace::Remote(FileRef { of: None, url: "https://cdn/t.png".into() }.written());
    assert_eq!(
        (said(&told).text.as_str(), said(&told).media.len(), &said(&told).media[0].place),
        ("what?", 1, &wanted)
    );
}

#[test]
fn commands() {
    let of = |name: &str, options: Value| match asked(&slash(name, options)).incoming.event {
        InboundEvent::Command { command, args, reply_to: None } => (command, args),
        other => panic!("{other:?}"),
    };
    let option = |kind: u64, value: Value| json!([{ "name": "x", "type": kind, "value": value }]);
    assert_eq!(of("help", json!(null)), (Command::Help, String::new()));
    assert_eq!(of("reset", json!([])), (Command::Reset, String::new()));
    assert_eq!(of("history", option(4, json!(7))), (Command::History, "7".to_owned()));
    assert_eq!(of("lang", option(3, json!("zh-TW"))), (Command::Lang, "zh-TW".to_owned()));
    assert_eq!(of("id", json!([])), (Command::Id, String::new()));
    assert_eq!(of("ask", json!([])), (Command::Help, String::new()), "nothing is asked");
    assert_eq!(of("ask", option(3, json!("  "))), (Command::Help, String::new()));
}

#[test]
fn private_answers() {
    let private = asked(&slash("history", json!([])));
    let (user, room) = (Snowflake(80_351_110_224_678_912), Snowflake(TEA.parse().unwrap()));
    assert!(private.private);
    let target = private.incoming.target;
    assert_eq!(target, ids::private_answer(private.id, private.token, user, room));
    assert_eq!(target.chat(), TEA, "what `/id` names is the chat");
    assert!(!asked(&direct_slash("history", json!([]))).private, "nobody else is there");
    let mut others = direct_slash("history", json!([]));
    others["context"] = 2.into();
    assert!(asked(&others).private, "among other people");
    let option = json!([{ "name": "text", "type": 3, "value": "hi" }]);
    assert!(heard_with(&slash("ask", option), json!({ "private": ["ask"] })).unwrap().private);
    assert!(!heard_with(&slash("history", json!([])), json!({ "private": [] })).unwrap().private);
}

#[test]
fn in_threads_and_in_places_that_nothing_told_of() {
    let mut used = slash("reset", json!([]));
    used["channel_id"] = JOINED.into();
    used["channel"] = json!({ "id": JOINED, "type": 11, "name": "Green tea", "parent_id": TEA });
    let known = asked(&used).incoming.sender;
    assert_eq!(
        (known.chat.as_deref(), known.thread.as_deref(), known.title.as_deref()),
        (Some(TEA), Some(JOINED), Some("tea"))
    );
    let unknown = interaction(&read(&used), &Places::new(BOT), &rules(json!({}))).unwrap().incoming.sender;
    assert_eq!((unknown.chat.as_deref(), unknown.thread.as_deref(), unknown.title), (Some(TEA), Some(JOINED), None));
    let told = asked(&direct_slash("reset", json!([]))).incoming;
    assert_eq!((told.sender.chat.as_deref(), told.sender.nickname.as_deref()), (Some(DM), Some("Ann")));
}

#[test]
fn what_is_no_command_of_ours() {
    let reason = |used: Value, more: Value| heard_with(&used, more).unwrap_err();
    assert_eq!(reason(slash("airhorn", json!([])), json!({})), "unknown_command");
    assert_eq!(reason(slash("start", json!([])), json!({})), "unknown_command");
    assert_eq!(reason(slash("help", json!([])), json!({ "commands": false })), "commands_off");
    let with = |name: &str, value: Value| {
        let mut used = slash("help", json!([]));
        used[name] = value;
        used
    };
    assert_eq!(reason(with("type", json!(3)), json!({})), "other_interaction");
    assert_eq!(reason(with("data", json!(null)), json!({})), "other_interaction");
    assert_eq!(reason(with("member", json!({})), json!({})), "unreadable");
    assert!(heard_with(&slash("help", json!([])), json!({ "servers": "never" })).is_ok());
}

#[test]
fn nothing_of_a_channel_is_needed_to_answer_a_command() {
    let mut used = slash("help", json!([]));
    used.as_object_mut().unwrap().remove("channel");
    let told = interaction(&read(&used), &Places::new(BOT), &rules(json!({}))).unwrap().incoming;
    assert_eq!(told.sender.chat.as_deref(), Some(TEA));
    let wire: wire::Interaction = read(&used);
    assert_eq!(wire.person().map(|user| user.id), Some(Snowflake(80_351_110_224_678_912)));
}
