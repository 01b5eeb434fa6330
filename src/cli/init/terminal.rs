//! Asks a person at a terminal, or reads the answers of a pipe, line by line.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Stop;
use crate::cli::output::Output;
use crate::model::Secret;

/// A secret that is asked for.
pub(super) struct Asked {
    pub(super) what: &'static str,
    /// Where one finds it, continuing `what`.
    pub(super) place: &'static str,
    /// What names a file that holds it.
    pub(super) flag: &'static str,
}

/// What to do about a key or token that is not good.
pub(super) enum Remedy {
    Another(Secret),
    LookAgain,
    Keep,
}

/// What can help: a key that is refused will be refused again, and a connection that fails needs no other key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    Another,
    LookAgain,
    Either,
}

impl Help {
    fn question(self) -> &'static str {
        match self {
            Self::Another => "Another one, or `keep` to leave it as it is",
            Self::LookAgain => "Enter to look again, or `keep` to leave it as it is",
            Self::Either => "Another one, Enter to look again, or `keep` to leave it as it is",
        }
    }

    fn remedy(self, answer: &str) -> Result<Remedy, &'static str> {
        match (self, answer) {
            (_, keep) if keep.eq_ignore_ascii_case("keep") => Ok(Remedy::Keep),
            (Self::LookAgain | Self::Either, "") => Ok(Remedy::LookAgain),
            (Self::Another, "") => Err(NOTHING),
            (Self::LookAgain, _) => Err("that is neither Enter nor `keep`"),
            (Self::Another | Self::Either, another) => Ok(Remedy::Another(Secret::new(another))),
        }
    }
}

const NOTHING: &str = "nothing came; paste it and press Enter";
const UNSEEN: &str = "(what you type is not shown)";

pub(super) struct Terminal {
    /// Nobody is asked.
    quiet: bool,
    is_terminal: bool,
}

impl Terminal {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, is_terminal: std::io::stdin().is_terminal() }
    }

    /// Whether nobody is asked.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What only somebody who is asked needs to read.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            Output::line(text);
        }
    }

    /// A line, or the default.
    pub(super) async fn line(&self, question: &str, default: &str) -> Result<String, Stop> {
        if self.quiet {
            return Ok(default.to_owned());
        }
        Output::prompt(&format!("{question} [{default}]: "));
        let answer = self.read().await?;
        Ok(if answer.is_empty() { default.to_owned() } else { answer })
    }

    /// Choices of a list, by number or name; `several` may be given, separated by commas. Asked until the answer is one.
    pub(super) async fn choose(
        &self,
        choices: &[(&str, &str)],
        default: usize,
        several: bool,
    ) -> Result<Vec<usize>, Stop> {
        if self.quiet {
            return Ok(vec![default]);
        }
        for (n, (_, shown)) in choices.iter().enumerate() {
            Output::line(&format!("  {}  {shown}", n + 1));
        }
        loop {
            let answer = self.line(if several { "Numbers" } else { "Number" }, &(default + 1).to_string()).await?;
            let chosen: Option<Vec<usize>> = answer
                .split(|c: char| c == ',' || c.is_whitespace())
                .filter(|part| !part.is_empty())
                .map(|part| chosen(part, choices))
                .collect();
            match chosen.map(without_doubles) {
                Some(chosen) if chosen.len() == 1 || (several && !chosen.is_empty()) => return Ok(chosen),
                _ if several => Output::line(&format!("numbers from 1 to {}, such as 1,3", choices.len())),
                _ => Output::line(&format!("a number from 1 to {}", choices.len())),
            }
        }
    }

    /// Yes or no.
    pub(super) async fn agrees(&self, question: &str, default: bool) -> Result<bool, Stop> {
        loop {
            let answer = self.line(question, if default { "Y/n" } else { "y/N" }).await?;
            match answer.to_ascii_lowercase().as_str() {
                "y/n" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => Output::line("y or n"),
            }
        }
    }

    /// A secret, typed without being shown; asked until there is one.
    pub(super) async fn secret(&self, asked: &Asked) -> Result<Secret, Stop> {
        let Asked { what, place, flag } = asked;
        if self.quiet {
            return Err(Stop::Usage(format!("{what} is missing\nhint: {flag} names a file that holds it")));
        }
        loop {
            // Before the prompt: whoever pastes at once is not shown either.
            let hidden = Hidden::begin(self.is_terminal);
            Output::prompt(&format!("{what}{place} {UNSEEN}: "));
            let answer = self.read().await?;
            drop(hidden);
            if !answer.is_empty() {
                return Ok(Secret::new(answer));
            }
            Output::line(NOTHING);
        }
    }

    /// Says what is wrong with a secret, and asks what to do about it. Whoever has just typed it types the next one right here:
    /// nothing of the answer is shown.
    pub(super) async fn remedy(&self, wrong: &str, help: Help) -> Result<Remedy, Stop> {
        if self.quiet {
            return Err(Stop::Refused(format!("{wrong}\nhint: --untested writes it all the same")));
        }
        let mut said = wrong;
        loop {
            let hidden = Hidden::begin(self.is_terminal);
            Output::line(said);
            Output::prompt(&format!("{} {UNSEEN}: ", help.question()));
            let answer = self.read().await?;
            drop(hidden);
            match help.remedy(&answer) {
                Ok(remedy) => return Ok(remedy),
                Err(why) => said = why,
            }
        }
    }

    /// One line without the white space around it. Off the runtime's threads, as it may take for ever: whoever is interrupted
    /// does not wait for it.
    async fn read(&self) -> Result<String, Stop> {
        let read = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|bytes| (bytes, line))
        });
        let (bytes, line) = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(Stop::Failed(format!("the answer cannot be read: {error}"))),
            Err(error) => return Err(Stop::Failed(error.to_string())),
        };
        if !self.is_terminal || bytes == 0 {
            Output::line("");
        }
        if bytes == 0 {
            let hint = "give the answers by flags (`caigunn-bridge init --help`), with --yes for the rest";
            return Err(Stop::Usage(format!("the input ended before the last answer\nhint: {hint}")));
        }
        Ok(line.trim().to_owned())
    }
}

fn chosen(answer: &str, choices: &[(&str, &str)]) -> Option<usize> {
    let by_name = || choices.iter().position(|(name, _)| name.eq_ignore_ascii_case(answer));
    match answer.parse::<usize>() {
        Ok(n) => n.checked_sub(1).filter(|n| *n < choices.len()),
        Err(_) => by_name(),
    }
}

fn without_doubles(mut chosen: Vec<usize>) -> Vec<usize> {
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// While it lives, the terminal shows nothing of what is typed but the end of the line.
struct Hidden(Option<Termios>);

impl Hidden {
    fn begin(is_terminal: bool) -> Self {
        let Some(before) = is_terminal.then(|| tcgetattr(std::io::stdin()).ok()).flatten() else { return Self(None) };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        // What was typed ahead is kept: `Flush` would throw it away.
        let hidden = tcsetattr(std::io::stdin(), OptionalActions::Now, &silent).is_ok();
        Self(hidden.then_some(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
            let _ = std::io::stdout().flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Help, Remedy, chosen};

    #[test]
    fn a_choice_is_a_number_or_a_name() {
        let choices = [("telegram", ""), ("discord", ""), ("http", "")];
        for (answer, which) in
            [("1", Some(0)), ("3", Some(2)), ("Discord", Some(1)), ("0", None), ("4", None), ("x", None), ("-1", None)]
        {
            assert_eq!(chosen(answer, &choices), which, "{answer}");
        }
    }
    #[test]
    fn what_cannot_help_is_no_answer() {
        let kind = |help: Help, answer: &str| match help.remedy(answer) {
            Ok(Remedy::Another(secret)) => format!("another: {}", secret.expose()),
            Ok(Remedy::LookAgain) => "again".to_owned(),
            Ok(Remedy::Keep) => "keep".to_owned(),
            Err(_) => "asked again".to_owned(),
        };
        let answers = |help| ["", "Keep", "abc"].map(|answer| kind(help, answer));
        assert_eq!(answers(Help::Another), ["asked again", "keep", "another: abc"]);
        assert_eq!(answers(Help::LookAgain), ["again", "keep", "asked again"]);
        assert_eq!(answers(Help::Either), ["again", "keep", "another: abc"]);
    }
}
