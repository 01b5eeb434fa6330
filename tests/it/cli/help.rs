//! `--help` of every command, and what is generated: the example and the schema.

use serde_json::Value;

use super::{place, redacted};
use crate::support::process::{bare, ran};
use crate::support::{KEY, OTHER_KEY};

const COMMANDS: [&str; 18] = [
    "",
    "demo",
    "init",
    "check",
    "run",
    "healthcheck",
    "sandbox",
    "completions",
    "man",
    "config",
    "config example",
    "config schema",
    "config show",
    "messages",
    "messages list",
    "messages show",
    "messages retry",
    "messages drop",
];

#[tokio::test]
async fn every_command_has_help() {
    let mut all = String::new();
    for command in COMMANDS {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = ran(bare(&args)).await;
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{command}");
        all.push_str(&format!("$ caigunn-bridge {}\n{}\n", args.join(" "), help.out));
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn a_wrong_command_line_is_explained() {
    for args in [
        &["rnu"][..],
        &[],
        &["messages", "retry"],
        &["messages", "drop"],
        &["sandbox", "--bot", "x"],
        &["sandbox", "--failure-rate", "7"],
    ] {
        let refused = ran(bare(args)).await;
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{args:?}: {}", refused.err);
        assert!(
            refused.err.contains("Usage: ") || refused.err.contains("For more information"),
            "{args:?}: {}",
            refused.err
        );
    }
}

#[tokio::test]
async fn the_example_and_the_schema_are_those_of_the_repository() {
    let stored = |name: &str| std::fs::read_to_string(format!("{}/config/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let example = ran(bare(&["config", "example"])).await;
    assert!(example.code == 0 && example.out == stored("bridge.example.toml"), "{}", example.out);
    let schema = ran(bare(&["config", "schema"])).await;
    assert!(schema.code == 0 && schema.out == stored("bridge.schema.json"), "{}", schema.out);
    serde_json::from_str::<Value>(&schema.out).unwrap();
}

#[tokio::test]
async fn the_configuration_in_force_is_shown_without_its_secrets() {
    let place = place().await;
    let file = place.folder().join("bridge.toml");
    std::fs::write(&file, "[log]\nfilter = \"debug\"\n").unwrap();
    let shown = place.run(&["config", "show", "--config", "bridge.toml"]).await;
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    for secret in [KEY, OTHER_KEY, "sandbox-token", "sandbox-key"] {
        assert!(!shown.out.contains(secret), "{}", shown.out);
    }
    insta::assert_snapshot!(redacted(&place, &shown.out));
}
