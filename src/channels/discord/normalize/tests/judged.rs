//! Whether a message is taken, whose it is, and where the answer goes.

use super::*;

#[test]
fn a_direct_message() {
    let told = incoming(&direct(json!({ "content": "hi" })));
    assert_eq!((told.key.as_str(), told.addressed), ("m:1100000000000000077:1150000000000000000", true));
    let sender = &told.sender;
    assert_eq!((sender.chat.as_deref(), sender.thread.as_deref()), (Some(DM), None));
    assert_eq!((sender.user.as_deref(), sender.nickname.as_deref()), (Some("80351110224678912"), Some("Ann")));
    assert_eq!(
        (sender.title.as_deref(), sender.lang, sender.guild.as_deref(), &*sender.roles),
        (None, None, None, &[][..])
    );
    assert_eq!(told.target, Target::of(DM));
    assert_eq!(*said(&told), Message::text("hi"), "no reply is needed where nobody writes in between");
    assert_eq!(
        said(&incoming_with(&direct(json!({ "content": "hi" })), json!({ "replies": "always" }))).reply_to.as_deref(),
        Some(MESSAGE)
    );
}

#[test]
fn in_a_server_the_bot_must_be_named() {
    assert_eq!(nothing(&in_server(json!({ "content": "hi" }))), "not_addressed");
    for (words, wanted) in [
        ("@@ what is tea?", "what is tea?"),
        ("@@, what is tea?", "what is tea?"),
        ("茶🍵 @@ 是什麼？", "茶🍵 是什麼？"),
        ("👩‍👩‍👧‍👦 tell us @@", "👩‍👩‍👧‍👦 tell us"),
        ("@@：你好", "你好"),
        ("what is 🍵, @@?", "what is 🍵?"),
        ("茶是什麼，@@", "茶是什麼"),
        ("@@ @@ hi", "hi"),
        ("@@\n- green\n- black", "- green\n- black"),
    ] {
        let told = incoming(&calling(words));
        assert!(told.addressed);
        assert_eq!(said(&told).text, wanted, "{words}");
        assert_eq!(said(&told).reply_to.as_deref(), Some(MESSAGE));
        assert_eq!(said(&incoming_with(&calling(words), json!({ "replies": "never" }))).reply_to, None);
    }
    let told = incoming(&calling("@@ hi"));
    assert_eq!((told.sender.chat.as_deref(), told.sender.title.as_deref()), (Some(TEA), Some("tea")));
    assert_eq!(told.sender.nickname.as_deref(), Some("Ann Lee"));
    assert_eq!((told.sender.guild.as_deref(), &*told.sender.roles), (Some(GUILD), &[GUESTS.to_owned()][..]));
    assert_eq!(told.target, Target::of(TEA));
}

#[test]
fn other_ways_to_address_it() {
    let named = in_server(json!({ "content": format!("<@!{BOT}> hi") }));
    assert_eq!(said(&incoming(&named)).text, "hi", "as old clients wrote it, and without a list of mentions");

    let role = in_server(json!({ "content": format!("<@&{ROLE}> hi"), "mention_roles": [ROLE] }));
    assert_eq!(said(&incoming(&role)).text, "hi", "the bot's own role is easily taken for the bot");
    let guests = in_server(json!({ "content": format!("<@&{GUESTS}> hi"), "mention_roles": [GUESTS] }));
    assert_eq!(nothing(&guests), "not_addressed");

    let own = json!({ "id": "1", "channel_id": TEA, "author": bot(), "content": "Tea is…", "type": 0 });
    let quiet = in_server(json!({ "type": 19, "content": "why?", "referenced_message": own }));
    assert_eq!(said(&incoming(&quiet)).quoted, None, "it knows what it said");
    let others = json!({ "id": "1", "channel_id": TEA, "author": ann(), "content": "Tea is…", "type": 0 });
    assert_eq!(
        nothing(&in_server(json!({ "type": 19, "content": "why?", "referenced_message": others }))),
        "not_addressed"
    );
    assert_eq!(
        nothing(&in_server(json!({ "type": 19, "content": "why?", "referenced_message": null }))),
        "not_addressed"
    );

    assert!(
        incoming_with(&in_server(json!({ "content": "Bot: why?" })), json!({ "patterns": ["(?i)^bot[,:]"] })).addressed
    );
    let all = in_server(json!({ "content": "@everyone hi @here", "mention_everyone": true }));
    assert_eq!(nothing(&all), "not_addressed");
    let code = in_server(json!({ "content": format!("write `<@{BOT}>` to call it") }));
    assert_eq!(nothing(&code), "not_addressed");
}

#[test]
fn places_where_everything_is_for_it() {
    let hi = |channel: &str| within(channel, json!({ "content": "hi" }));
    for (channel, always, wanted) in [
        (TEA, TEA, true),
        (TEA, CATEGORY, true),
        (OTHER, OTHER, true),
        (OTHER, TEA, true),
        (OTHER, CATEGORY, true),
        (POST, FORUM, true),
        (POST, TEA, false),
        (TEA, FORUM, false),
        (TEA, OTHER, false),
    ] {
        let heard = heard_with(&hi(channel), json!({ "always_in": [always] }));
        assert_eq!(matches!(heard, Heard::Event(_)), wanted, "{channel} in {always}: {heard:?}");
    }
    assert!(incoming(&hi(JOINED)).addressed, "it takes part there");
    assert_eq!(nothing(&hi(OTHER)), "not_addressed");
    assert_eq!(nothing_with(&hi(JOINED), json!({ "follow_threads": false })), "not_addressed");
    assert!(incoming_with(&hi("1199"), json!({ "servers": "always" })).addressed);
    let never = json!({ "servers": "never", "always_in": [TEA] });
    assert_eq!(nothing_with(&calling("@@ hi"), never.clone()), "not_addressed");
    assert!(incoming_with(&direct(json!({ "content": "hi" })), never).addressed);
}

#[test]
fn a_threads_chat_is_its_channel() {
    let told = incoming(&within(JOINED, json!({ "content": "hi" })));
    let sender = &told.sender;
    assert_eq!(
        (sender.chat.as_deref(), sender.thread.as_deref(), sender.title.as_deref()),
        (Some(TEA), Some(JOINED), Some("tea"))
    );
    assert_eq!(told.target, Target::of(JOINED));
    let mut by_rest = within(JOINED, json!({ "content": "hi" }));
    by_rest.as_object_mut().unwrap().remove("guild_id");
    assert_eq!(incoming(&by_rest).sender, sender.clone(), "what REST leaves out is known");
}

#[test]
fn a_thread_for_each_question() {
    let opens = || json!({ "threads_in": [TEA, JOINED] });
    let told = incoming_with(&calling("@@ **What** is [tea]?\nIn short."), opens());
    let name = "What is [tea]?".to_owned();
    let wanted = ids::thread_on(Snowflake(TEA.parse().unwrap()), Snowflake(MESSAGE.parse().unwrap()), name);
    assert_eq!(told.target, wanted);
    assert_eq!((told.sender.chat.as_deref(), told.sender.thread.as_deref()), (Some(TEA), Some(MESSAGE)));
    assert_eq!(
        incoming_with(&within(JOINED, json!({ "content": "hi" })), opens()).target,
        Target::of(JOINED),
        "no thread in a thread"
    );
    assert_eq!(incoming_with(&direct(json!({ "content": "hi" })), opens()).target, Target::of(DM));
    let picture = json!({ "content": format!("<@{BOT}>"), "attachments": [{ "id": "1", "filename": "a.png", "url": "https://x/a.png" }] });
    let told = incoming_with(&in_server(picture), opens());
    let Some(Address::ThreadOn { name, .. }) = ids::address(&told.target.address) else { panic!("{told:?}") };
    assert_eq!(name, "Question");
}

#[test]
fn names_of_threads() {
    for (question, wanted) in [
        ("# How *long*?", "How long?"),
        ("> quoted\nwhy?", "quoted"),
        ("\n\n```rust\nlet a_b = 2*3;\n```", "let a_b = 2*3;"),
        ("??\n`x` || y", "x y"),
        ("- 茶要泡多久？", "茶要泡多久？"),
        ("-5 degrees", "-5 degrees"),
        ("🍵", "Question"),
        ("", "Question"),
    ] {
        assert_eq!(text::title(question), wanted, "{question}");
    }
    let words = text::title(&"tea ".repeat(40));
    assert!(words.ends_with("tea…") && words.chars().count() <= 90, "{words}");
    for long in ["茶".repeat(200), "👩‍👩‍👧‍👦".repeat(40), format!("a {}", "b".repeat(200))] {
        let name = text::title(&format!("a{long}"));
        assert!(name.chars().count() <= 90 && name.chars().count() > 80 && name.ends_with('…'), "{name}");
    }
    let family = text::title(&format!("a{}", "👩‍👩‍👧‍👦".repeat(40)));
    assert!(family.trim_end_matches('…').ends_with("👩‍👩‍👧‍👦"), "no sign is cut");
}

#[test]
fn who_is_a_person() {
    let by = |fields: Value| nothing(&direct(fields));
    assert_eq!(by(json!({ "author": bot(), "content": "hi" })), "own_echo");
    assert_eq!(
        by(json!({ "author": bot(), "webhook_id": "3", "content": "hi" })),
        "own_echo",
        "an answer to a command"
    );
    let other = json!({ "id": "9", "username": "Other", "bot": true });
    assert_eq!(by(json!({ "author": other, "content": "hi" })), "from_a_bot");
    assert_eq!(by(json!({ "webhook_id": "9", "content": "hi" })), "from_a_webhook");
    assert_eq!(by(json!({ "author": null, "content": "hi" })), "unreadable");
    for kind in (0..60).filter(|kind| ![0, 19, 20, 23].contains(kind)) {
        assert_eq!(by(json!({ "type": kind, "content": "hi" })), "service_message", "{kind}");
    }
    for flags in [1 << 6, 1 << 7] {
        assert_eq!(by(json!({ "flags": flags, "content": "hi" })), "service_message", "{flags}");
    }
    let named = |user: Value| incoming(&direct(json!({ "author": user, "content": "hi" }))).sender.nickname;
    assert_eq!(named(json!({ "id": "7", "username": "ann", "global_name": null })).as_deref(), Some("ann"));
    assert_eq!(named(json!({ "id": "7", "username": " " })), None);
}

#[test]
fn whoever_only_calls_the_bot_is_told_what_it_can_do() {
    let help = |reply_to: Option<&str>| InboundEvent::Command {
        command: Command::Help,
        args: String::new(),
        reply_to: reply_to.map(str::to_owned),
    };
    assert_eq!(incoming(&calling("@@")).event, help(Some(MESSAGE)));
    assert_eq!(incoming(&direct(json!({ "content": format!("<@{BOT}>"), "mentions": [bot()] }))).event, help(None));
    let own = json!({ "id": "1", "channel_id": TEA, "author": bot(), "content": "Tea is…" });
    let hidden = in_server(json!({ "type": 19, "content": "", "referenced_message": own }));
    assert_eq!(incoming(&hidden).event, help(Some(MESSAGE)), "what it says is hidden from the bot");
    assert_eq!(
        nothing_with(&in_server(json!({})), json!({ "always_in": [TEA] })),
        "content_hidden",
        "it would be said each time"
    );
    let novelty = incoming(&direct(json!({ "shared_client_theme": {} })));
    assert_eq!(said(&novelty).media[0].kind, MediaKind::File, "it says what it can read");
}

#[test]
fn edits() {
    let edit = |at: Value, words: &str| {
        let mut update = calling(words);
        update["edited_timestamp"] = at;
        update
    };
    let heard = |update: &Value, more: Value| edited(&read(update), &PLACES, &rules(more));
    let of = |update: &Value, more: Value| match heard(update, more) {
        Heard::Event(incoming) => *incoming,
        Heard::Nothing(reason) => panic!("{reason}"),
    };
    // The message was written at 2023-09-09T06:04:29.
    let written = Snowflake(MESSAGE.parse().unwrap()).time().0;
    let at = |seconds: i64| {
        jiff::Timestamp::from_millisecond(written + seconds * 1_000).unwrap().to_string().replace('Z', "+00:00")
    };
    let soon = edit(at(9).into(), "@@ green tea?");
    let told = of(&soon, json!({}));
    assert_eq!(told.key.as_str(), format!("e:{TEA}:{MESSAGE}:{}", at(9)));
    let InboundEvent::Edit { of: key, message, late: LateEdit::Ignore, or_new: true } = &told.event else {
        panic!("{told:?}")
    };
    assert_eq!((key.as_str(), message.text.as_str()), (format!("m:{TEA}:{MESSAGE}").as_str(), "green tea?"));
    assert_eq!(told.target, Target::of(TEA));
    let late = of(&edit(at(601).into(), "@@ green tea?"), json!({ "late_edits": "ask" }));
    assert!(matches!(late.event, InboundEvent::Edit { late: LateEdit::Ask, or_new: false, .. }), "{late:?}");
    let private = of(&direct(json!({ "content": "hi", "edited_timestamp": at(1) })), json!({}));
    assert!(matches!(private.event, InboundEvent::Edit { or_new: false, .. }));
    let nothing = |update: &Value| match heard(update, json!({})) {
        Heard::Event(incoming) => panic!("{incoming:?}"),
        Heard::Nothing(reason) => reason,
    };
    assert_eq!(nothing(&edit(Value::Null, "@@ https://tea.example")), "not_edited", "a preview came");
    assert_eq!(nothing(&edit(at(5).into(), "@@")), "other_edit");
    assert_eq!(nothing(&in_server(json!({ "content": "hi", "edited_timestamp": at(5) }))), "not_addressed");
}

#[test]
fn what_has_to_be_looked_up() {
    let (guild, tea, thread) =
        (Snowflake(GUILD.parse().unwrap()), Snowflake(TEA.parse().unwrap()), Snowflake(OTHER.parse().unwrap()));
    let wanted = |places: &Places, update: &Value, more: Value| missing(&read(update), places, &rules(more));
    let places = Places::new(BOT);
    let hi = within(OTHER, json!({ "content": "hi" }));
    assert_eq!(wanted(&places, &direct(json!({ "content": "<#5>" })), json!({})), []);
    assert_eq!(wanted(&places, &within(OTHER, json!({ "author": bot() })), json!({})), []);
    assert_eq!(wanted(&places, &hi, json!({ "servers": "never" })), []);
    assert_eq!(wanted(&places, &hi, json!({ "follow_threads": false })), []);
    assert_eq!(wanted(&places, &hi, json!({})), [Wanted::Channel(thread)], "the bot may take part there");
    let role = within(OTHER, json!({ "mention_roles": [ROLE], "content": "?" }));
    assert_eq!(wanted(&places, &role, json!({})), [Wanted::Roles(guild), Wanted::Channel(thread)]);

    places.learn_looked_up(&read(
        &json!({ "id": OTHER, "type": 11, "guild_id": GUILD, "parent_id": TEA, "name": "Black tea" }),
    ));
    assert_eq!(wanted(&places, &hi, json!({})), [], "it does not");
    assert_eq!(wanted(&places, &hi, json!({ "always_in": [CATEGORY] })), [Wanted::Channel(tea)], "whose thread is it?");
    let mut asked = calling("@@ is it in <#1100000000000000021> or <#1100000000000000033>?");
    asked["channel_id"] = OTHER.into();
    let other = Wanted::Channel(Snowflake(1_100_000_000_000_000_033));
    assert_eq!(wanted(&places, &asked, json!({})), [Wanted::Channel(tea), other]);
    places.give_up(other, REFUSED);
    places.learn_looked_up(&read(
        &json!({ "id": TEA, "type": 0, "guild_id": GUILD, "parent_id": CATEGORY, "name": "tea" }),
    ));
    assert_eq!(wanted(&places, &asked, json!({})), []);
    let heard = message(&read(&asked), &places, &rules(json!({})));
    let Heard::Event(told) = heard else { panic!("{heard:?}") };
    assert_eq!(said(&told).text, "is it in #Black tea or #channel?");

    places.learn_channel(&read(
        &json!({ "id": JOINED, "type": 11, "guild_id": GUILD, "parent_id": TEA, "name": "Green tea" }),
    ));
    let joined = Wanted::Channel(Snowflake(JOINED.parse().unwrap()));
    assert_eq!(
        wanted(&places, &within(JOINED, json!({ "content": "hi" })), json!({})),
        [joined],
        "whether it takes part was not told"
    );
}
