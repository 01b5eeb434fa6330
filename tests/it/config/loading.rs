//! What is read, and which layer wins.

use std::time::Duration;

use caigunn_bridge::config::{Known, LogFormat, Origin, check_section, load, load_tolerant, redacted};

use super::{Case, Colour, GOOD, Postbox, TEXTS, kinds};

#[test]
fn defaults_then_file_then_environment() {
    let case = Case::new(&format!("{GOOD}\n[server]\nmax_connections = 7\nmax_body = \"1MiB\"\n"))
        .env("CAIGUNN_BRIDGE__SERVER__MAX_CONNECTIONS", "9")
        .env("CAIGUNN_BRIDGE__LOG__FORMAT", "json")
        .env("CAIGUNN_BRIDGE__SERVER__METRICS", "off");
    let config = case.good().config;
    assert_eq!(config.server.max_connections, 9, "the environment beats the file");
    assert_eq!(config.server.max_body.get(), 1 << 20, "the file beats the default");
    assert_eq!(config.server.header_timeout.get(), Duration::from_secs(10), "the default");
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.server.metrics);
}

#[test]
fn the_environment_alone_is_enough() {
    let case = Case::without_file()
        .env("CAIGUNN_BRIDGE__ACCOUNTS__MAIN__ACCESS_TOKEN", "007")
        .env("CAIGUNN_BRIDGE__BOTS__SHOP__ACCOUNT", "main")
        .env("CAIGUNN_BRIDGE__BOTS__SHOP__API_KEY", "true")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__KIND", "postbox")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__BOT", "shop")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__TOKEN", "1e3")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__SCOPE", "user_in_chat")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__COLOURS", "red, blue")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__LIMITS__RATE", "5")
        .env("CAIGUNN_BRIDGE__CHANNELS__MY_POST__KEYS__ALICE", "0010")
        // Set by orchestrators for a service of our name: none of our business.
        .env("CAIGUNN_BRIDGE_PORT", "tcp://10.0.0.1:80");
    let loaded = case.good();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(config.accounts["main"].access_token.as_ref().unwrap().expose(), "007", "a secret stays text");
    assert_eq!(config.bots["shop"].api_key.expose(), "true");
    let channel = &config.channels["my_post"];
    assert_eq!(channel.scope, Some(caigunn_bridge::model::Scope::UserInChat));
    let own: Postbox = channel.own.parse().unwrap();
    assert_eq!(own.token.expose(), "1e3");
    assert_eq!(own.keys["alice"].expose(), "0010");
    assert_eq!(own.colours, [Colour::Red, Colour::Blue]);
    assert_eq!(own.limits.rate, 5);
}

#[test]
fn the_file_named_first_is_read() {
    let mut case = Case::without_file();
    let [flag, variable, place] = ["flag", "variable", "place"].map(|name| {
        case.write(
            &format!("{name}.toml"),
            &format!(
                "[log]\nfilter = \"{}\"\n",
                if name == "flag" {
                    "debug"
                } else if name == "place" {
                    "warn"
                } else {
                    "error"
                }
            ),
        )
    });
    let missing = case.dir.path().join("missing.toml");
    case.sources.places = vec![missing, place];
    assert_eq!(case.good().config.log.filter, "warn");
    let mut case = case.env("CAIGUNN_BRIDGE_CONFIG", variable);
    assert_eq!(case.good().config.log.filter, "error");
    case.sources.file = Some(flag.clone());
    let loaded = case.good();
    assert_eq!(loaded.config.log.filter, "debug");
    assert_eq!(loaded.file, Some(flag));
    assert_eq!(loaded.warnings.len(), 1, "no channel is worth a warning: {:?}", loaded.warnings);
}

#[test]
fn the_usual_places_are_in_order() {
    let env = [("XDG_CONFIG_HOME".into(), "/x".into()), ("HOME".into(), "/home/me".into())].into();
    let places = caigunn_bridge::config::usual_places(&env);
    let shown: Vec<_> = places.iter().map(|p| p.to_str().unwrap()).collect();
    assert_eq!(
        shown,
        ["bridge.toml", "config/bridge.toml", "/x/caigunn-bridge/bridge.toml", "/etc/caigunn-bridge/bridge.toml"]
    );
}

#[test]
fn a_broken_channel_can_be_left_out() {
    let case = Case::new(&format!("{GOOD}\n[channels.loud]\nkind = \"megaphone\"\nbot = \"mian\"\nvolume = 11\n"));
    let loaded = load_tolerant(&case.sources, &Known { kinds: &kinds(), texts: &TEXTS }).unwrap();
    assert_eq!(loaded.config.channels.keys().collect::<Vec<_>>(), ["post"]);
    assert_eq!(loaded.broken.keys().collect::<Vec<_>>(), ["loud"]);
    assert_eq!(loaded.broken["loud"].0.len(), 2);
    assert!(redacted(&loaded).contains("channels.loud is left out: 2 mistakes"));
    assert!(case.load().is_err(), "`load` itself leaves nothing out");

    // A mistake outside the channels is everyone's.
    let case = Case::new(&format!("{GOOD}\n[log]\nformat = \"xml\"\n[channels.loud]\nkind = \"megaphone\"\n"));
    let mistakes = load_tolerant(&case.sources, &Known { kinds: &kinds(), texts: &TEXTS }).unwrap_err();
    assert_eq!(mistakes.0.len(), 2, "{mistakes}");
}

#[test]
fn a_kind_reports_its_own_mistakes_on_their_lines() {
    let loaded = Case::new(GOOD).good();
    let mistake = loaded.config.channels["post"].own.mistake("token", "is not one of ours");
    assert!(matches!(mistake.origin, Origin::File { line: 12, .. }), "{mistake:?}");
    assert_eq!(mistake.key, "channels.post.token");

    let raw = serde_json::json!({ "token": "t", "empty_every": "10ms", "limts": {} });
    let mistakes = check_section::<Postbox>("channels.post", &raw, &Default::default()).unwrap_err();
    let shown: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn without_kinds_channels_are_kept_raw() {
    let case = Case::new(GOOD);
    let loaded = load(&case.sources, &Known::default()).unwrap();
    assert_eq!(loaded.config.channels["post"].own.values()["token"], "post-token");
    assert!(!redacted(&loaded).contains("post-token"), "what is not described may be a secret");
    assert!(!format!("{loaded:?}").contains("post-token"));
}

#[test]
fn what_is_shown_names_each_origin() {
    let case = Case::new(&format!(
        "{GOOD}[channels.post.keys]\nalice_env = \"ALICE\"\n\n[texts.zh-TW]\nbusy = \"忙\"\n\n[pipeline]\nretry.max = \"2m\"\n"
    ))
    .env("ALICE", "alice-key")
    .env("CAIGUNN_BRIDGE__SERVER__LISTEN", "0.0.0.0:80");
    let shown = redacted(&case.good());
    assert!(shown.parse::<toml::Table>().is_ok(), "{shown}");
    insta::assert_snapshot!(case.plain(shown));
}

#[test]
fn ids_of_the_platform_are_numbers_or_text() {
    let lists = "access = { allow_chats = [-1001234567890, \"@club\"], admins = [7], admin_commands = [\"reset\"] }\n";
    let case =
        Case::new(&format!("{GOOD}{lists}")).env("CAIGUNN_BRIDGE__CHANNELS__POST__ACCESS__ALLOW_USERS", "42, @ann");
    let access = case.good().config.channels["post"].access.clone();
    let ids = |list: &[caigunn_bridge::config::Id]| list.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&access.allow_chats), ["-1001234567890", "@club"]);
    assert_eq!(ids(&access.allow_users), ["42", "@ann"]);
    assert_eq!(ids(&access.admins), ["7"]);
    assert_eq!(access.admin_commands, [caigunn_bridge::model::commands::Command::Reset]);
}
