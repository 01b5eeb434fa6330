//! A pseudo-terminal with the program at it, and somebody who reads the screen and types.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};

use pty_process::blocking::{Command, Pty, open};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::process::Daemon;
use crate::support::until;

pub(super) struct Screen {
    pty: Arc<Pty>,
    daemon: Daemon,
    shown: Arc<Mutex<Vec<u8>>>,
    /// Ends when nobody is at the terminal any more, and all that was shown is read.
    reader: std::thread::JoinHandle<()>,
    /// How much of the screen has been read.
    read: usize,
}

impl Screen {
    /// Starts the program in a folder, with an empty environment but for its home and a place for temporary files.
    pub(super) fn start(folder: &Path, tmp: &Path, args: &[&str]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(pty_process::Size::new(50, 200)).unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_caigunn-bridge")).args(args).env_clear().current_dir(folder);
        let command = command.env("TMPDIR", tmp).env("HOME", folder).env("TERM", "xterm");
        let child: Child = command.spawn(pts).unwrap();
        let (pty, shown) = (Arc::new(pty), Arc::new(Mutex::new(Vec::new())));
        let (source, screen) = (Arc::clone(&pty), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*source).read(&mut bytes) {
                screen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { pty, daemon: Daemon::of(child), shown, reader, read: 0 }
    }

    /// All that was shown so far.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Waits until something is shown that was not read yet, and reads up to its end.
    pub(super) async fn shows(&mut self, text: &str) {
        self.shows_one_of(&[text]).await;
    }

    /// Waits for the end of a question.
    pub(super) async fn asks(&mut self) {
        self.shows_one_of(&["]: ", "shown): "]).await;
    }

    async fn shows_one_of(&mut self, texts: &[&str]) {
        let mut end = None;
        until(&format!("one of {texts:?} is shown"), async || {
            let has_ended = self.reader.is_finished();
            let shown = self.shown();
            let ends = texts.iter().filter_map(|text| Some(self.read + shown[self.read..].find(text)? + text.len()));
            end = ends.min();
            assert!(end.is_some() || !has_ended, "not shown: {texts:?}\n{shown}");
            end.is_some()
        })
        .await;
        self.read = end.unwrap();
    }

    /// Types, as it is: Enter is `\n`, Ctrl-C `\x03`.
    pub(super) fn types(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Waits for a question, and answers it.
    pub(super) async fn answers(&mut self, question: &str, answer: &str) {
        self.shows(question).await;
        self.asks().await;
        self.types(&format!("{answer}\n"));
    }

    /// Whether what is typed is shown.
    pub(super) fn echoes(&self) -> bool {
        tcgetattr(self.pty.as_fd()).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end of the program; the exit code, and the whole screen.
    pub(super) async fn ends(self) -> (i32, String) {
        let code = self.daemon.exit_code().await;
        until("all that was shown is read", async || self.reader.is_finished()).await;
        (code, String::from_utf8_lossy(&self.shown.lock().unwrap()).replace("\r\n", "\n"))
    }
}
