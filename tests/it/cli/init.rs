//! `init`, as a new user meets it: at a terminal, through a pipe, by flags alone.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use caigunn_bridge::sandbox::{Sandbox, SandboxHandle, SandboxOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::pty::Screen;
use crate::discord::platform as discord;
use crate::support::process::{Daemon, Ran, bare, client, ran, steady_addr};
use crate::support::until;
use crate::telegram::platform as telegram;

/// A new user's folder, and the servers of the platforms.
struct Newcomer {
    home: TempDir,
    tmp: TempDir,
    caigunn: SandboxHandle,
    telegram: telegram::Platform,
    discord: discord::Platform,
}

impl Newcomer {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let caigunn = Sandbox::start(listener, SandboxOptions::default()).await.unwrap();
        let (telegram, discord) = (telegram::Platform::start().await, discord::Platform::start().await);
        Self { home: tempfile::tempdir().unwrap(), tmp: tempfile::tempdir().unwrap(), caigunn, telegram, discord }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// The arguments of `init` with the platforms' addresses, and more.
    fn args(&self, more: &[&str]) -> Vec<String> {
        let urls = [
            ("--caigunn-url", self.caigunn.base_url()),
            ("--telegram-url", self.telegram.url().to_owned()),
            ("--discord-url", self.discord.url().to_owned()),
        ];
        let urls = urls.into_iter().flat_map(|(flag, url)| [flag.to_owned(), url]);
        ["init".to_owned()].into_iter().chain(urls).chain(more.iter().map(|&arg| arg.to_owned())).collect()
    }

    fn at_terminal(&self, more: &[&str]) -> Screen {
        let args = self.args(more);
        Screen::start(self.home(), self.tmp.path(), &args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs a command in the folder.
    async fn runs(&self, args: &[&str]) -> Ran {
        let mut command = bare(args);
        command.current_dir(self.home()).env("HOME", self.home());
        ran(command).await
    }

    /// Runs `init` without anybody at it.
    async fn by_flags(&self, more: &[&str]) -> Ran {
        let args = self.args(more);
        self.runs(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Starts what the interview has configured.
    fn starts(&self, args: &[&str]) -> Daemon {
        let mut command = bare(args);
        command.current_dir(self.home()).env("HOME", self.home()).stdout(Stdio::null()).stderr(Stdio::null());
        Daemon::of(command.spawn().unwrap())
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.home().join(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        self.home().join(name).metadata().unwrap().permissions().mode() & 0o777
    }

    /// What lies in the folder.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.home())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What differs from run to run replaced; no secret is in it.
    fn redacted(&self, text: &str) -> String {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{text}");
        }
        if let Ok(key) = std::fs::read_to_string(self.home().join("bridge.secrets/http_key")) {
            assert!(!text.contains(key.trim()), "{text}");
        }
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        text.replace(env!("CARGO_BIN_EXE_caigunn-bridge"), "[bridge]")
            .replace(&self.home().display().to_string(), "[home]")
            .replace(&host(&self.caigunn.base_url()), "[caigunn]")
            .replace(&host(self.telegram.url()), "[telegram]")
            .replace(&host(self.discord.url()), "[discord]")
    }
}

const TOKEN: &str = "sandbox-token";
const KEY: &str = "sandbox-key";
const SECRETS: [&str; 4] = [
    "mistyped-key",
    "AAFakeTokenOfTheTests_0123456789-abc",
    "token-of-the-tests-0123456789abcdefghij",
    "mistyped-token",
];

/// Waits until a bridge is ready.
async fn ready(addr: &str) {
    let client = client();
    until("the bridge is ready", async || {
        client.get(format!("http://{addr}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}

async fn say(addr: &str, key: &str) -> Value {
    let request = client().post(format!("http://{addr}/v1/messages")).bearer_auth(key.trim());
    let answer = request.json(&json!({ "user": "you", "text": "Hello!" })).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn from_the_first_question_to_the_first_answer() {
    let newcomer = Newcomer::new().await;
    let addr = steady_addr().to_string();
    let mut screen = newcomer.at_terminal(&[]);
    screen.answers("Is there a CaiGunn account", "1").await;
    screen.answers("The access token", TOKEN).await;
    screen.answers("The chatbot's API key", "mistyped-key").await;
    screen.answers("refuses the API key", "").await;
    screen.answers("nothing came", KEY).await;
    screen.shows("ok    CaiGunn accepts both").await;
    screen.answers("Where do people write", "telegram, discord, http").await;
    screen.answers("from @BotFather", "mistyped-token").await;
    screen.answers("is no bot token", "123456789:AAFakeTokenOfTheTests_0123456789-xyz").await;
    screen.answers("Telegram refuses the token", telegram::TOKEN).await;
    screen.shows("Telegram accepts the token: @bridge_test_bot").await;
    screen.answers("developer portal", discord::TOKEN).await;
    screen.shows("Discord accepts the token: bridge_test_bot").await;
    screen.answers("listens on", "8080").await;
    screen.answers("listens on", &addr).await;
    screen.answers("Serve a chat page", "what").await;
    screen.answers("y or n", "no").await;
    screen.answers("The file to write", "").await;
    screen.answers("Where do the keys and tokens go?", "").await;
    let (code, shown) = screen.ends().await;
    let shown = newcomer.redacted(&shown).replace(&addr, "[addr]");
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("0123456789-xyz"), "{shown}");
    insta::assert_snapshot!(shown);

    let config = newcomer.file("bridge.toml");
    insta::assert_snapshot!(newcomer.redacted(&config).replace(&addr, "[addr]"));
    assert_eq!(newcomer.names(), ["bridge.secrets", "bridge.toml"]);
    assert_eq!((newcomer.mode("bridge.toml"), newcomer.mode("bridge.secrets")), (0o600, 0o700));
    for (name, value) in [
        ("access_token", TOKEN),
        ("api_key", KEY),
        ("telegram_token", telegram::TOKEN),
        ("discord_token", discord::TOKEN),
    ] {
        let file = format!("bridge.secrets/{name}");
        assert_eq!((newcomer.file(&file).trim(), newcomer.mode(&file)), (value, 0o600), "{name}");
    }

    // As it said: first the check, then the bridge, then hello.
    let checked = newcomer.runs(&["check", "--online"]).await;
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{}", checked.out);
    let daemon = newcomer.starts(&["run"]);
    ready(&addr).await;
    let answer = say(&addr, &newcomer.file("bridge.secrets/http_key")).await;
    assert_eq!(answer["text"], "Turn 1: you said \"Hello!\"");
    newcomer.telegram.says(7, 7, "Hello");
    until("Telegram has the answer", async || newcomer.telegram.sent_count(7) == 1).await;
    let (ann, channel) = (80_351_110_224_678_912, newcomer.discord.dm(80_351_110_224_678_912));
    until("the bot is on Discord", async || newcomer.discord.connections().len() == 1).await;
    newcomer.discord.tells(ann, "Hello");
    until("Discord has the answer", async || newcomer.discord.sent_count(channel) == 1).await;
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}

#[tokio::test]
async fn without_an_account_the_sandbox_answers() {
    let newcomer = Newcomer::new().await;
    let (sandbox, addr) = (steady_addr().to_string(), steady_addr().to_string());
    let mut screen =
        Screen::start(newcomer.home(), newcomer.tmp.path(), &["init", "--caigunn-url", &format!("http://{sandbox}")]);
    screen.answers("Is there a CaiGunn account", "3").await;
    screen.answers("a number from 1 to 2", "2").await;
    screen.answers("Where do people write", "").await;
    screen.answers("listens on", &addr).await;
    screen.answers("Serve a chat page", "").await;
    screen.answers("The file to write", "here/my bridge.toml").await;
    screen.answers("Where do the keys and tokens go?", "2").await;
    let (code, shown) = screen.ends().await;
    let redacted = |text: &str| newcomer.redacted(text).replace(&addr, "[addr]").replace(&sandbox, "[sandbox]");
    assert_eq!(code, 0, "{shown}");
    insta::assert_snapshot!(redacted(&shown));
    assert_eq!(newcomer.names(), ["here"]);
    let config = newcomer.file("here/my bridge.toml");
    let key = config.lines().find_map(|line| line.strip_prefix("key = ")).unwrap().trim_matches('"').to_owned();
    assert_eq!((key.len(), newcomer.mode("here/my bridge.toml")), (64, 0o600));
    insta::assert_snapshot!(redacted(&config.replace(&key, "[key]")));

    let _sandbox = newcomer.starts(&["sandbox", "--listen", &sandbox]);
    let _bridge = newcomer.starts(&["run", "--config", "here/my bridge.toml"]);
    ready(&addr).await;
    assert_eq!(say(&addr, &key).await["text"], "Turn 1: you said \"Hello!\"");
}

#[tokio::test]
async fn ctrl_c_leaves_nothing_behind() {
    let newcomer = Newcomer::new().await;
    let steps: [&[(&str, &str)]; 4] = [
        &[("Is there a CaiGunn account", "\x03")],
        &[("Is there a CaiGunn account", "1\n"), ("The access token", "half a tok\x03")],
        &[("Is there a CaiGunn account", "2\n"), ("Where do people write", "1\n"), ("from @BotFather", "\x03")],
        &[
            ("Is there a CaiGunn account", "2\n"),
            ("Where do people write", "3\n"),
            ("listens on", "\n"),
            ("Serve a chat page", "\n"),
            ("The file to write", "\n"),
            ("Where do the keys and tokens go?", "\x03"),
        ],
    ];
    for steps in steps {
        let mut screen = newcomer.at_terminal(&[]);
        for (question, typed) in steps {
            screen.shows(question).await;
            screen.asks().await;
            screen.types(typed);
        }
        screen.shows("stopped: nothing was written").await;
        assert!(screen.echoes(), "the terminal is as it was: {steps:?}");
        let (code, shown) = screen.ends().await;
        assert_eq!(code, 130, "{shown}");
        assert!(!shown.contains("half a tok"), "{shown}");
        assert_eq!(newcomer.names(), Vec::<String>::new());
    }
    // While a token is tried, too.
    newcomer.telegram.fails("getMe", None, telegram::Fault::Hang, 1);
    let mut screen = newcomer.at_terminal(&["--sandbox", "--channel", "telegram"]);
    screen.answers("from @BotFather", telegram::TOKEN).await;
    until("Telegram is asked", async || !newcomer.telegram.attempts("getMe").is_empty()).await;
    assert!(newcomer.tmp.path().read_dir().unwrap().count() > 0, "the channel has a store for a moment");
    screen.types("\x03");
    assert_eq!(screen.ends().await.0, 130);
    assert_eq!((newcomer.names(), newcomer.tmp.path().read_dir().unwrap().count()), (Vec::new(), 0));
}

#[tokio::test]
async fn what_is_typed_is_hidden_while_it_is_a_secret() {
    let newcomer = Newcomer::new().await;
    let mut screen = newcomer.at_terminal(&["--channel", "telegram"]);
    assert!(screen.echoes());
    screen.answers("Is there a CaiGunn account", "2").await;
    screen.shows("from @BotFather").await;
    screen.asks().await;
    assert!(!screen.echoes());
    // Nothing is no token.
    screen.types("\n");
    screen.shows("nothing came").await;
    screen.answers("from @BotFather", telegram::TOKEN).await;
    screen.shows("The file to write").await;
    assert!(screen.echoes());

    // Nor is what is pasted after something went wrong.
    let mut screen = newcomer.at_terminal(&["--channel", "telegram"]);
    screen.answers("Is there a CaiGunn account", "1").await;
    screen.answers("The access token", "mistyped-token").await;
    screen.answers("The chatbot's API key", KEY).await;
    screen.shows("refuses the access token").await;
    screen.asks().await;
    assert!(!screen.echoes());
    screen.types(&format!("{TOKEN}\n"));
    screen.shows("ok    CaiGunn accepts both").await;
    assert!(!screen.shown().contains(TOKEN), "{}", screen.shown());
}

#[tokio::test]
async fn while_caigunn_is_away_enter_looks_again() {
    let newcomer = Newcomer::new().await;
    let caigunn = steady_addr();
    let args = ["init", "--caigunn-url", &format!("http://{caigunn}"), "--channel", "http", "--listen", "127.0.0.1:0"];
    let mut screen = Screen::start(newcomer.home(), newcomer.tmp.path(), &args);
    screen.answers("Is there a CaiGunn account", "1").await;
    screen.answers("The access token", TOKEN).await;
    screen.answers("The chatbot's API key", KEY).await;
    screen.answers("does not answer as it should", "").await;
    screen.shows("does not answer as it should").await;
    screen.asks().await;
    let listener = TcpListener::bind(caigunn).await.unwrap();
    let _caigunn = Sandbox::start(listener, SandboxOptions::default()).await.unwrap();
    screen.types("\n");
    screen.shows("ok    CaiGunn accepts both").await;
}

#[tokio::test]
async fn a_file_that_exists_is_not_written_over_unasked() {
    let newcomer = Newcomer::new().await;
    std::fs::write(newcomer.home().join("bridge.toml"), "mine").unwrap();
    let mut screen = newcomer.at_terminal(&["--sandbox", "--channel", "http", "--listen", "127.0.0.1:0"]);
    screen.answers("Serve a chat page", "").await;
    screen.answers("The file to write", "").await;
    screen.answers("bridge.toml exists already", "").await;
    screen.answers("The file to write", "other.toml").await;
    screen.answers("Where do the keys and tokens go?", "files").await;
    assert_eq!(screen.ends().await.0, 0);
    assert_eq!((newcomer.file("bridge.toml").as_str(), newcomer.names().len()), ("mine", 3));

    let flags = ["--sandbox", "--channel", "http", "--yes"];
    let refused = newcomer.by_flags(&flags).await;
    insta::assert_snapshot!(format!("{}exit code {}", refused.err, refused.code), @r"
    bridge.toml exists already
    hint: --force writes over it, --output names another file
    nothing was written
    exit code 2
    ");
    assert_eq!(newcomer.file("bridge.toml"), "mine");

    let mut screen = newcomer.at_terminal(&["--sandbox", "--channel", "http", "--listen", "127.0.0.1:0"]);
    screen.answers("Serve a chat page", "").await;
    screen.answers("The file to write", "bridge.toml").await;
    screen.answers("bridge.toml exists already", "overwrite").await;
    screen.answers("Where do the keys and tokens go?", "inline").await;
    let (code, shown) = screen.ends().await;
    assert_eq!(code, 0, "{shown}");
    assert!(newcomer.file("bridge.toml").contains("kind = \"http\""));

    let forced = newcomer.by_flags(&["--sandbox", "--channel", "http", "--yes", "--force"]).await;
    assert_eq!((forced.code, forced.err.as_str()), (0, ""));
    assert!(newcomer.file("bridge.toml").contains("key_file ="));
}

#[tokio::test]
async fn the_answers_may_come_through_a_pipe() {
    let newcomer = Newcomer::new().await;
    let piped = async |answers: &str| {
        let mut command = bare(&newcomer.args(&[]).iter().map(String::as_str).collect::<Vec<_>>());
        command.current_dir(newcomer.home()).env("HOME", newcomer.home());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    };
    let ended = piped(&format!("1\n{TOKEN}\n")).await;
    insta::assert_snapshot!(format!("{}exit code {}", ended.err, ended.code), @r"
    the input ended before the last answer
    hint: give the answers by flags (`caigunn-bridge init --help`), with --yes for the rest
    nothing was written
    exit code 2
    ");
    assert_eq!(newcomer.names(), Vec::<String>::new());
    let ended = piped(&format!("1\n{TOKEN}\n{KEY}\n3\n127.0.0.1:0\ny\nbridge.toml\n2\n")).await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert!(!newcomer.redacted(&ended.out).contains(KEY), "{}", ended.out);
    assert!(newcomer.file("bridge.toml").contains(&format!("api_key = \"{KEY}\"")));
}

#[tokio::test]
async fn flags_alone() {
    let newcomer = Newcomer::new().await;
    let write = |name: &str, text: &str| std::fs::write(newcomer.home().join(name), format!("{text}\n")).unwrap();
    write("token", TOKEN);
    write("key", KEY);
    write("wrong", "mistyped-key");
    write("bot", telegram::TOKEN);
    let account = ["--access-token-file", "token", "--api-key-file", "key", "--yes"];
    let said = |ran: Ran| newcomer.redacted(&format!("{}{}exit code {}", ran.out, ran.err, ran.code));

    let missing = newcomer.by_flags(&["--access-token-file", "token", "--yes"]).await;
    insta::assert_snapshot!(said(missing), @r"
    The chatbot's API key is missing
    hint: --api-key-file FILE names a file that holds it
    nothing was written
    exit code 2
    ");
    let missing = newcomer.by_flags(&[&account[..], &["--channel", "telegram"]].concat()).await;
    insta::assert_snapshot!(said(missing), @r"
    The Telegram bot's token is missing
    hint: --token-file telegram=FILE names a file that holds it
    nothing was written
    exit code 2
    ");
    let ambiguous = [&account[..], &["--channel", "telegram", "--channel", "discord", "--token-file", "bot"]].concat();
    let ambiguous = newcomer.by_flags(&ambiguous).await;
    insta::assert_snapshot!(said(ambiguous), @r"
    --token-file bot does not say which channel it is for
    hint: write --token-file telegram=FILE or discord=FILE, and --channel for each channel
    nothing was written
    exit code 2
    ");
    let unused =
        newcomer.by_flags(&[&account[..], &["--channel", "http", "--token-file", "telegram=bot"]].concat()).await;
    insta::assert_snapshot!(said(unused), @r"
    --token-file telegram=bot is for Telegram, which is none of the channels
    hint: write --token-file telegram=FILE or discord=FILE, and --channel for each channel
    nothing was written
    exit code 2
    ");
    let nowhere = newcomer.by_flags(&["--access-token-file", "nowhere", "--api-key-file", "key", "--yes"]).await;
    insta::assert_snapshot!(said(nowhere), @r"
    nowhere does not exist
    hint: --access-token-file FILE names a file that holds the secret
    nothing was written
    exit code 2
    ");
    let wrong = ["--access-token-file", "token", "--api-key-file", "wrong", "--yes"];
    let refused = newcomer.by_flags(&wrong).await;
    insta::assert_snapshot!(said(refused), @r"
    WRONG CaiGunn refuses the API key: HTTP 403 from [caigunn] (API key refused): The api key is not valid.
          hint: copy the whole of it from the chatbot's settings; it must be of a chatbot of this account
    hint: --untested writes it all the same
    nothing was written
    exit code 4
    ");
    assert_eq!(newcomer.names(), ["bot", "key", "token", "wrong"]);
    let kept = newcomer.by_flags(&[&wrong[..], &["--untested", "--output", "kept.toml"]].concat()).await;
    assert_eq!((kept.code, kept.err.as_str()), (0, ""));

    let done = {
        let channel = ["--channel", "telegram", "--token-file", "bot", "--listen", "127.0.0.1:0"];
        newcomer.by_flags(&[&account[..], &channel].concat()).await
    };
    insta::assert_snapshot!(said(done), @r"
    Written: bridge.toml

    Next:
      [bridge] check --online
      [bridge] run
    exit code 0
    ");
    insta::assert_snapshot!("flags_alone", newcomer.redacted(&newcomer.file("bridge.toml")));
    assert!(!newcomer.names().contains(&"bridge.secrets".to_owned()), "every secret is in a file already");
    let checked = newcomer.runs(&["check", "--online"]).await;
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{}", checked.out);
}

#[tokio::test]
async fn nobody_is_given_a_chat_page_unasked_and_the_language_is_the_users() {
    let newcomer = Newcomer::new().await;
    let written = async |listen: &str, locale: &str| {
        let mut command = bare(&["init", "--sandbox", "--channel", "http", "--yes", "--force", "--listen", listen]);
        command.current_dir(newcomer.home()).env("HOME", newcomer.home()).env("LC_MESSAGES", "").env("LANG", locale);
        assert_eq!(ran(command).await.code, 0);
        let config: toml::Table = newcomer.file("bridge.toml").parse().unwrap();
        let of = |key: &str| config["channels"]["web"].get(key).map(ToString::to_string).unwrap_or_default();
        [of("playground"), of("language")]
    };
    assert_eq!(written("127.0.0.1:0", "zh_TW.UTF-8").await, ["", "\"zh-TW\""]);
    assert_eq!(written("[::1]:0", "C.UTF-8").await, ["", ""]);
    assert_eq!(written("0.0.0.0:0", "en_GB.UTF-8").await, ["", ""]);
}

#[tokio::test]
async fn a_token_that_has_expired_is_renewed_and_the_new_one_is_written() {
    let newcomer = Newcomer::new().await;
    let write = |name: &str, text: &str| std::fs::write(newcomer.home().join(name), text).unwrap();
    write("token", TOKEN);
    write("key", KEY);
    newcomer.caigunn.expire_token();
    let done = {
        let flags = ["--access-token-file", "token", "--api-key-file", "key", "--listen", "127.0.0.1:0", "--yes"];
        newcomer.by_flags(&flags).await
    };
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_ne!(newcomer.file("bridge.secrets/access_token").trim(), TOKEN);
    let checked = newcomer.runs(&["check", "--online"]).await;
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{}", checked.out);
}

#[tokio::test]
async fn what_does_not_answer_is_looked_at_again_or_kept() {
    let newcomer = Newcomer::new().await;
    newcomer.telegram.set_token("1:another-token-than-that-0123456789");
    let mut screen = newcomer.at_terminal(&["--sandbox", "--channel", "telegram", "--listen", "127.0.0.1:0"]);
    screen.answers("from @BotFather", telegram::TOKEN).await;
    screen.answers("Telegram refuses the token", "keep").await;
    screen.answers("The file to write", "").await;
    screen.answers("Where do the keys and tokens go?", "").await;
    assert_eq!(screen.ends().await.0, 0);
    newcomer.discord.grants_message_content(false);
    let mut screen =
        newcomer.at_terminal(&["--sandbox", "--channel", "discord", "--listen", "127.0.0.1:0", "--output", "two.toml"]);
    screen.answers("developer portal", discord::TOKEN).await;
    screen.shows("the Message Content intent is off").await;
    newcomer.discord.grants_message_content(true);
    // Another token is no help here, and what is pasted all the same is not shown.
    screen.answers("Enter to look again", "mistyped-token").await;
    screen.answers("that is neither", "").await;
    screen.shows("the Message Content intent is on").await;
    screen.answers("Where do the keys and tokens go?", "").await;
    let (code, shown) = screen.ends().await;
    assert_eq!(code, 0);
    newcomer.redacted(&shown);
}
