//! Pieces of configuration. A block `toml` is a whole configuration and loads as it is; a block `toml fragment` is a part of one, and
//! loads once what must be set beside it has been.

use std::path::Path;

use caigunn_bridge::app::App;
use caigunn_bridge::config::{Mistake, Sources};

use toml::{Table, Value};

use super::pages::pages;

/// What a reader puts in place of a secret, by what its name ends with.
const SECRETS: [(&str, &str); 3] = [
    ("telegram_token", "123456789:AAFzQ0vX3sample0sample0sample0sampl"),
    ("discord_token", "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GsampX.sample0sample0sample0sample0sampl01"),
    ("", "0123456789abcdef0123456789abcdef"),
];

/// Names secrets' files in `folder`, where they are.
fn with_files(text: &str, folder: &Path) -> String {
    const USUAL: &str = "/run/secrets/";
    let mut parts = text.split(USUAL);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.split('"').next().unwrap();
        let (_, secret) = SECRETS.iter().find(|(ending, _)| name.ends_with(ending)).unwrap();
        let file = folder.join(name);
        std::fs::write(&file, secret).unwrap();
        whole.push_str(&format!("{}/{part}", folder.display()));
    }
    whole
}

fn mistakes(text: &str) -> Vec<Mistake> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, with_files(text, folder.path())).unwrap();
    match App::builder().load(&Sources { file: Some(file), ..Sources::default() }) {
        Ok(loaded) => loaded.broken.into_values().flat_map(|mistakes| mistakes.0).collect(),
        Err(mistakes) => mistakes.0,
    }
}

/// A fragment, with what it leaves out.
fn completed(fragment: &str) -> String {
    let mut config: Table = fragment.parse().unwrap_or_else(|error| panic!("{error}\n{fragment}"));
    let rest: Table =
        "accounts.main.access_token = 't'\nbots.main = { account = 'main', api_key = 'k' }".parse().unwrap();
    for (section, value) in rest {
        config.entry(section).or_insert(value);
    }
    for (id, channel) in config.get_mut("channels").and_then(Value::as_table_mut).into_iter().flatten() {
        let channel = channel.as_table_mut().unwrap();
        let kind = if matches!(id.as_str(), "telegram" | "discord") { id } else { "http" };
        channel.entry("bot").or_insert("main".into());
        let kind = channel.entry("kind").or_insert(kind.into()).as_str().unwrap().to_owned();
        let secret = SECRETS.iter().find(|(ending, _)| *ending == format!("{kind}_token"));
        if let Some((_, token)) = secret
            && !channel.contains_key("token_file")
        {
            channel.entry("token").or_insert((*token).into());
        }
        if kind == "http" {
            let keys: Table = "shop.key = '0123456789abcdef'".parse().unwrap();
            channel.entry("keys").or_insert(keys.into());
        }
    }
    config.to_string()
}

#[test]
fn what_is_shown_can_be_configured() {
    let mut wrong = Vec::new();
    let mut loaded = 0;
    for page in pages() {
        for block in page.blocks() {
            let config = match block.info.as_str() {
                "toml" => block.text.clone(),
                "toml fragment" => completed(&block.text),
                info if info.starts_with("toml") => panic!("{}: what is a `{info}`?", page.shown()),
                _ => continue,
            };
            loaded += 1;
            let found = mistakes(&config).into_iter();
            wrong.extend(found.map(|mistake| format!("{}: {mistake}\n{}", page.shown(), block.text)));
        }
    }
    assert!(loaded > 5, "only {loaded} pieces were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_fragment_may_lack_things_and_not_be_wrong() {
    let keys = |text: &str| mistakes(&completed(text)).iter().map(|m| m.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys("[channels.web]\nwiat = '1s'\n"), ["channels.web.wiat"]);
    assert_eq!(
        keys("[channels.telegram.access]\nadmins = [7]\nallow_roles = [1]\n"),
        ["channels.telegram.access.allow_roles"]
    );
    assert!(keys("[channels.discord.access]\nallow_roles = [1]\n").is_empty());
}
