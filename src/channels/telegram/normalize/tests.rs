use std::time::Duration;

use serde_json::{Value, json};

use super::{Heard, Rules, event};
use crate::channels::telegram::config::TelegramConfig;
use crate::channels::telegram::wire::{Identity, Update};
use crate::model::commands::Command;
use crate::model::inbound::{MediaPlace, Membership, Message};
use crate::model::{InboundEvent, Incoming, Lang, MediaKind, Target};

const GROUP: i64 = -1001;

fn config(more: Value) -> TelegramConfig {
    let mut config = json!({ "token": "42:0123456789012345678901234567890123" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

fn rules(more: Value) -> Rules {
    let bot = Identity { id: 42, username: "CaiBot".into(), first_name: "Cai".into(), ..Identity::default() };
    Rules::new(&config(more), bot)
}

fn heard_with(update: &Value, more: Value) -> Heard {
    let text = update.to_string();
    let update: Update<'_> = serde_json::from_str(&text).unwrap();
    event(&update, &rules(more))
}

fn ann() -> Value {
    json!({ "id": 7, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "language_code": "zh-hant" })
}

/// A message of Ann's in her own chat, or with `chat` elsewhere.
fn message(fields: Value) -> Value {
    let mut message = json!({
        "message_id": 5, "date": 1_700_000_000, "from": ann(),
        "chat": { "id": 7, "type": "private", "first_name": "Ann" },
    });
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({ "update_id": 1, "message": message })
}

fn in_group(mut fields: Value) -> Value {
    fields["chat"] = json!({ "id": GROUP, "type": "supergroup", "title": "Tea" });
    message(fields)
}

fn incoming_with(update: &Value, more: Value) -> Incoming {
    match heard_with(update, more) {
        Heard::Event(incoming) => *incoming,
        Heard::Nothing(reason) => panic!("nothing heard: {reason}"),
    }
}

fn incoming(update: &Value) -> Incoming {
    incoming_with(update, json!({}))
}

fn nothing(update: &Value) -> &'static str {
    match heard_with(update, json!({})) {
        Heard::Event(incoming) => panic!("{incoming:?}"),
        Heard::Nothing(reason) => reason,
    }
}

fn said(incoming: &Incoming) -> &Message {
    match &incoming.event {
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

fn mention(text: &str, name: &str) -> Value {
    let at = text.find(name).unwrap();
    let offset = text[..at].encode_utf16().count();
    json!({ "text": text, "entities": [{ "type": "mention", "offset": offset, "length": name.encode_utf16().count() }] })
}

#[test]
fn a_private_message() {
    let told = incoming(&message(json!({ "text": "hi" })));
    assert_eq!((told.key.as_str(), told.addressed), ("m:7:5", true));
    assert_eq!(told.sender.nickname.as_deref(), Some("Ann Lee"));
    assert_eq!((told.sender.user.as_deref(), told.sender.lang), (Some("7"), Some(Lang::ZhTw)));
    assert_eq!(told.target, Target::of("7"));
    assert_eq!(*said(&told), Message::text("hi"), "no reply is needed where nobody writes in between");
}

#[test]
fn in_a_group_the_bot_must_be_named() {
    assert_eq!(nothing(&in_group(json!({ "text": "hi" }))), "not_addressed");
    let named = [
        ("@CaiBot what is tea?", "@CaiBot", "what is tea?"),
        ("@caibot, what is tea?", "@caibot", "what is tea?"),
        ("茶🍵 @CaiBot 是什麼？", "@CaiBot", "茶🍵 是什麼？"),
        ("👩‍👩‍👧‍👦 tell us @CaiBot", "@CaiBot", "👩‍👩‍👧‍👦 tell us"),
        ("@CaiBot：你好", "@CaiBot", "你好"),
        ("what is 🍵, @CaiBot?", "@CaiBot", "what is 🍵?"),
        ("茶是什麼，@CaiBot", "@CaiBot", "茶是什麼"),
    ];
    for (text, name, wanted) in named {
        let told = incoming(&in_group(mention(text, name)));
        assert!(told.addressed);
        assert_eq!(said(&told).text, wanted, "{text}");
        assert_eq!(said(&told).reply_to.as_deref(), Some("5"));
    }
    assert_eq!(nothing(&in_group(mention("@CaiBotany hi", "@CaiBotany"))), "not_addressed");
    let linked = json!({ "text": "Cai, hi", "entities": [{ "type": "text_mention", "offset": 0, "length": 3, "user": { "id": 42, "is_bot": true, "first_name": "Cai" } }] });
    assert_eq!(said(&incoming(&in_group(linked))).text, "hi");
}

#[test]
fn a_link_behind_words_goes_along() {
    let link = |offset: usize, length: usize, url: &str| json!({ "type": "text_link", "offset": offset, "length": length, "url": url });
    let of = |text: &str, entities: Value| {
        said(&incoming(&message(json!({ "text": text, "entities": entities })))).text.clone()
    };
    let tea = || link(8, 5, "https://tea.example/");
    assert_eq!(
        of("🍵 about this page?", json!([link(9, 9, "https://tea.example/")])),
        "🍵 about this page (https://tea.example/)?"
    );
    assert_eq!(of("what is this?", json!([tea()])), "what is this? (https://tea.example/)");
    assert_eq!(of("https://tea.example/", json!([link(0, 20, "https://tea.example/")])), "https://tea.example/");
    let name = json!({ "type": "mention", "offset": 0, "length": 7 });
    let named = json!({ "text": "@CaiBot read this", "entities": [name, link(13, 4, "https://tea.example/")] });
    assert_eq!(said(&incoming(&in_group(named))).text, "read this (https://tea.example/)");
}

#[test]
fn entities_beyond_the_text_are_no_harm() {
    for (offset, length) in [(0, 99), (99, 1), (usize::MAX, 2), (1, 1), (0, 0)] {
        let entity = json!([{ "type": "mention", "offset": offset, "length": length }, { "type": "bot_command", "offset": offset, "length": length }]);
        let told = incoming(&message(json!({ "text": "🍵 hi", "entities": entity })));
        assert_eq!(said(&told).text, "🍵 hi");
    }
}

#[test]
fn other_ways_to_address_it() {
    let bots = json!({ "message_id": 4, "date": 1, "from": { "id": 42, "is_bot": true, "first_name": "Cai" }, "chat": { "id": GROUP, "type": "supergroup" }, "text": "Tea is…" });
    let reply = in_group(json!({ "text": "why?", "reply_to_message": bots }));
    assert_eq!(said(&incoming(&reply)).quoted, None, "it knows what it said");

    let mut opened = bots;
    opened["forum_topic_created"] = json!({ "name": "Tea", "icon_color": 1 });
    assert_eq!(nothing(&in_group(json!({ "text": "why?", "reply_to_message": opened }))), "not_addressed");

    let told = incoming_with(&in_group(json!({ "text": "Bot: why?" })), json!({ "patterns": ["(?i)^bot[,:]"] }));
    assert!(told.addressed);
    assert!(incoming_with(&in_group(json!({ "text": "why?" })), json!({ "always_in": [GROUP] })).addressed);
    assert!(incoming_with(&in_group(json!({ "text": "why?" })), json!({ "groups": "always" })).addressed);
    let never = heard_with(&in_group(mention("@CaiBot hi", "@CaiBot")), json!({ "groups": "never" }));
    assert!(matches!(never, Heard::Nothing("not_addressed")));
}

#[test]
fn commands() {
    let given = |text: &str| {
        let length = text.split_whitespace().next().unwrap().len();
        json!({ "text": text, "entities": [{ "type": "bot_command", "offset": 0, "length": length }] })
    };
    let of = |update: &Value| match incoming(update).event {
        InboundEvent::Command { command, args, .. } => (command, args),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&message(given("/reset"))), (Command::Reset, String::new()));
    assert_eq!(of(&message(given("/Lang@CaiBot  zh-TW "))), (Command::Lang, "zh-TW".to_owned()));
    assert_eq!(of(&in_group(given("/help@CaiBot"))), (Command::Help, String::new()));
    assert_eq!(of(&in_group(mention("@CaiBot", "@CaiBot"))).0, Command::Help, "somebody only calls it");
    assert_eq!(nothing(&in_group(given("/help"))), "not_addressed");
    assert!(incoming_with(&in_group(given("/help")), json!({ "bare_commands": true })).addressed);
    assert_eq!(nothing(&message(given("/help@OtherBot"))), "for_another_bot");
    assert_eq!(said(&incoming(&message(given("/tea@CaiBot green")))).text, "/tea green");
    assert_eq!(said(&incoming(&message(json!({ "text": "/etc/passwd" })))).text, "/etc/passwd");
}

#[test]
fn a_picture_may_come_with_a_command() {
    let photo = json!([{ "file_id": "p", "width": 1, "height": 1 }]);
    let shown = |caption: &str, length: usize| json!({ "photo": photo, "caption": caption, "caption_entities": [{ "type": "bot_command", "offset": 0, "length": length }] });
    let told = incoming(&in_group(shown("/tea@CaiBot which?", 11)));
    assert_eq!((told.addressed, &*said(&told).text, said(&told).media.len()), (true, "/tea which?", 1));
    assert_eq!(said(&incoming(&message(shown("/help", 5)))).media.len(), 1, "the picture is what it is about");
    assert_eq!(nothing(&in_group(shown("/tea@OtherBot", 13))), "for_another_bot");
    assert_eq!(nothing(&in_group(shown("/tea", 4))), "not_addressed");
}

#[test]
fn whoever_only_calls_the_bot_gets_an_answer() {
    let of = |original: Value, more: Value| {
        let mut fields = mention("@CaiBot", "@CaiBot");
        let mut replied =
            json!({ "message_id": 4, "date": 1, "from": ann(), "chat": { "id": GROUP, "type": "supergroup" } });
        replied.as_object_mut().unwrap().extend(original.as_object().unwrap().clone());
        fields["reply_to_message"] = replied;
        incoming_with(&in_group(fields), more).event
    };
    let help = InboundEvent::Command { command: Command::Help, args: String::new(), reply_to: Some("5".into()) };
    assert_eq!(of(json!({ "text": "Tea?" }), json!({ "quotes": false })), help);
    assert_eq!(
        of(json!({ "from": { "id": 42, "is_bot": true }, "text": "Tea!" }), json!({})),
        help,
        "its own words it knows"
    );
    let InboundEvent::Message(message) = of(json!({ "voice": {} }), json!({})) else { panic!("no message") };
    assert_eq!(message.media[0].kind, MediaKind::Voice, "it says that it cannot hear it");
}

#[test]
fn messages_without_a_number_are_told_apart() {
    let of = |number: i64, date: i64| {
        let told =
            incoming(&message(json!({ "message_id": 0, "ephemeral_message_id": number, "date": date, "text": "hi" })));
        told.key.as_str().to_owned()
    };
    assert!(of(1, 5) != of(2, 5) && of(1, 5) != of(1, 6) && of(1, 5) == of(1, 5));
}

#[test]
fn a_channels_inbox_is_left_alone() {
    let inbox = json!({ "text": "hi", "chat": { "id": GROUP, "type": "supergroup", "is_direct_messages": true } });
    assert_eq!(nothing(&message(inbox)), "direct_messages");
}

#[test]
fn a_topic_of_a_private_chat_is_kept() {
    let told = incoming(&message(json!({ "text": "hi", "message_thread_id": 9, "is_topic_message": true })));
    assert_eq!((&*told.target.key, &*told.target.address), ("7", "7/9"));
}

#[test]
fn who_is_a_person() {
    let bot = json!({ "id": 9, "is_bot": true, "first_name": "Other" });
    assert_eq!(nothing(&message(json!({ "from": bot, "text": "hi" }))), "from_a_bot");
    let own = json!({ "id": 42, "is_bot": true, "first_name": "Cai" });
    assert_eq!(nothing(&message(json!({ "from": own, "text": "hi" }))), "own_echo");
    assert_eq!(nothing(&message(json!({ "via_bot": own, "text": "hi" }))), "own_echo");

    let anonymous =
        json!({ "id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot" });
    let group = json!({ "id": GROUP, "type": "supergroup", "title": "Tea" });
    let mut fields = mention("@CaiBot hi", "@CaiBot");
    fields["from"] = anonymous;
    fields["sender_chat"] = group;
    fields["author_signature"] = "Chief".into();
    let told = incoming(&in_group(fields));
    assert_eq!((told.sender.user.as_deref(), told.sender.nickname.as_deref()), (Some("-1001"), Some("Chief")));

    let mut fields = mention("@CaiBot hi", "@CaiBot");
    fields["from"] = json!({ "id": 777_000, "is_bot": false, "first_name": "Telegram" });
    fields["sender_chat"] = json!({ "id": -1002, "type": "channel", "title": "News" });
    fields["is_automatic_forward"] = true.into();
    assert_eq!(incoming(&in_group(fields)).sender.nickname.as_deref(), Some("News"));
}

#[test]
fn pictures_and_other_things() {
    let of = |fields: Value| said(&incoming(&message(fields))).media.clone();
    let sizes = json!([
        { "file_id": "s", "file_unique_id": "1", "width": 90, "height": 60, "file_size": 1_000 },
        { "file_id": "l", "file_unique_id": "2", "width": 1280, "height": 853, "file_size": 100_000 },
        { "file_id": "xxl", "file_unique_id": "3", "width": 9000, "height": 6000, "file_size": 30_000_000 },
    ]);
    let photo = of(json!({ "photo": sizes, "caption": "what?" }));
    assert_eq!((photo[0].kind, &photo[0].place), (MediaKind::Image, &MediaPlace::Remote("l".into())));
    let huge = of(json!({ "document": { "file_id": "d", "mime_type": "image/png", "file_size": 30_000_000 } }));
    assert_eq!(huge[0].place, MediaPlace::TooLarge);
    let sticker = |animated: bool| {
        of(
            json!({ "sticker": { "file_id": "w", "is_animated": animated, "is_video": false, "type": "regular", "width": 512, "height": 512 } }),
        )
    };
    assert_eq!((sticker(false)[0].kind, sticker(true)[0].kind), (MediaKind::Sticker, MediaKind::Video));
    for (field, kind) in [
        ("voice", MediaKind::Voice),
        ("audio", MediaKind::Audio),
        ("video", MediaKind::Video),
        ("video_note", MediaKind::Video),
        ("location", MediaKind::Location),
        ("venue", MediaKind::File),
        ("contact", MediaKind::ContactCard),
        ("poll", MediaKind::Poll),
        ("dice", MediaKind::File),
        ("something_new", MediaKind::File),
        ("story", MediaKind::File),
        ("checklist", MediaKind::File),
        ("paid_media", MediaKind::File),
        ("invoice", MediaKind::File),
        ("giveaway", MediaKind::File),
    ] {
        assert_eq!(of(json!({ field: {} }))[0].kind, kind, "{field}");
    }
    for field in ["new_chat_members", "pinned_message", "forum_topic_closed"] {
        assert_eq!(nothing(&message(json!({ field: [] }))), "service_message", "{field}");
    }
}

#[test]
fn a_part_that_cannot_be_read_loses_no_text() {
    let odd = json!({ "text": "hi", "sticker": 7, "reply_to_message": { "odd": true }, "quote": [], "entities": "?", "from": { "id": 7, "first_name": "Ann", "novelty": {} } });
    assert_eq!(said(&incoming(&message(odd))).text, "hi");
}

#[test]
fn an_album_is_one_turn_and_one_member_carries_the_mention() {
    let photo = json!([{ "file_id": "f", "width": 1, "height": 1 }]);
    let told = incoming(&in_group(json!({ "photo": photo, "media_group_id": "g1" })));
    assert_eq!((told.group.as_deref(), told.addressed), (Some("g1"), false));
    assert_eq!(told.not_before, Duration::from_millis(1_500));
}

#[test]
fn what_is_replied_to_goes_along() {
    let original = json!({ "message_id": 4, "date": 1, "from": ann(), "chat": { "id": GROUP, "type": "supergroup" }, "text": "Tea is a fruit.", "photo": [{ "file_id": "p", "width": 1, "height": 1 }] });
    let mut fields = mention("@CaiBot true?", "@CaiBot");
    fields["reply_to_message"] = original;
    let told = incoming(&in_group(fields.clone()));
    assert_eq!(said(&told).quoted.as_deref(), Some("Tea is a fruit."));
    assert_eq!(said(&told).media[0].place, MediaPlace::Remote("p".into()));
    fields["quote"] = json!({ "text": "a fruit", "position": 7, "is_manual": true });
    assert_eq!(said(&incoming(&in_group(fields.clone()))).quoted.as_deref(), Some("a fruit"));
    assert_eq!(said(&incoming_with(&in_group(fields), json!({ "quotes": false }))).quoted, None);
}

#[test]
fn topics_and_chains_of_replies() {
    let told = incoming(&in_group(
        json!({ "text": "@CaiBot hi", "entities": [{ "type": "mention", "offset": 0, "length": 7 }], "message_thread_id": 3, "is_topic_message": true }),
    ));
    assert_eq!(
        (&*told.target.key, &*told.target.address, told.sender.thread.as_deref()),
        ("-1001", "-1001/3", Some("3"))
    );
    assert_eq!(told.target.fallback.as_deref(), Some("-1001"));
    let chain = incoming(&in_group(
        json!({ "text": "@CaiBot hi", "entities": [{ "type": "mention", "offset": 0, "length": 7 }], "message_thread_id": 3 }),
    ));
    assert_eq!(&*chain.target.address, "-1001");
}

#[test]
fn edits_are_told_apart_by_date_and_text() {
    let edit = |text: &str| {
        let mut update = message(json!({ "text": text, "edit_date": 1_700_000_009 }));
        let message = update.as_object_mut().unwrap().remove("message").unwrap();
        update["edited_message"] = message;
        update
    };
    let (one, two) = (incoming(&edit("one")), incoming(&edit("two")));
    assert!(one.key.as_str().starts_with("e:7:5:1700000009:") && one.key != two.key);
    assert!(matches!(&one.event, InboundEvent::Edit { of, .. } if of.as_str() == "m:7:5"));
    assert_eq!(incoming(&edit("one")).key, one.key, "delivered again it is the same");
}

#[test]
fn coming_and_going_and_moving() {
    let standing = |chat: Value, was: &str, is: &str| {
        json!({ "update_id": 1, "my_chat_member": {
            "chat": chat, "from": ann(), "date": 1,
            "old_chat_member": { "status": was, "user": {} }, "new_chat_member": { "status": is, "user": {}, "is_member": false },
        } })
    };
    let group = || json!({ "id": GROUP, "type": "supergroup", "title": "Tea" });
    let private = || json!({ "id": 7, "type": "private" });
    for (chat, was, is, wanted) in [
        (group(), "left", "member", Membership::Joined),
        (group(), "administrator", "kicked", Membership::Removed),
        (group(), "member", "restricted", Membership::Removed),
        (private(), "member", "kicked", Membership::Blocked),
        (private(), "kicked", "member", Membership::Unblocked),
    ] {
        let told = incoming(&standing(chat, was, is));
        assert_eq!(told.event, InboundEvent::Membership { change: wanted });
        assert!(!told.addressed);
    }
    assert_eq!(nothing(&standing(group(), "member", "administrator")), "same_membership");
    assert!(incoming_with(&standing(group(), "left", "member"), json!({ "welcome": true })).addressed);

    let old = incoming(&message(json!({ "chat": { "id": -5, "type": "group" }, "migrate_to_chat_id": -1009 })));
    let new = incoming(&message(json!({ "chat": { "id": -1009, "type": "supergroup" }, "migrate_from_chat_id": -5 })));
    assert_eq!(old.key, new.key, "two reports of one move");
    for told in [old, new] {
        assert_eq!(&*told.target.key, "-5");
        assert_eq!(told.event, InboundEvent::Migration { to: Target::of("-1009") });
    }
}

#[test]
fn posts_in_channels_are_left_alone_unless_asked_for() {
    let mut update = message(
        json!({ "text": "news", "chat": { "id": -1002, "type": "channel", "title": "News" }, "sender_chat": { "id": -1002, "type": "channel", "title": "News" } }),
    );
    let post = update.as_object_mut().unwrap().remove("message").unwrap();
    update["channel_post"] = post;
    assert_eq!(nothing(&update), "other_update");
    assert!(incoming_with(&update, json!({ "channel_posts": true })).addressed);
}
