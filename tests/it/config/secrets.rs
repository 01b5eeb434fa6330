//! The three forms of a secret, and that no output ever shows one.

use caigunn_bridge::{
    config::{Known, check_section, load, redacted},
    model::Secret,
};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Unexpected},
};

use super::{Case, GOOD, Postbox, TEXTS, kinds, open_to};

#[test]
fn a_secret_comes_from_a_file_or_a_variable() {
    let case = Case::without_file();
    let token = case.write("token", "file-token\r\n");
    let post = case.write("post", "post-token\n\n");
    let alice = case.write("alice", "alice-key");
    let case = case
        .env("CAIGUNN_BRIDGE__ACCOUNTS__MAIN__ACCESS_TOKEN_FILE", token)
        .env("CAIGUNN_BRIDGE__BOTS__MAIN__ACCOUNT", "main")
        .env("CAIGUNN_BRIDGE__BOTS__MAIN__API_KEY_ENV", "THE_KEY")
        .env("THE_KEY", "env-key\n")
        .env("CAIGUNN_BRIDGE__CHANNELS__POST__KIND", "postbox")
        .env("CAIGUNN_BRIDGE__CHANNELS__POST__BOT", "main")
        .env("CAIGUNN_BRIDGE__CHANNELS__POST__TOKEN_FILE", post)
        .env("CAIGUNN_BRIDGE__CHANNELS__POST__KEYS__ALICE_FILE", alice);
    let loaded = case.good();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.accounts["main"].access_token.as_ref().unwrap().expose(), "file-token");
    assert_eq!(loaded.config.bots["main"].api_key.expose(), "env-key");
    let own: Postbox = loaded.config.channels["post"].own.parse().unwrap();
    assert_eq!(own.token.expose(), "post-token");
    assert_eq!(own.keys["alice"].expose(), "alice-key");
}

#[test]
fn any_form_in_the_environment_beats_every_form_in_the_file() {
    let case = Case::new(&format!("{GOOD}\n[bots.shop]\naccount = \"main\"\napi_key_file = \"/nowhere\"\n"));
    let key = case.write("key", "from-file");
    let loaded = case
        .env("CAIGUNN_BRIDGE__BOTS__MAIN__API_KEY_FILE", key)
        .env("CAIGUNN_BRIDGE__BOTS__SHOP__API_KEY", "inline")
        .good();
    assert_eq!(loaded.config.bots["main"].api_key.expose(), "from-file");
    assert_eq!(loaded.config.bots["shop"].api_key.expose(), "inline");
}

#[test]
fn bad_secrets() {
    let case = Case::without_file();
    case.write("empty", "\n");
    case.write("two-lines", "one\ntwo\n");
    let dir = case.dir.path().to_str().unwrap().to_owned();
    let mut case = case.env("EMPTY", "").env("CAIGUNN_BRIDGE__IDENTITY__UID_HASH_KEY", "");
    case.sources.file = Some(case.write(
        "bridge.toml",
        &format!(
            r#"
[accounts.a]
access_token = "one-form"
access_token_file = "{dir}/empty"
proxy = 5
[accounts.b]
access_token_file = "{dir}/empty"
[accounts.c]
access_token_file = "{dir}/missing"
[accounts.d]
access_token_file = "{dir}"
[accounts.e]
access_token_env = "UNSET"
[accounts.f]
access_token_env = "EMPTY"
[accounts.g]
access_token_env = "sk-token-in-the-wrong-field"
[accounts.h]
access_token_file = "sk-token-in-the-wrong-field"
[accounts.i]
access_token = ""
[accounts.j]
access_token_file = {{ token = "sk-nested" }}
[accounts.k]
access_token = {{ token = "sk-nested" }}
[accounts.l]
access_token_file = "{dir}/two-lines"
"#
        ),
    ));
    let said = case.bad();
    assert!(!said.contains("sk-"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn files_that_everyone_can_read_are_warnings() {
    let case = Case::new(GOOD);
    let key = case.write("key", "shop-key");
    open_to(&key, 0o644);
    open_to(case.sources.file.as_ref().unwrap(), 0o644);
    let case =
        case.env("CAIGUNN_BRIDGE__BOTS__SHOP__API_KEY_FILE", key).env("CAIGUNN_BRIDGE__BOTS__SHOP__ACCOUNT", "main");
    let shown: Vec<_> = case.good().warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(case.plain(shown.join("\n")));
}

const PLANTED: &str = "sk-PLANTED";

/// Every place in which a secret can stand, rightly or by mistake; each has the planted word in its value.
const PLANTS: [&str; 17] = [
    "[channels.post]\nkind = \"postbox\"\nspare = [\"sk-PLANTED\", 3, { a = \"sk-PLANTED\" }]\n",
    "[accounts.main]\naccess_token = \"t\"\n[bots.main]\naccount = \"main\"\napi_key = \"k\"\n[channels.post]\nkind = \"postbox\"\nbot = \"main\"\ntoken = \"sk-PLANTED\"\nspare = [\"sk-PLANTED\"]\nkeys.a = \"sk-PLANTED\"\n",
    "[accounts.main]\naccess_token = \"sk-PLANTED\"\n",
    "[accounts.main]\naccess_token = [\"sk-PLANTED\"]\n",
    "[accounts.main]\naccess_token = \"sk-PLANTED\\nsecond line\"\n",
    "[accounts.main]\nproxy = \"sk-PLANTED\"\n",
    "[accounts.main]\nbase_url = \"https://me:sk-PLANTED@host\"\n",
    "[accounts.main]\nacess_token = \"sk-PLANTED\"\n",
    "[accounts.main]\naccess_token_file = \"sk-PLANTED\"\n",
    "[accounts.main]\naccess_token_env = \"sk-PLANTED\"\n",
    "[accounts.main]\naccess_token = sk-PLANTED\n",
    "[accounts.main]\naccess_token = \"sk-PLANTED\n",
    "[accounts.main]\naccess_token : \"sk-PLANTED\"\n",
    "[accounts.main]\naccess_token = \"a\"\naccess_token = \"sk-PLANTED\"\n",
    "[identity]\nuid_hash_key = \"sk-PLANTED\"\n",
    "[channels.post]\nkind = \"nothing\"\ntoken = \"sk-PLANTED\"\n",
    "[channels.post]\nkind = \"postbox\"\nkeys = { a = \"sk-PLANTED\", b = { c = \"sk-PLANTED\" } }\nunknown = \"sk-PLANTED\"\n",
];

#[test]
fn no_output_shows_a_secret() {
    for plant in PLANTS {
        let case = Case::new(plant);
        for known in [Known { kinds: &kinds(), texts: &TEXTS }, Known::default()] {
            let shown = match load(&case.sources, &known) {
                Ok(loaded) => format!("{loaded:?} {loaded:#?} {} {:?}", redacted(&loaded), loaded.warnings),
                Err(mistakes) => format!("{mistakes} {mistakes:?} {:?}", mistakes.0.iter().map(ToString::to_string)),
            };
            assert!(!shown.contains(PLANTED), "{plant}\n{shown}");
        }
    }
    for name in [
        "BOTS__MAIN__API_KEY",
        "BOTS__MAIN__API_KY",
        "BOTS__MAIN__API_KEY__X",
        "SERVER__PASSWORD",
        "BOTS",
        "CHANNELS__POST__TOKEN",
    ] {
        let case = Case::new(GOOD).env(&format!("CAIGUNN_BRIDGE__{name}"), PLANTED);
        let shown = match case.load() {
            Ok(loaded) => format!("{loaded:?} {}", redacted(&loaded)),
            Err(mistakes) => format!("{mistakes} {mistakes:?}"),
        };
        assert!(!shown.contains(PLANTED), "{name}\n{shown}");
        assert!(!format!("{:?}", case.sources).contains(PLANTED));
    }
}

/// A secret whose own reader refuses it and says too much.
#[derive(Debug)]
struct Talkative;

impl<'de> Deserialize<'de> for Talkative {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(D::Error::invalid_value(Unexpected::Str(&text), &"another"))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "is never read successfully")]
struct Chatty {
    #[schemars(with = "Secret")]
    token: Talkative,
}

#[test]
fn a_readers_own_message_is_cleared_of_the_secret() {
    for secret in ["sk-PLANTED", "sk-PLANTED \"quoted\" \\ and more"] {
        let raw = serde_json::json!({ "token": secret });
        let mistakes = check_section::<Chatty>("channels.chatty", &raw, &Default::default()).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        let shown = mistakes[0].to_string();
        assert!(shown.contains("[secret]") && !shown.contains(PLANTED), "{shown}");
    }
}
