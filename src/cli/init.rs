//! `init`: a short interview that ends in a configuration.
//!
//! [`interview`] the questions · [`terminal`] how they are asked, of a person or of a pipe · [`live`] whether keys and tokens are
//! good · [`text`] what is written · [`write`] how.

mod interview;
mod live;
mod terminal;
mod text;
mod write;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::cli::output::Output;
use crate::cli::{Exit, help};
use crate::model::{Lang, Secret};
use interview::Interview;

#[derive(clap::Args)]
#[command(after_help = help::INIT)]
pub(super) struct Args {
    /// The file to write; without it, bridge.toml in this folder.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// There is no CaiGunn account yet: take the sandbox, a server on this machine that answers like CaiGunn.
    #[arg(long, conflicts_with_all = ["access_token_file", "api_key_file"])]
    sandbox: bool,
    /// A file with the access token of the CaiGunn account.
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// A file with the API key of the chatbot.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Where people write to the bot; can be given several times.
    #[arg(long = "channel", value_name = "KIND", value_enum)]
    channels: Vec<Kind>,
    /// A file with a bot token, as telegram=FILE or discord=FILE; with one such channel FILE alone is enough.
    #[arg(long = "token-file", value_name = "FILE")]
    token_files: Vec<String>,
    /// Address that the bridge listens on; without it, 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the keys and tokens go that were typed or made.
    #[arg(long, value_enum)]
    secrets: Option<Place>,
    /// Do not try the keys and tokens.
    #[arg(long)]
    untested: bool,
    /// Ask nothing: what no flag says is the default.
    #[arg(long, short)]
    yes: bool,
    /// Write over files that exist.
    #[arg(long)]
    force: bool,
    /// Where CaiGunn is.
    #[arg(long, value_name = "URL", hide = true)]
    caigunn_url: Option<String>,
    /// Where Telegram's Bot API is.
    #[arg(long, value_name = "URL", hide = true)]
    telegram_url: Option<String>,
    /// Where Discord's API is.
    #[arg(long, value_name = "URL", hide = true)]
    discord_url: Option<String>,
}

/// A channel as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Telegram,
    Discord,
    /// Your own site or program.
    Http,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Telegram, Self::Discord, Self::Http];

    fn name(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::Http => "http",
        }
    }

    /// The channel's id in the configuration.
    fn id(self) -> &'static str {
        match self {
            Self::Http => "web",
            other => other.name(),
        }
    }

    /// As a person says it.
    fn shown(self) -> &'static str {
        match self {
            Self::Telegram => "Telegram",
            Self::Discord => "Discord",
            Self::Http => "HTTP",
        }
    }
}

/// Where secrets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Place {
    /// Into files of their own beside the configuration, readable by you alone.
    Files,
    /// Into the configuration itself.
    Inline,
}

/// A secret, and how the configuration comes by it.
#[derive(Clone)]
enum Given {
    /// It goes where secrets go.
    Value(Secret),
    /// It is in a file already, and stays there.
    File(PathBuf, Secret),
}

impl Given {
    fn secret(&self) -> &Secret {
        match self {
            Self::Value(secret) | Self::File(_, secret) => secret,
        }
    }
}

/// What the interview found out.
struct Answers {
    /// `None`: the sandbox.
    account: Option<Credentials>,
    /// Where CaiGunn is, if not where it always is.
    caigunn_url: Option<String>,
    channels: Vec<Channel>,
    /// Of what the bridge itself says in the channels, if not the usual one.
    language: Option<Lang>,
    listen: SocketAddr,
    /// Whether the HTTP channel serves its chat page.
    playground: bool,
    secrets: Place,
    output: PathBuf,
}

#[derive(Clone)]
struct Credentials {
    token: Given,
    key: Given,
}

struct Channel {
    kind: Kind,
    /// The bot's token, or the API key that callers send.
    secret: Given,
    /// Where the platform is, if not where it always is.
    url: Option<String>,
}

/// Why the interview ended without a configuration.
enum Stop {
    /// An answer is missing or unusable.
    Usage(String),
    /// A key or token is refused, and nobody is there to give another.
    Refused(String),
    Failed(String),
}

pub(super) async fn run(app: &App, args: Args) -> Exit {
    let asked = Box::pin(async {
        let answers = Interview::new(app, &args).hold().await?;
        finish(&answers)
    });
    let ended = tokio::select! {
        // In this order, so that signals are received before the first question is asked.
        biased;
        () = interrupted() => {
            Output::error("\nstopped: nothing was written");
            return Exit::Interrupted;
        }
        ended = asked => ended,
    };
    let (text, exit) = match ended {
        Ok(()) => return Exit::Ok,
        Err(Stop::Usage(text)) => (text, Exit::Usage),
        Err(Stop::Refused(text)) => (text, Exit::Findings),
        Err(Stop::Failed(text)) => (text, Exit::Failure),
    };
    Output::error(&format!("{text}\nnothing was written"));
    exit
}

/// Not to be interrupted: everything is written, or nothing.
fn finish(answers: &Answers) -> Result<(), Stop> {
    let output = std::path::absolute(&answers.output)
        .map_err(|error| Stop::Failed(format!("{} is no path: {error}", answers.output.display())))?;
    let written = text::files(answers, &output);
    write::all(&written)
        .map_err(|(path, error)| Stop::Failed(format!("{} cannot be written: {error}", path.display())))?;
    Output::line(&text::farewell(answers, &output));
    Ok(())
}

/// Ctrl-C, a request to end, or a terminal that is gone. Whatever was hidden on the terminal is shown again when the interview is dropped.
async fn interrupted() {
    let listen = |kind| signal(kind).ok();
    let all = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()), listen(SignalKind::hangup()));
    let (Some(mut interrupt), Some(mut terminate), Some(mut hangup)) = all else { return std::future::pending().await };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// The folder for the secrets of a configuration file.
fn secrets_folder(output: &Path) -> PathBuf {
    output.with_extension("secrets")
}
