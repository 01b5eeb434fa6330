//! The example and the schema, generated from the types.

use caigunn_bridge::config::{Known, example, schema};
use serde_json::{Value, json};

use super::{Case, TEXTS, kinds};

fn text() -> String {
    example(&Known { kinds: &kinds(), texts: &TEXTS })
}

/// The example with the mark of every commented setting removed; prose keeps its space after the mark.
fn uncommented(text: &str) -> String {
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    text.lines().map(|line| if setting(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_a_good_configuration() {
    let loaded = Case::new(&text()).good();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.channels.keys().collect::<Vec<_>>(), ["postbox"]);
    insta::assert_snapshot!(text());
}

#[test]
fn so_it_is_with_every_section_in_force() {
    let all = uncommented(&text());
    let loaded = Case::new(&all).good();
    assert_eq!(loaded.config.channels.len(), 2, "{all}");

    // And with one section at a time.
    let whole = text();
    let sections: Vec<&str> = whole.split("\n\n").collect();
    assert!(sections.len() > 10);
    for chosen in 0..sections.len() {
        let one = |(n, section): (usize, &&str)| if n == chosen { uncommented(section) } else { (*section).to_owned() };
        let text = sections.iter().enumerate().map(one).collect::<Vec<_>>().join("\n\n");
        Case::new(&text).good();
    }
}

#[test]
fn every_key_of_the_example_is_documented() {
    let whole = text();
    let mut before = "";
    // The texts' and the postbox keys' names speak for themselves.
    let named = |line: &&str| !["#busy", "#too_old", "#main"].iter().any(|name| line.starts_with(name));
    for line in whole.lines().filter(named) {
        let setting = line.contains(" = ") && !line.starts_with("# ");
        assert!(!setting || before.starts_with("# "), "{before}\n{line}");
        before = line;
    }
}

#[test]
fn defaults_in_the_example_are_the_defaults() {
    let config = format!("{:?}", Case::new("").good().config.pipeline);
    let example = Case::new(&uncommented(&text())).good().config;
    assert_eq!(format!("{:?}", example.pipeline), config);
    assert_eq!(format!("{:?}", example.server), format!("{:?}", Case::new("").good().config.server));
}

#[test]
fn the_schema_knows_the_kinds_and_the_forms_of_secrets() {
    let schema = schema(&Known { kinds: &kinds(), texts: &TEXTS });
    let channels = schema["properties"]["channels"]["additionalProperties"]["oneOf"].as_array().unwrap();
    let names: Vec<_> = channels.iter().map(|c| c["properties"]["kind"]["const"].as_str().unwrap()).collect();
    assert_eq!(names, ["postbox", "megaphone"]);
    assert_eq!(channels[0]["additionalProperties"], false);
    assert_eq!(channels[0]["properties"]["token_file"]["type"], "string");
    assert!(!channels[0]["required"].as_array().unwrap().contains(&json!("token")), "a form of it will do");
    assert_eq!(channels[0]["allOf"][0]["oneOf"][2], json!({ "required": ["token_env"] }));
    assert_eq!(schema["properties"]["pipeline"]["properties"]["max_in_flight"]["default"], 1024);
    assert_eq!(schema["properties"]["server"]["properties"]["header_timeout"]["default"], "10s");
    assert!(schema["properties"]["texts"]["additionalProperties"]["properties"]["busy"].is_object());
    let described = |s: &Value| s["properties"].as_object().unwrap().iter().all(|(_, p)| p["description"].is_string());
    for section in ["server", "store", "pipeline", "identity", "log"] {
        assert!(described(&schema["properties"][section]), "{section}");
    }
    assert!(!schema.to_string().contains("\"null\""));
}
