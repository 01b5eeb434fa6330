//! The configuration as a person meets it: what is read, from where, and what is said about mistakes.

use std::{collections::BTreeMap, path::Path};

use caigunn_bridge::{
    config::{ByteSize, HumanDuration, Kind, Known, Loaded, Mistakes, Sources, load},
    model::Secret,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tempfile::TempDir;

mod generated;
mod loading;
mod mistakes;
mod secrets;

/// A kind of channel that exists only here.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that exist for their schema")]
struct Postbox {
    /// The token of the postbox.
    token: Secret,
    /// Who may write, by name.
    #[serde(default)]
    keys: BTreeMap<String, Secret>,
    /// Tokens of the spare postboxes.
    #[serde(default)]
    spare: Vec<Secret>,
    /// How often it is emptied.
    #[serde(default = "often")]
    #[schemars(extend("x-minimum" = "1s"))]
    empty_every: HumanDuration,
    /// Largest letter.
    #[serde(default = "small")]
    largest: ByteSize,
    /// Colours it may have.
    #[serde(default)]
    colours: Vec<Colour>,
    /// Limits.
    #[serde(default)]
    limits: Limits,
}

fn often() -> HumanDuration {
    HumanDuration::from_mins(5)
}

fn small() -> ByteSize {
    ByteSize::kib(512)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, Deserialize, JsonSchema, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    /// Letters a minute.
    #[schemars(range(min = 1, max = 1000))]
    rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rate: 60 }
    }
}

/// A kind without keys of its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Megaphone {}

const TEXTS: [&str; 2] = ["busy", "too_old"];

fn kinds() -> [Kind; 2] {
    [Kind::of::<Postbox>("postbox"), Kind::of::<Megaphone>("megaphone")]
}

/// A folder with a configuration file in it and an environment of its own.
struct Case {
    dir: TempDir,
    sources: Sources,
}

impl Case {
    fn new(toml: &str) -> Self {
        let mut case = Self::without_file();
        case.sources.file = Some(case.write("bridge.toml", toml));
        case
    }

    fn without_file() -> Self {
        Self { dir: TempDir::new().expect("a folder"), sources: Sources::default() }
    }

    fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.sources.env.insert(name.into(), value.as_ref().into());
        self
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        open_to(&path, 0o600);
        path
    }

    fn load(&self) -> Result<Loaded, Mistakes> {
        load(&self.sources, &Known { kinds: &kinds(), texts: &TEXTS })
    }

    fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// What a person reads, the changing folder's name replaced.
    fn bad(&self) -> String {
        self.plain(self.load().expect_err("a mistake is expected").to_string())
    }

    fn plain(&self, text: String) -> String {
        text.replace(self.dir.path().to_str().expect("UTF-8"), "/etc/caigunn-bridge")
    }
}

fn open_to(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

/// A small good configuration, the beginning of most cases.
const GOOD: &str = r#"
[accounts.main]
access_token = "account-token"

[bots.main]
account = "main"
api_key = "bot-key"

[channels.post]
kind = "postbox"
bot = "main"
token = "post-token"
"#;
