//! Every kind of mistake, as the person reads it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use super::{Case, GOOD, Kind, Known, Postbox, TEXTS, load};

fn said(toml: &str) -> String {
    Case::new(toml).bad()
}

#[test]
fn unknown_keys() {
    insta::assert_snapshot!(said(&format!(
        "max_in_flight = 3\ncolour = 1\n{GOOD}token_fil = \"x\"\n\n[pipeline]\nmax_in_flihgt = 5\nretry.mim = \"1s\"\n\n[Server]\n[sevrer]\nlisten = \"x\"\n[bots.main.listen]\nx = 1\n"
    )));
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(said(
        "log = \"info\"\n[server]\nheader_timeout = 10\nmax_connections = \"many\"\nmax_body = 5.5\nmetrics = \"yes\"\nlisten = [1]\n[pipeline]\nmax_in_flight = 1.5\nretry = 3\n[bots]\nmain = 1\n[store]\npath = 1979-05-27\n"
    ));
}

#[test]
fn out_of_range() {
    insta::assert_snapshot!(said(&format!(
        "{GOOD}empty_every = \"10ms\"\nlimits.rate = 0\n\n[server]\nmax_connections = 0\nmax_body = \"5GiB\"\nmax_header_bytes = \"20 potatoes\"\nheader_timeout = \"soon\"\ngrace_period = \"20\"\nlisten = \"localhost:8080\"\n[store]\npath = \"\"\ndedupe_retention_extra = \"3d\"\n[pipeline]\nuser_rate = -1\nmax_age = \"9999999999d\"\n[identity]\nuid_hash_key = \"short\"\n"
    )));
}

#[test]
fn values_at_odds() {
    insta::assert_snapshot!(said(&format!(
        "{GOOD}\n[accounts.other]\nbase_url = \"ftp://me:pw@x\"\nconnect_timeout = \"10m\"\nfirst_byte_timeout = \"3m\"\nproxy = \"socks5://me:pw@x\"\nrefresh_every = \"30m\"\n[pipeline.retry]\nmin = \"2m\"\n[log]\nfilter = \"caigunn=loud=x\"\n"
    )));
}

#[test]
fn choices() {
    insta::assert_snapshot!(said(&format!(
        "{GOOD}scope = \"usr\"\nlanguage = \"english\"\ncolours = [\"red\", \"bleu\", 3]\n\n[pipeline]\nambiguous_send = \"again\"\n[log]\nformat = false\n[texts.en]\nbusi = \"x\"\ntoo_old = \"\"\n[texts.english]\n"
    )));
}

#[test]
fn missing_keys() {
    insta::assert_snapshot!(said(
        "[accounts.main]\n\n[bots.main]\n\n[channels.post]\nkind = \"postbox\"\n\n[channels.other]\n"
    ));
}

#[test]
fn bad_references() {
    insta::assert_snapshot!(said(&format!(
        "{GOOD}\n[bots.shop]\naccount = \"mian\"\napi_key = \"k\"\n[bots.far]\naccount = \"elsewhere\"\napi_key = \"k\"\n[channels.loud]\nkind = \"megaphone\"\nbot = \"shpo\"\n"
    )));
}

#[test]
fn unknown_kind() {
    insta::assert_snapshot!(said(&format!(
        "{GOOD}\n[channels.a]\nkind = \"postbok\"\nbot = \"main\"\nanything = \"secret-perhaps\"\nscope = \"all\"\n[channels.b]\nkind = \"pigeon\"\nbot = \"nobody\"\n[channels.c]\nkind = 3\nbot = \"main\"\n"
    )));
}

#[test]
fn bad_names() {
    insta::assert_snapshot!(said(
        "[accounts.Main]\n[accounts.main]\n[bots.my-bot]\naccount = \"main\"\napi_key = \"k\"\n[channels.\"2 posts\"]\nkind = \"megaphone\"\nbot = \"my-bot\"\n[channels.a__b]\nkind = \"megaphone\"\nbot = \"my-bot\"\n"
    ));
}

#[test]
fn uid_templates() {
    let channel = |id: &str, rest: &str| format!("[channels.{id}]\nkind = \"megaphone\"\nbot = \"main\"\n{rest}\n");
    insta::assert_snapshot!(said(
        &[
            GOOD.into(),
            channel("a", "uid_template = \"{channel}{user}\""),
            channel("b", "uid_template = \"{channel}-{usr}\""),
            channel("c", "uid_template = \"{channel}-{user\""),
            channel("d", "uid_template = \"my uid {user}\""),
            channel("e", "uid_template = \"{channel}\""),
            channel("f", "scope = \"user_in_chat\"\nuid_template = \"{channel}-{user}\""),
            channel("g", "uid_template = 3"),
        ]
        .concat()
    ));
}

#[test]
fn syntax_errors() {
    insta::assert_snapshot!(said(
        "[server]\nlisten = \"127.0.0.1:1\n\n[server]\nmax_body = 12MiB\n[bots.main]\napi_key = sk-unquoted-key\n= 3\n"
    ));
    insta::assert_snapshot!(said("[bots.main]\napi_key = 99999999999999999999\n"));
}

#[test]
fn files() {
    let mut case = Case::without_file();
    case.sources.file = Some(case.dir.path().join("nowhere.toml"));
    insta::assert_snapshot!(case.bad());
    let case = Case::without_file();
    let folder = case.dir.path().to_owned();
    insta::assert_snapshot!(case.env("CAIGUNN_BRIDGE_CONFIG", folder).bad());
    let case = Case::new("");
    std::fs::write(case.sources.file.as_ref().unwrap(), [0xff, 0xfe]).unwrap();
    insta::assert_snapshot!(case.bad());
}

#[test]
fn environment_variables() {
    let case = Case::new(GOOD)
        .env("CAIGUNN_BRIDGE__SERVER__LISTN", "0.0.0.0:1")
        .env("CAIGUNN_BRIDGE__NOTHING", "secret-perhaps")
        .env("CAIGUNN_BRIDGE__SERVER__MAX_CONNECTIONS", "lots")
        .env("CAIGUNN_BRIDGE__SERVER__HEALTH", "maybe")
        .env("CAIGUNN_BRIDGE__SERVER__GRACE_PERIOD", "20")
        .env("CAIGUNN_BRIDGE__SERVER____METRICS", "1")
        .env("CAIGUNN_BRIDGE__STORE", "data.db")
        .env("CAIGUNN_BRIDGE__STORE__PATH", "data.db")
        .env("CAIGUNN_BRIDGE__LOG", "debug")
        .env("CAIGUNN_BRIDGE__BOTS__SHOP__API_KEY", "")
        .env("CAIGUNN_BRIDGE__CHANNELS__A.B__KIND", "megaphone")
        .env("CAIGUNN_BRIDGE__CHANNELS__POST__KIND__X", "megaphone")
        .env("CAIGUNN_BRIDGE__IDENTITY__UID_HASH_KEY", OsStr::from_bytes(b"\xff\xff"))
        .env("caigunn_bridge__server__listen", "0.0.0.0:1")
        .env("CAIGUNN_BRIDGE__SERVER__LISTEN", "0.0.0.0:1");
    insta::assert_snapshot!(case.bad());
}

#[test]
fn a_name_that_lacks_an_underscore_is_a_warning() {
    let loaded = Case::new(GOOD).env("CAIGUNN_BRIDGE_SERVER__LISTEN", "0.0.0.0:1").good();
    insta::assert_snapshot!(loaded.warnings[0].to_string());
}

#[test]
fn risky_settings_are_warnings() {
    let case = Case::new(
        "[accounts.main]\nbase_url = \"http://caigunn.example\"\n[accounts.local]\naccess_token = \"t\"\nbase_url = \"http://127.0.0.1:1\"\n",
    );
    let shown: Vec<_> = case.good().warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(case.plain(shown.join("\n")));
}

#[test]
fn lists_of_servers_where_there_are_none() {
    insta::assert_snapshot!(
        Case::new(&format!("{GOOD}access.deny_guilds = [7]\naccess.alow_roles = [7]\n"))
            .env("CAIGUNN_BRIDGE__CHANNELS__POST__ACCESS__ALLOW_ROLES", "8,9")
            .bad()
    );
    let kinds = [Kind::of::<Postbox>("postbox").with_servers()];
    let case = Case::new(&format!("{GOOD}access.deny_guilds = [7]\naccess.allow_roles = [\"8\", 9]\n"));
    let loaded = load(&case.sources, &Known { kinds: &kinds, texts: &TEXTS }).unwrap();
    let access = &loaded.config.channels["post"].access;
    assert_eq!((access.deny_guilds.len(), access.allow_roles.len()), (1, 2));
}

#[test]
fn access() {
    insta::assert_snapshot!(said(&format!(
        "{GOOD}access.admin_commands = [\"rest\", \"start\"]\naccess.allow_chats = [1.5, true, \"\"]\naccess.deny_users = 7\naccess.alow_users = []\n"
    )));
}
