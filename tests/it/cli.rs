//! The command line, as a person uses it.

mod check;
mod demo;
mod doctor;
mod healthcheck;
mod help;
mod init;
mod messages;
mod pages;
mod pty;

use crate::support::process::Place;
use caigunn_bridge::sandbox::SandboxOptions;

async fn place() -> Place {
    Place::new(SandboxOptions::default()).await
}

/// What differs from run to run, replaced.
fn redacted(place: &Place, text: &str) -> String {
    text.replace(&place.folder().display().to_string(), "[folder]")
        .replace(&place.sandbox.addr().to_string(), "[sandbox]")
}
