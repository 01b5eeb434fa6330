//! `demo` and `sandbox`, used as their output says.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::process::{Daemon, bare, client};

/// Starts a command and reads what it prints, up to a line that has `last` in it.
fn started(args: &[&str], last: &str) -> (Daemon, Vec<String>) {
    let mut child = bare(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().is_some_and(|line| line.contains(last)) {
            break;
        }
    }
    (Daemon::of(child), lines)
}

/// The words of a line as a shell reads them: plain or in single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Makes the request that a printed curl line would make.
async fn as_curl_does(line: &str) -> Value {
    let words = words(&line[line.find("curl").unwrap()..]);
    let mut words = words.iter().map(String::as_str).skip(1);
    let client = client();
    let (mut url, mut headers, mut data, mut form) = (None, Vec::new(), None, None);
    while let Some(word) = words.next() {
        match word {
            "-s" => {}
            "-H" => headers.push(words.next().unwrap().split_once(": ").unwrap()),
            "-d" => data = words.next(),
            "-F" => {
                let (name, value) = words.next().unwrap().split_once('=').unwrap();
                let (name, form_so_far) = (name.to_owned(), form.take().unwrap_or_else(Form::new));
                form = Some(match value.strip_prefix('@') {
                    None => form_so_far.text(name, value.to_owned()),
                    Some(path) => {
                        form_so_far.part(name, Part::bytes(std::fs::read(path).unwrap()).file_name("picture.png"))
                    }
                });
            }
            word => assert!(url.replace(word).is_none(), "{line}"),
        }
    }
    let mut request = client.post(url.unwrap());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = match (data, form) {
        (Some(data), None) => request.body(data.to_owned()),
        (None, Some(form)) => request.multipart(form),
        _ => panic!("{line}"),
    };
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{line}");
    response.json().await.unwrap()
}

#[tokio::test]
async fn the_printed_lines_work() {
    let (daemon, lines) = started(&["demo", "--listen", "127.0.0.1:0"], "Ctrl-C");
    let line = |what: &str| lines.iter().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{lines:?}"));
    let page = client().get(line("Open").split_whitespace().last().unwrap()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("<textarea"));
    let answer = as_curl_does(line("-d '{")).await;
    assert_eq!(
        (answer["state"].as_str(), answer["text"].as_str()),
        (Some("answered"), Some("Turn 1: you said \"Hello!\""))
    );
    let answer = as_curl_does(line("-F user")).await;
    let told = answer["text"].as_str().unwrap();
    assert!(told.starts_with("Turn 2: you sent a") && told.contains("120"), "{told}");

    let picture =
        words(line("-F user")).into_iter().find_map(|word| word.strip_prefix("images=@").map(PathBuf::from)).unwrap();
    let folder = picture.parent().unwrap();
    assert!(folder.is_dir());
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert!(!folder.exists(), "the demo cleans up behind itself");

    let port = line("-d '{").split(['/', ' ']).find(|part| part.starts_with("127.0.0.1:")).unwrap();
    let printed = lines.join("\n").replace(port, "[addr]").replace(&folder.display().to_string(), "[folder]");
    insta::assert_snapshot!(printed, @r#"
    The bridge runs, with a sandbox in CaiGunn's place.

      Open  http://[addr]/chat

    or copy a line, for a text or a picture:

      curl -s http://[addr]/v1/messages -H 'Authorization: Bearer demo-key-for-this-machine' -H 'Content-Type: application/json' -d '{"user":"you","text":"Hello!"}'

      curl -s http://[addr]/v1/messages -H 'Authorization: Bearer demo-key-for-this-machine' -F user=you -F 'text=What is this?' -F 'images=@[folder]/picture.png'

    Ctrl-C ends it.
    "#);
}

#[tokio::test]
async fn a_demo_with_a_folder_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for turn in 1..=2 {
        let (daemon, lines) = started(&["demo", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()], "Ctrl-C");
        let answer = as_curl_does(lines.iter().find(|line| line.contains("-d '{")).unwrap()).await;
        // Its sandbox is new each time; its store is not.
        assert_eq!(answer["text"], "Turn 1: you said \"Hello!\"", "{turn}");
        daemon.signal("INT");
        assert_eq!(daemon.exit_code().await, 0);
        assert!(data.join("bridge.db").exists());
    }
}

#[tokio::test]
async fn a_sandbox_alone() {
    let args = [
        "sandbox",
        "--listen",
        "127.0.0.1:0",
        "--bot",
        "shop=the-key",
        "--bot",
        "desk=other-key",
        "--access-token",
        "the-token",
    ];
    let (daemon, lines) = started(&args, "sandbox: ");
    let url = lines[0].split(' ').find(|word| word.starts_with("http://")).unwrap().to_owned();
    let client = client();
    let talk = async |key: &str, token: &str| {
        let request = client.post(format!("{url}/api/external/chatbot/talk")).json(&json!({ "text": "hello" }));
        let request = request.header("api-key", key).header("caigunn-access-token", token).header("uid", "u1");
        request.send().await.unwrap()
    };
    assert_eq!(talk("the-key", "the-token").await.json::<Value>().await.unwrap()["text"], "Turn 1: you said \"hello\"");
    assert_eq!(
        talk("other-key", "the-token").await.json::<Value>().await.unwrap()["text"],
        "Turn 1: you said \"hello\""
    );
    assert_eq!(talk("no-key", "the-token").await.status(), 403);
    assert_eq!(talk("the-key", "no-token").await.status(), 401);
    let log: Value = client.get(format!("{url}/_sandbox/log")).send().await.unwrap().json().await.unwrap();
    assert_eq!(log.as_array().unwrap().len(), 4);
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}
