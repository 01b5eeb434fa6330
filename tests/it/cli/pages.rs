//! `completions` and `man`, and what a stranger sees first.

use std::process::{Command, Stdio};

use crate::support::process::{bare, ran};

#[tokio::test]
async fn a_stranger_is_led_to_the_first_steps() {
    let first = ran(bare(&[])).await;
    assert_eq!((first.code, first.out.as_str()), (2, ""));
    for command in ["caigunn-bridge demo", "caigunn-bridge init"] {
        assert!(first.err.contains(command), "{}", first.err);
    }
}

#[tokio::test]
async fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = ran(bare(&["completions", shell])).await;
        assert_eq!((script.code, script.err.as_str()), (0, ""), "{shell}");
        for word in ["messages", "retry", "older-than", "init"] {
            assert!(script.out.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(ran(bare(&["completions", "abacus"])).await.code, 2);
    // A shell that is there reads it.
    let script = ran(bare(&["completions", "bash"])).await.out;
    let mut bash = Command::new("bash");
    bash.args(["-c", "source /dev/stdin && complete -p caigunn-bridge"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut bash) = bash.spawn() else { return };
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("complete"), "{output:?}");
}

#[tokio::test]
async fn the_manual_page() {
    let page = ran(bare(&["man"])).await;
    assert_eq!((page.code, page.err.as_str()), (0, ""));
    assert!(page.out.contains(".TH caigunn-bridge 1") && page.out.contains("Exit codes"), "{}", page.out);
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("share/man1");
    let written = ran(bare(&["man", "--dir", pages.to_str().unwrap()])).await;
    assert_eq!((written.code, written.out.as_str(), written.err.as_str()), (0, "", ""));
    for name in ["caigunn-bridge", "caigunn-bridge-check", "caigunn-bridge-messages-retry"] {
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{name}");
    }
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(ran(bare(&["man", "--dir", dir.path().join("file").to_str().unwrap()])).await.code, 1);
}
