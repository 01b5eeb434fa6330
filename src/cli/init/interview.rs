//! The questions. What a flag answers is not asked.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::live::{self, Blame};
use super::terminal::{Asked, Help, Remedy, Terminal};
use super::{Answers, Args, Channel, Credentials, Given, Kind, Place, Stop, secrets_folder};
use crate::app::App;
use crate::cli::output::Output;
use crate::model::{Lang, Secret};

const LISTEN: &str = "127.0.0.1:8080";
const OUTPUT: &str = "bridge.toml";

const TOKEN: Asked = Asked {
    what: "The access token",
    place: ", from the CaiGunn account's settings",
    flag: "--access-token-file FILE",
};
const KEY: Asked =
    Asked { what: "The chatbot's API key", place: ", from the chatbot's page there", flag: "--api-key-file FILE" };
const TELEGRAM: Asked =
    Asked { what: "The Telegram bot's token", place: ", from @BotFather", flag: "--token-file telegram=FILE" };
const DISCORD: Asked = Asked {
    what: "The Discord bot's token",
    place: ", from the page \"Bot\" of its application in the developer portal",
    flag: "--token-file discord=FILE",
};

pub(super) struct Interview<'a> {
    app: &'a App,
    args: &'a Args,
    terminal: Terminal,
}

impl<'a> Interview<'a> {
    pub(super) fn new(app: &'a App, args: &'a Args) -> Self {
        Self { app, args, terminal: Terminal::new(args.yes) }
    }

    pub(super) async fn hold(&self) -> Result<Answers, Stop> {
        let args = self.args;
        if let Some(output) = args.output.as_deref().or(args.yes.then_some(Path::new(OUTPUT)))
            && self.terminal.is_quiet()
        {
            // Before anything is called.
            self.refuse_to_overwrite(output)?;
        }
        self.terminal.say(
            "A few questions, and the bridge is configured. Enter takes what stands in [brackets]; Ctrl-C leaves nothing \
             behind.\n",
        );
        let account = self.account().await?;
        let mut channels = Vec::new();
        let kinds = self.kinds().await?;
        self.check_token_files(&kinds)?;
        for kind in &kinds {
            channels.push(self.channel(*kind, &kinds).await?);
        }
        let listen = self.listen(&kinds).await?;
        let playground = kinds.contains(&Kind::Http) && self.playground(listen).await?;
        let output = self.output().await?;
        let is_ours = |given: &Given| matches!(given, Given::Value(_));
        let secrets = account.iter().flat_map(|account| [&account.token, &account.key]);
        let any_of_ours = secrets.chain(channels.iter().map(|channel| &channel.secret)).any(is_ours);
        let secrets = if any_of_ours { self.secrets(&output).await? } else { Place::Files };
        Ok(Answers {
            account,
            caigunn_url: args.caigunn_url.clone(),
            channels,
            language: language(),
            listen,
            playground,
            secrets,
            output,
        })
    }

    async fn account(&self) -> Result<Option<Credentials>, Stop> {
        let args = self.args;
        let has_account = args.access_token_file.is_some() || args.api_key_file.is_some();
        if args.sandbox {
            return Ok(None);
        }
        if !has_account && self.terminal.is_quiet() {
            let hint = "name the files of its token and key (--access-token-file, --api-key-file), or take --sandbox";
            return Err(Stop::Usage(format!("there is no CaiGunn account\nhint: {hint}")));
        }
        if !has_account {
            self.terminal.say("Is there a CaiGunn account with a chatbot?");
            let choices = [
                ("account", "yes: I have its access token and the chatbot's API key"),
                ("sandbox", "not yet: take the sandbox, a server on this machine that answers like CaiGunn"),
            ];
            if self.terminal.choose(&choices, 0, false).await? == [1] {
                return Ok(None);
            }
        }
        let token = self.given(args.access_token_file.as_deref(), &TOKEN).await?;
        let key = self.given(args.api_key_file.as_deref(), &KEY).await?;
        let given = Credentials { token, key };
        Ok(Some(if args.untested { given } else { self.accepted(given).await? }))
    }

    /// Asks until CaiGunn takes them, or they are to be kept all the same.
    async fn accepted(&self, mut given: Credentials) -> Result<Credentials, Stop> {
        loop {
            let url = self.args.caigunn_url.as_deref();
            let (blame, text) = match live::caigunn(url, given.token.secret(), given.key.secret()).await {
                Ok(None) => {
                    self.terminal.say("ok    CaiGunn accepts both\n");
                    return Ok(given);
                }
                Ok(Some(renewed)) => {
                    self.terminal.say("ok    CaiGunn accepts both; the token had expired, and the new one is taken\n");
                    return Ok(Credentials { token: Given::Value(renewed), ..given });
                }
                Err(refused) => refused,
            };
            let help = if blame == Blame::Neither { Help::LookAgain } else { Help::Another };
            match self.terminal.remedy(&text, help).await? {
                Remedy::Keep => return Ok(given),
                Remedy::LookAgain => {}
                Remedy::Another(secret) if blame == Blame::Token => given.token = Given::Value(secret),
                Remedy::Another(secret) => given.key = Given::Value(secret),
            }
        }
    }

    async fn kinds(&self) -> Result<Vec<Kind>, Stop> {
        if !self.args.channels.is_empty() {
            return Ok(Kind::ALL.into_iter().filter(|kind| self.args.channels.contains(kind)).collect());
        }
        self.terminal.say("Where do people write to the bot? Several are separated by commas.");
        let choices = [("telegram", "Telegram"), ("discord", "Discord"), ("http", "HTTP: your own site or program")];
        let chosen = self.terminal.choose(&choices, 2, true).await?;
        self.terminal.say("");
        Ok(chosen.into_iter().map(|n| Kind::ALL[n]).collect())
    }

    async fn channel(&self, kind: Kind, kinds: &[Kind]) -> Result<Channel, Stop> {
        let (asked, url) = match kind {
            Kind::Telegram => (&TELEGRAM, &self.args.telegram_url),
            Kind::Discord => (&DISCORD, &self.args.discord_url),
            Kind::Http => {
                let secret = Given::Value(Secret::new(made_key()));
                return Ok(Channel { kind, secret, url: None });
            }
        };
        let secret = self.given(self.token_file(kind, kinds), asked).await?;
        let mut channel = Channel { kind, secret, url: url.clone() };
        if self.args.untested {
            return Ok(channel);
        }
        loop {
            let (text, help) = match live::channel(self.app, &channel).await {
                Ok(text) => {
                    self.terminal.say(&format!("{text}\n"));
                    return Ok(channel);
                }
                Err(wrong) => wrong,
            };
            match self.terminal.remedy(&text, help).await? {
                Remedy::Keep => return Ok(channel),
                Remedy::LookAgain => {}
                Remedy::Another(secret) => channel.secret = Given::Value(secret),
            }
        }
    }

    /// The file of a channel's token: the one with its name, or the only one for the only channel that needs one.
    fn token_file(&self, kind: Kind, kinds: &[Kind]) -> Option<&Path> {
        let files: Vec<_> = self.args.token_files.iter().map(|file| named(file)).collect();
        let own = files.iter().find(|(named, _)| *named == Some(kind));
        own.or_else(|| files.iter().find(|(named, _)| named.is_none() && needing(kinds) == 1)).map(|(_, path)| *path)
    }

    /// A file that no channel would be given is a slip.
    fn check_token_files(&self, kinds: &[Kind]) -> Result<(), Stop> {
        for file in &self.args.token_files {
            let why = match named(file).0 {
                Some(kind) if kinds.contains(&kind) => continue,
                Some(kind) => format!("is for {}, which is none of the channels", kind.shown()),
                None if needing(kinds) == 1 => continue,
                None => "does not say which channel it is for".to_owned(),
            };
            let hint = "write --token-file telegram=FILE or discord=FILE, and --channel for each channel";
            return Err(Stop::Usage(format!("--token-file {file} {why}\nhint: {hint}")));
        }
        Ok(())
    }

    async fn listen(&self, kinds: &[Kind]) -> Result<SocketAddr, Stop> {
        if let Some(listen) = self.args.listen {
            return Ok(listen);
        }
        let mut answer = LISTEN.to_owned();
        loop {
            // Nobody calls a bridge that has no such channel, but whoever watches over it.
            if kinds.contains(&Kind::Http) {
                answer = self.terminal.line("The address that the HTTP channel listens on", LISTEN).await?;
            }
            match answer.parse() {
                Ok(listen) => return Ok(listen),
                Err(_) => Output::line("an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080"),
            }
        }
    }

    /// Whoever reaches the page can use it: it is offered by itself only where nobody else does, and without anybody to ask not
    /// at all, as a proxy on the same machine may stand before the address.
    async fn playground(&self, listen: SocketAddr) -> Result<bool, Stop> {
        let offered = listen.ip().is_loopback() && !self.terminal.is_quiet();
        self.terminal.agrees("Serve a chat page at /chat?", offered).await
    }

    async fn output(&self) -> Result<PathBuf, Stop> {
        let mut named = self.args.output.clone();
        loop {
            let output = match named.take() {
                Some(output) => output,
                None => self.terminal.line("The file to write", OUTPUT).await?.into(),
            };
            if output.is_dir() || output.file_name().is_none() {
                if self.terminal.is_quiet() {
                    return Err(Stop::Usage(format!("{} is a folder", output.display())));
                }
                Output::line(&format!("{} is a folder", output.display()));
                continue;
            }
            if self.args.force || taken(&output).is_none() {
                return Ok(output);
            }
            self.refuse_to_overwrite(&output)
                .or_else(|stop| if self.terminal.is_quiet() { Err(stop) } else { Ok(()) })?;
            Output::line(&format!("{} exists already.", taken(&output).unwrap_or(output.clone()).display()));
            let choices = [("another", "another name"), ("overwrite", "write over it")];
            if self.terminal.choose(&choices, 0, false).await? == [1] {
                return Ok(output);
            }
        }
    }

    fn refuse_to_overwrite(&self, output: &Path) -> Result<(), Stop> {
        match taken(output).filter(|_| !self.args.force) {
            Some(path) => Err(Stop::Usage(format!(
                "{} exists already\nhint: --force writes over it, --output names another file",
                path.display()
            ))),
            None => Ok(()),
        }
    }

    async fn secrets(&self, output: &Path) -> Result<Place, Stop> {
        if let Some(place) = self.args.secrets {
            return Ok(place);
        }
        self.terminal.say("Where do the keys and tokens go?");
        let folder = secrets_folder(output);
        let files = format!("into files that you alone can read, in {}", folder.display());
        let choices =
            [("files", files.as_str()), ("inline", "into the configuration itself, which you alone can read")];
        let chosen = self.terminal.choose(&choices, 0, false).await?;
        self.terminal.say("");
        Ok(if chosen == [1] { Place::Inline } else { Place::Files })
    }

    /// A secret from the file that a flag names, or typed.
    async fn given(&self, file: Option<&Path>, asked: &Asked) -> Result<Given, Stop> {
        let Some(file) = file else { return Ok(Given::Value(self.terminal.secret(asked).await?)) };
        let unusable = |why: &str| {
            Stop::Usage(format!("{} {why}\nhint: {} names a file that holds the secret", file.display(), asked.flag))
        };
        let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => unusable("does not exist"),
            _ => unusable(&error.to_string()),
        })?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(unusable("is empty"));
        }
        let path = std::path::absolute(file).map_err(|error| unusable(&error.to_string()))?;
        Ok(Given::File(path, Secret::new(text)))
    }
}

/// `KIND=FILE`, or a file alone.
fn named(file: &str) -> (Option<Kind>, &Path) {
    let split = file
        .split_once('=')
        .and_then(|(name, path)| Some((Kind::ALL.into_iter().find(|kind| kind.name() == name)?, Path::new(path))));
    split.map_or((None, Path::new(file)), |(kind, path)| (Some(kind), path))
}

/// How many of the channels need a token.
fn needing(kinds: &[Kind]) -> usize {
    kinds.iter().filter(|kind| **kind != Kind::Http).count()
}

/// What is there already where a configuration, or its secrets, would be written.
fn taken(output: &Path) -> Option<PathBuf> {
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    [output.to_owned(), secrets_folder(output)].into_iter().find(there)
}

/// The language of whoever sits here, where it is one that the bridge speaks besides its usual one. POSIX has this order:
/// https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
fn language() -> Option<Lang> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set)?;
    // Without the character set: `zh_TW.UTF-8`.
    let tag = locale.split(['.', '@']).next()?;
    Lang::from_tag(tag).filter(|lang| *lang != Lang::default())
}

/// 256 bits, in hex.
fn made_key() -> String {
    // Two of version 4 carry 244 random bits from the system's generator; the rest is their form.
    let half = || uuid::Uuid::new_v4().as_simple().to_string();
    half() + &half()
}
