//! What is written: the configuration with what its keys mean, and the files of its secrets.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Answers, Channel, Given, Kind, Place, secrets_folder};
use crate::config::Sources;

/// Where the sandbox listens unless it is told otherwise, and what it accepts.
const SANDBOX: &str = "http://127.0.0.1:8090";
const SANDBOX_TOKEN: &str = "sandbox-token";
const SANDBOX_KEY: &str = "sandbox-key";

/// The name of the API key of the HTTP channel.
const CALLER: &str = "site";

/// Every file by its path, the configuration last: it names the others.
pub(super) fn files(answers: &Answers, output: &Path) -> Vec<(PathBuf, String)> {
    let mut config = Config { text: String::new(), secrets: Vec::new(), place: answers.secrets, output };
    config.head(answers);
    config.account(answers);
    config.line("\n# The channels. An id (`[channels.<id>]`) is part of every user's name at CaiGunn: do not change it once people have written.");
    for channel in &answers.channels {
        config.channel(channel, answers);
    }
    config.rest(answers);
    let mut files = config.secrets;
    files.push((output.to_owned(), config.text));
    files
}

struct Config<'a> {
    text: String,
    secrets: Vec<(PathBuf, String)>,
    place: Place,
    output: &'a Path,
}

impl Config<'_> {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }

    fn setting(&mut self, key: &str, value: &str) {
        let value = toml::Value::String(value.to_owned());
        let _ = writeln!(self.text, "{key} = {value}");
    }

    /// A secret under `key`, in whichever form it has; `file` is the name of its own file.
    fn secret(&mut self, key: &str, given: &Given, file: &str) {
        match (given, self.place) {
            (Given::File(path, _), _) => self.setting(&format!("{key}_file"), &path.display().to_string()),
            (Given::Value(secret), Place::Inline) => self.setting(key, secret.expose()),
            (Given::Value(secret), Place::Files) => {
                let path = secrets_folder(self.output).join(file);
                self.setting(&format!("{key}_file"), &path.display().to_string());
                self.secrets.push((path, format!("{}\n", secret.expose())));
            }
        }
    }

    fn head(&mut self, answers: &Answers) {
        self.line("# The bridge's configuration, written by `caigunn-bridge init`. What matters stands here; every other key has a good");
        self.line("# default. `caigunn-bridge config example` prints all of them with what they mean; `caigunn-bridge check` finds mistakes.");
        if answers.secrets == Place::Inline {
            self.line("# It holds secrets: keep it readable by its owner alone (chmod 600).");
        }
    }

    fn account(&mut self, answers: &Answers) {
        self.line("");
        match &answers.account {
            Some(account) => {
                self.line("# The CaiGunn account: one access token, renewed by the bridge. The newest one is kept in the store.");
                self.line("[accounts.main]");
                if let Some(url) = &answers.caigunn_url {
                    self.setting("base_url", url);
                }
                self.secret("access_token", &account.token, "access_token");
                self.line("\n# The chatbot that answers.");
                self.line("[bots.main]\naccount = \"main\"");
                self.secret("api_key", &account.key, "api_key");
            }
            None => {
                self.line("# The sandbox stands in for CaiGunn: start it with `caigunn-bridge sandbox`. To go over to a real account, take");
                self.line("# `base_url` out, put the account's access token and the chatbot's API key in, and restart the bridge.");
                self.line("[accounts.main]");
                self.setting("base_url", answers.caigunn_url.as_deref().unwrap_or(SANDBOX));
                self.setting("access_token", SANDBOX_TOKEN);
                self.line("\n# The chatbot that answers.");
                self.line("[bots.main]\naccount = \"main\"");
                self.setting("api_key", SANDBOX_KEY);
            }
        }
    }

    fn channel(&mut self, channel: &Channel, answers: &Answers) {
        let kind = channel.kind;
        let (what, more) = match kind {
            Kind::Telegram => (
                "Telegram: private chats, and groups in which the bot is mentioned or replied to.",
                "#groups = \"always\"   # answers in groups without being addressed",
            ),
            Kind::Discord => (
                "Discord: direct messages, mentions, replies and slash commands. `check --online` prints the link that invites the bot.",
                "#servers = \"always\"   # answers in servers without being addressed",
            ),
            Kind::Http if answers.playground => (
                "HTTP: your site's backend sends messages to `/v1/messages` with the key below.",
                "playground = true   # a chat page at /chat for whoever reaches the address: take it out before strangers do",
            ),
            Kind::Http => (
                "HTTP: your site's backend sends messages to `/v1/messages` with the key below.",
                "#playground = true   # a chat page at /chat for whoever reaches the address, for trying things out",
            ),
        };
        self.line(&format!("\n# {what}"));
        self.line(&format!("[channels.{}]\nkind = \"{}\"\nbot = \"main\"", kind.id(), kind.name()));
        if let Some(language) = answers.language {
            self.setting("language", language.tag());
        }
        if kind != Kind::Http {
            self.secret("token", &channel.secret, &format!("{}_token", kind.name()));
        }
        if let Some(url) = &channel.url {
            self.setting("api_url", url);
        }
        self.line(more);
        if kind == Kind::Http {
            self.line(&format!(
                "\n# One caller. What it sends as `Authorization: Bearer …`.\n[channels.{}.keys.{CALLER}]",
                kind.id()
            ));
            self.secret("key", &channel.secret, "http_key");
        }
    }

    fn rest(&mut self, answers: &Answers) {
        self.line("\n# What the bridge listens on: the HTTP channel, health (/readyz) and metrics (/metrics).");
        self.line("[server]");
        self.setting("listen", &answers.listen.to_string());
        self.line("\n# Where messages are kept until they are answered: on a disk that survives a restart.");
        self.line("[store]");
        let folder = self.output.parent().unwrap_or(Path::new("/"));
        self.setting("path", &folder.join("data").join("bridge.db").display().to_string());
    }
}

/// What was written, and what comes next. Shows no secret.
pub(super) fn farewell(answers: &Answers, output: &Path) -> String {
    let mut text = format!("Written: {}", answers.output.display());
    let ours = files(answers, output).len() - 1;
    if ours > 0 {
        let files = if ours == 1 { "file" } else { "files" };
        let _ = write!(text, ", and {ours} {files} in {}", secrets_folder(&answers.output).display());
    }
    let config = if is_found(output) { String::new() } else { format!(" --config {}", quoted(&answers.output)) };
    let bridge = called();
    let next = format!("  {bridge} check --online{config}\n  {bridge} run{config}");
    if answers.account.is_some() {
        let _ = write!(text, "\n\nNext:\n{next}");
    } else {
        let url = answers.caigunn_url.as_deref().unwrap_or(SANDBOX);
        let listen = match url.strip_prefix("http://") {
            Some(addr) if url != SANDBOX => format!(" --listen {}", addr.trim_end_matches('/')),
            _ => String::new(),
        };
        let _ = write!(
            text,
            "\n\nNext, in a terminal of its own:\n  {bridge} sandbox{listen}\n\nand in another one:\n{next}"
        );
    }
    if let Some(channel) = answers.channels.iter().find(|channel| channel.kind == Kind::Http) {
        let _ = write!(text, "\n\nThen say hello:\n  {}", hello(answers, channel));
        if answers.playground {
            let _ = write!(text, "\nor open http://{}/chat", answers.listen);
        }
    }
    if answers.account.is_none() {
        text.push_str("\n\nWith an account later: the comment above [accounts.main] says what to change.");
    }
    text
}

/// A line to copy that talks to the HTTP channel.
fn hello(answers: &Answers, channel: &Channel) -> String {
    let key = match (&channel.secret, answers.secrets) {
        (Given::File(path, _), _) => format!("$(cat {})", quoted(path)),
        (Given::Value(_), Place::Files) => {
            format!("$(cat {})", quoted(&secrets_folder(&answers.output).join("http_key")))
        }
        (Given::Value(_), Place::Inline) => "THE-KEY-IN-THAT-FILE".to_owned(),
    };
    format!(
        "curl -s http://{}/v1/messages -H \"Authorization: Bearer {key}\" -H 'Content-Type: application/json' -d \
         '{{\"user\":\"you\",\"text\":\"Hello!\"}}'",
        answers.listen
    )
}

/// Whether `run` finds the file by itself: it is the first of the usual places that is there.
fn is_found(output: &Path) -> bool {
    let places = Sources::of_process(None).places.into_iter();
    let first = places.map(|place| std::path::absolute(&place).unwrap_or(place)).find(|place| place.exists());
    first.is_some_and(|first| first == output)
}

/// This program, as it was called: it need not lie on the path.
fn called() -> String {
    std::env::args_os().next().map_or("caigunn-bridge".to_owned(), |name| quoted(Path::new(&name)))
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
