//! `completions` and `man`: what is generated from the command line itself.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::cli::output::Output;
use crate::cli::{Cli, Exit, help};

/// The program's name, as a shell completes it.
const NAME: &str = "caigunn-bridge";

#[derive(clap::Args)]
#[command(after_help = help::COMPLETIONS)]
pub(super) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

#[derive(clap::Args)]
#[command(after_help = help::MAN)]
pub(super) struct Man {
    /// Write a page for each command into this folder, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    Output::line(String::from_utf8_lossy(&script).trim_end());
    Exit::Ok
}

pub(super) fn man(args: &Man) -> Exit {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        return match clap_mangen::Man::new(Cli::command()).render(&mut page) {
            Ok(()) => {
                Output::line(String::from_utf8_lossy(&page).trim_end());
                Exit::Ok
            }
            Err(error) => {
                Output::error(&format!("the page cannot be printed: {error}"));
                Exit::Failure
            }
        };
    };
    match std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir)) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            Output::error(&format!("the pages cannot be written to {}: {error}", dir.display()));
            Exit::Failure
        }
    }
}
