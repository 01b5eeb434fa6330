//! `config`: what can be configured, and what is.

use crate::app::App;
use crate::cli::output::Output;
use crate::cli::{ConfigFile, Exit, help, load_from};
use crate::config::{self, Sources};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// A commented example with every key.
    #[command(after_help = help::CONFIG_EXAMPLE)]
    Example,
    /// The JSON schema, for editors.
    #[command(after_help = help::CONFIG_SCHEMA)]
    Schema,
    /// The configuration in force and where each key comes from. Secrets are not shown.
    #[command(after_help = help::CONFIG_SHOW)]
    Show(ConfigFile),
}

pub(super) fn run(app: &App, command: Command) -> Exit {
    match command {
        Command::Example => Output::line(app.with_known(config::example).trim_end()),
        Command::Schema => Output::line(schema(app).trim_end()),
        Command::Show(file) => match load_from(app, &Sources::of_process(file.config)) {
            Ok(loaded) => {
                Output::line(config::redacted(&loaded).trim_end());
                for mistakes in loaded.broken.values() {
                    Output::error(&mistakes.to_string());
                }
                if !loaded.broken.is_empty() {
                    return Exit::Usage;
                }
            }
            Err(exit) => return exit,
        },
    }
    Exit::Ok
}

fn schema(app: &App) -> String {
    let schema = app.with_known(config::schema);
    // A tree of JSON values always serializes.
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}
