//! What a message says and shows.

use super::*;

#[test]
fn marks_become_words() {
    let mentioned = json!([
        { "id": "7", "username": "bob", "global_name": "Bob B.", "member": { "nick": "Bobby", "roles": [] } },
        { "id": "8", "username": "cleo", "global_name": "Cleo", "member": { "nick": null } },
        bot(),
    ]);
    let update = |words: &str| {
        in_server(json!({ "content": format!("<@{BOT}> {words}"), "mentions": mentioned, "mention_roles": [GUESTS] }))
    };
    for (words, wanted) in [
        ("ask <@7> or <@!8>!", "ask @Bobby or @Cleo!"),
        ("<@9>?", "@user?"),
        ("in <#1100000000000000010>, <#1100000000000000021> or <#1>", "in #tea, #Black tea or #channel"),
        ("<@&1100000000000000006> <@&1100000000000000001> <@&1>", "@Guests @everyone @role"),
        ("I <:mmLol:216154654256398347> <a:b1nzy:392938283556143104>", "I :mmLol: :b1nzy:"),
        ("use </airhorn:816437322781949972> or </tea green:1>", "use /airhorn or /tea green"),
        ("at <t:1618953630> or <t:1618953630:d>", "at 2021-04-20 21:20 UTC or 2021-04-20 21:20 UTC"),
        ("<t:-62135596800:R> <t:99999999999999999:R>", "0001-01-01 00:00 UTC <t:99999999999999999:R>"),
        ("see <id:customize> and <https://tea.example/?a=1>", "see <id:customize> and <https://tea.example/?a=1>"),
        ("`<@7>` ``a ` <@7>`` and ```\n<@7>\n``` <@7>", "`<@7>` ``a ` <@7>`` and ```\n<@7>\n``` @Bobby"),
        ("`open <@7> ``two <@7>", "`open @Bobby ``two @Bobby"),
        ("\\<@7> \\`<@7>\\` \\茶<@7>", "\\<@7> \\`@Bobby\\` \\茶@Bobby"),
        ("**bold** <@7>茶🍵<@7>", "**bold** @Bobby茶🍵@Bobby"),
        ("<@> <@x> <#> <::1> <:a b:1> <t:x> </:1> <@7", "<@> <@x> <#> <::1> <:a b:1> <t:x> </:1> <@7"),
        ("<<@7>>", "<@Bobby>"),
        ("<@99999999999999999999999>", "<@99999999999999999999999>"),
    ] {
        assert_eq!(said(&incoming(&update(words))).text, wanted, "{words}");
    }
}

fn file(id: &str, name: &str, mime: Option<&str>, size: u64) -> Value {
    let url = format!("https://cdn.discordapp.com/attachments/{TEA}/{id}/{name}?ex=1&is=0&hm=a&");
    json!({ "id": id, "filename": name, "content_type": mime, "size": size, "url": url, "proxy_url": url })
}

#[test]
fn pictures_and_other_files() {
    let of = |files: Value, flags: u64| {
        said(&incoming(&direct(json!({ "attachments": files, "flags": flags })))).media.clone()
    };
    let shown = of(json!([file("1", "a.webp", Some("image/webp"), 9), file("2", "b.PNG", None, 7)]), 0);
    assert_eq!(shown.len(), 2);
    assert_eq!((shown[0].kind, shown[0].name.as_deref(), shown[0].bytes), (MediaKind::Image, Some("a.webp"), Some(9)));
    let MediaPlace::Remote(reference) = &shown[1].place else { panic!("{shown:?}") };
    let reference = FileRef::read(reference).unwrap();
    assert_eq!(reference.of, Some((Snowflake(DM.parse().unwrap()), Snowflake(MESSAGE.parse().unwrap()), Snowflake(2))));
    assert!(reference.url.ends_with("/b.PNG?ex=1&is=0&hm=a&"));
    assert_eq!(of(json!([file("1", "a.png", Some("image/png"), (20 << 20) + 1)]), 0)[0].place, MediaPlace::TooLarge);
    for (name, mime, flags, kind) in [
        ("voice-message.ogg", Some("audio/ogg"), 1 << 13, MediaKind::Voice),
        ("song.mp3", Some("audio/mpeg"), 0, MediaKind::Audio),
        ("song.flac", None, 0, MediaKind::Audio),
        ("a.mp4", Some("video/mp4"), 0, MediaKind::Video),
        ("a.mov", None, 0, MediaKind::Video),
        ("a.pdf", Some("application/pdf"), 0, MediaKind::File),
        ("png", None, 0, MediaKind::File),
    ] {
        let media = of(json!([file("1", name, mime, 5)]), flags);
        assert_eq!((media[0].kind, &media[0].place, media[0].name.as_deref()), (kind, &MediaPlace::Absent, Some(name)));
    }
    let titled = json!([{ "id": "1", "filename": "_.pdf", "title": "茶.pdf", "content_type": "application/pdf" }]);
    assert_eq!(of(titled, 0)[0].name.as_deref(), Some("茶.pdf"));
    assert_eq!(of(json!([{ "id": "1", "content_type": "image/png" }]), 0)[0].place, MediaPlace::Absent, "no link");
}

#[test]
fn stickers_and_polls() {
    let of = |format: u64, more: Value| {
        let update =
            direct(json!({ "sticker_items": [{ "id": "749054660769218631", "name": "Wave", "format_type": format }] }));
        said(&incoming_with(&update, more)).media[0].clone()
    };
    let link = |url: &str| MediaPlace::Remote(FileRef { of: None, url: url.to_owned() }.written());
    for format in [1, 2] {
        assert_eq!(of(format, json!({})).place, link("https://cdn.discordapp.com/stickers/749054660769218631.png"));
    }
    assert_eq!(of(4, json!({})).place, link("https://media.discordapp.net/stickers/749054660769218631.gif"));
    let elsewhere = of(4, json!({ "cdn_url": "http://localhost:1" }));
    assert_eq!(
        (elsewhere.kind, elsewhere.place),
        (MediaKind::Sticker, link("http://localhost:1/stickers/749054660769218631.gif"))
    );
    assert_eq!((of(3, json!({})).kind, of(3, json!({})).place), (MediaKind::Video, MediaPlace::Absent));
    let poll = incoming(&direct(json!({ "poll": { "question": { "text": "Tea?" }, "answers": [] } })));
    assert_eq!(said(&poll).media[0].kind, MediaKind::Poll);
}

#[test]
fn what_is_replied_to_goes_along() {
    let original = |fields: Value| {
        let mut original = json!({ "id": "4", "channel_id": TEA, "author": ann(), "type": 0, "content": "" });
        original.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        original
    };
    let reply = |words: &str, fields: Value| {
        let mut update = calling(words);
        update["type"] = 19.into();
        update["message_reference"] = json!({ "type": 0, "message_id": "4", "channel_id": TEA, "guild_id": GUILD });
        update["referenced_message"] = original(fields);
        update
    };
    let fruit = || {
        let words = format!("Tea is a fruit, <@7> and <@{BOT}>.");
        json!({ "content": words, "mentions": [{ "id": "7", "username": "bob" }, bot()], "attachments": [file("9", "p.png", None, 1), file("8", "n.txt", None, 1)] })
    };
    let told = incoming(&reply("@@ true?", fruit()));
    assert_eq!(said(&told).text, "true?");
    assert_eq!(said(&told).quoted.as_deref(), Some("Tea is a fruit, @bob and @CaiBot."));
    let MediaPlace::Remote(place) = &said(&told).media[0].place else { panic!("{told:?}") };
    assert_eq!(
        FileRef::read(place).unwrap().of.map(|(_, message, _)| message),
        Some(Snowflake(4)),
        "it is the other message's"
    );
    assert_eq!(said(&told).media.len(), 1, "what it cannot see it need not mention");

    let mut shows = reply("@@ true?", fruit());
    shows["attachments"] = json!([file("1", "own.png", None, 1)]);
    assert_eq!(said(&incoming(&shows)).media[0].name.as_deref(), Some("own.png"), "one's own come first");
    let unquoted = incoming_with(&reply("@@ true?", fruit()), json!({ "quotes": false }));
    assert_eq!((said(&unquoted).quoted.as_deref(), said(&unquoted).media.len()), (None, 0));
    let bare = incoming(&reply("@@", json!({ "content": "What is tea?" })));
    assert_eq!((said(&bare).text.as_str(), said(&bare).quoted.as_deref()), ("What is tea?", None));
    let voice =
        incoming(&reply("@@", json!({ "flags": 1 << 13, "attachments": [file("9", "v.ogg", Some("audio/ogg"), 1)] })));
    assert_eq!(said(&voice).media[0].kind, MediaKind::Voice, "it says that it cannot hear it");
}

#[test]
fn what_is_passed_on_is_what_is_said() {
    let forward = |part: Value| {
        direct(json!({
            "flags": 1 << 14, "message_reference": { "type": 1, "message_id": "4", "channel_id": TEA, "guild_id": GUILD },
            "message_snapshots": [{ "message": part }],
        }))
    };
    let told = incoming_with(
        &forward(json!({ "type": 0, "content": "What is <:tea:1>?", "mentions": [], "attachments": [] })),
        json!({ "quotes": false }),
    );
    assert_eq!((said(&told).text.as_str(), said(&told).quoted.as_deref()), ("What is :tea:?", None));
    let told =
        incoming(&forward(json!({ "content": "This", "attachments": [file("9", "p.png", Some("image/png"), 1)] })));
    assert_eq!((said(&told).text.as_str(), said(&told).quoted.as_deref()), ("", Some("This")));
    let MediaPlace::Remote(place) = &said(&told).media[0].place else { panic!("{told:?}") };
    let of = FileRef::read(place).unwrap().of;
    assert_eq!(
        of.map(|(_, message, _)| message),
        Some(Snowflake(MESSAGE.parse().unwrap())),
        "where it can be read again"
    );
    let told = incoming(&forward(json!({ "attachments": [file("9", "p.pdf", None, 1)] })));
    assert_eq!(said(&told).media[0].kind, MediaKind::File);
}

#[test]
fn a_part_that_cannot_be_read_loses_no_text() {
    let whole = direct(json!({
        "content": "hi", "member": {}, "sticker_items": [], "referenced_message": null, "message_snapshots": [], "poll": null,
        "message_reference": {}, "thread": {}, "position": 0, "novelty": 0,
    }));
    let needed = ["id", "channel_id", "author", "content", "type", "flags", "webhook_id", "poll"];
    for part in whole.as_object().unwrap().keys().filter(|key| !needed.contains(&key.as_str())) {
        for odd in
            [json!(null), json!(-1), json!(1e300), json!(true), json!("?"), json!([[], 5, {}]), json!({ "id": {} })]
        {
            let mut update = whole.clone();
            update[part] = odd;
            assert_eq!(said(&incoming(&update)).text, "hi", "{update}");
        }
    }
    for odd in [json!("?"), json!(null), json!(-1), json!({})] {
        let update = direct(
            json!({ "content": "hi", "type": odd, "flags": odd, "author": { "id": "7", "username": odd, "bot": odd } }),
        );
        assert_eq!(said(&incoming(&update)).text, "hi", "{update}");
    }
}

/// A piece of a text, and what it becomes.
fn piece() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[a-zA-Z0-9茶🍵é*_~|>#@:. \n-]{1,8}".prop_map(|words| (words.clone(), words)),
        Just(("<@7>".to_owned(), "@user".to_owned())),
        Just(("<#1100000000000000010>".to_owned(), "#channel".to_owned())),
        Just(("<:tea:5>".to_owned(), ":tea:".to_owned())),
        Just(("`<@7>`".to_owned(), "`<@7>`".to_owned())),
        Just(("<@x>".to_owned(), "<@x>".to_owned())),
        Just(("<".to_owned(), "<".to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_outside_marks_is_lost(pieces in prop::collection::vec(piece(), 0..12)) {
        // Two pieces of code side by side are one, and a stray sign makes a mark of what follows.
        let (mut source, mut wanted) = (String::new(), String::new());
        for (from, to) in &pieces {
            source.push_str(from);
            source.push('.');
            wanted.push_str(to);
            wanted.push('.');
        }
        let places = Places::new(BOT);
        let names = text::Names { taken_out: Some(BOT), own_role: None, users: &[], guild: None, places: &places };
        prop_assert_eq!(text::said(&source, &names), wanted.trim());
    }

    #[test]
    fn any_text_is_read(words in "(<@|<#|<:|<t:|</|>|`|``|```|\\\\|1|:|@|茶|🍵|a| |\n|<@1100000000000000042>){0,40}") {
        let heard = incoming(&direct(json!({ "content": words, "mentions": [bot()] })));
        let title = text::title(&words);
        prop_assert!(!title.trim().is_empty() && title.chars().count() <= 100);
        if !words.contains('<') {
            let text = match &heard.event {
                InboundEvent::Message(message) => message.text.as_str(),
                _ => "",
            };
            prop_assert_eq!(text, words.trim());
        }
    }

    #[test]
    fn any_signs_are_read(words in "\\PC{0,60}") {
        text::title(&words);
        if !words.contains(['<']) && !words.trim().is_empty() {
            prop_assert_eq!(text_of(&words), words.trim());
        }
    }
}
