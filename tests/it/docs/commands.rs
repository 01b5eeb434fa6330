//! Command lines.

use std::collections::BTreeSet;

use caigunn_bridge::cli;

use super::pages::pages;

/// What precedes our own command line: the program itself, a build of it, a container that runs it.
const WAYS: [&str; 4] =
    ["target/release/caigunn-bridge ", "docker exec bridge caigunn-bridge ", "cargo run -- ", "caigunn-bridge "];

/// The command lines of a text: what follows the program's name, up to what the shell takes.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let whole = text.replace("\\\n", " ");
    let ours = |line: &str| {
        let line = line.trim().trim_start_matches("$ ");
        // `sudo`, and variables that are set for the one command.
        let line = WAYS.iter().find_map(|way| {
            let at = line.find(way)?;
            let before = &line[..at];
            let plain = before.split_whitespace().all(|word| word == "sudo" || word == "env" || word.contains('='));
            plain.then(|| &line[at + way.len()..])
        })?;
        let line = line.split(" #").next().unwrap_or(line);
        let line = line.split(['|', '>', ';', '&']).next().unwrap_or(line);
        Some(line.split_whitespace().map(str::to_owned).collect())
    };
    whole.lines().filter_map(ours).collect()
}

#[test]
fn command_lines_are_found() {
    let found = |text: &str| command_lines(text).iter().map(|words| words.join(" ")).collect::<Vec<_>>();
    assert_eq!(found("caigunn-bridge run"), ["run"]);
    assert_eq!(found("sudo env A=b \\\n  caigunn-bridge messages list --dead   # or --all"), ["messages list --dead"]);
    assert_eq!(found("docker exec bridge caigunn-bridge check --online | less"), ["check --online"]);
    assert_eq!(found("cargo run -- demo"), ["demo"]);
    assert!(found("sudo systemctl status caigunn-bridge\ncd caigunn-bridge && make").is_empty());
}

#[test]
fn every_command_line_is_one_of_ours() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for page in pages() {
        let shell = page.blocks().into_iter().filter(|block| matches!(block.info.as_str(), "sh" | "console"));
        let texts = shell.map(|block| block.text).chain(page.inline());
        for words in texts.flat_map(|text| command_lines(&text)) {
            let first = words.first().cloned().unwrap_or_default();
            seen.insert(first.clone());
            // `--help` ends the parsing like an error, and so do usage errors.
            let parsed = cli::command().try_get_matches_from([&["caigunn-bridge".to_owned()], &words[..]].concat());
            if let Err(error) = parsed
                && error.use_stderr()
            {
                wrong.push(format!("{}: caigunn-bridge {}\n{error}", page.shown(), words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for command in ["run", "demo", "check", "messages", "healthcheck"] {
        assert!(seen.contains(command), "no page shows `caigunn-bridge {command}`: {seen:?}");
    }
}
