//! What `--help` says after the options: examples, and what the command ends with. One style for all.

pub(super) const BRIDGE: &str = "\
New here?
  caigunn-bridge demo     the whole bridge on this machine, without an account
  caigunn-bridge init     a few questions, then a configuration of your own
  caigunn-bridge check    what is wrong with it, and what to do

Exit codes:
  0    ended as asked (run: after SIGTERM or SIGINT, with everything finished or handed back)
  1    failed at run time
  2    the command line or the configuration is wrong
  3    the store cannot be used (damaged, newer, in use by another bridge)
  4    check found something wrong, or init a key or token that is refused
  130  stopped at once: by a second signal, or init by Ctrl-C";

pub(super) const RUN: &str = "\
Examples:
  caigunn-bridge run
  caigunn-bridge run --config /etc/caigunn-bridge/bridge.toml
  CAIGUNN_BRIDGE__LOG__FILTER=debug caigunn-bridge run     any key from the environment

Exit codes:
  0    stopped as asked
  1    cannot listen
  2    the configuration is wrong
  3    the store cannot be used
  130  stopped at once by a second signal";

pub(super) const DEMO: &str = "\
Examples:
  caigunn-bridge demo
  caigunn-bridge demo --listen 127.0.0.1:9000 --data ./demo     on another port, and remembering

Exit codes:
  0    stopped as asked
  1    cannot listen
  3    the store cannot be used";

pub(super) const SANDBOX: &str = "\
Examples:
  caigunn-bridge sandbox
  caigunn-bridge sandbox --bot shop=key-1 --bot desk=key-2 --latency-ms 800 --failure-rate 0.05

Exit codes:
  0    stopped as asked
  1    cannot listen
  2    the command line is wrong";

pub(super) const INIT: &str = "\
Examples:
  caigunn-bridge init                                      asks
  caigunn-bridge init --sandbox --channel http --yes       asks nothing: no account, your own site
  caigunn-bridge init --access-token-file token --api-key-file key \\
    --channel telegram --token-file bot --yes              asks nothing: files hold the secrets

What was typed is tried at once, and shown nowhere. Ctrl-C leaves nothing behind.

Exit codes:
  0    written
  1    cannot be written
  2    an answer is missing or the file exists
  4    a key or token is refused
  130  stopped by Ctrl-C";

pub(super) const CHECK: &str = "\
Examples:
  caigunn-bridge check
  caigunn-bridge check --online
  caigunn-bridge check --online --json | jq 'select(.level != \"ok\")'

It may run beside the bridge, and changes nothing.

Exit codes:
  0    nothing is wrong (there may be warnings)
  2    the configuration has mistakes
  4    something else is wrong";

pub(super) const CONFIG: &str = "\
Examples:
  caigunn-bridge config example > bridge.toml
  caigunn-bridge config schema > bridge.schema.json
  caigunn-bridge config show

Exit codes:
  0    printed
  2    the configuration has mistakes";

pub(super) const CONFIG_EXAMPLE: &str = "\
Examples:
  caigunn-bridge config example > bridge.toml

Exit codes:
  0    printed";

pub(super) const CONFIG_SCHEMA: &str = "\
Examples:
  caigunn-bridge config schema > bridge.schema.json

Exit codes:
  0    printed";

pub(super) const CONFIG_SHOW: &str = "\
Examples:
  caigunn-bridge config show
  caigunn-bridge config show --config /etc/caigunn-bridge/bridge.toml

Exit codes:
  0    printed
  2    the configuration has mistakes";

pub(super) const MESSAGES: &str = "\
Examples:
  caigunn-bridge messages list --dead
  caigunn-bridge messages retry --all-dead

They work beside a running bridge, which takes notice within a second or two.

Exit codes:
  0    done
  1    there is no such message
  2    the configuration is wrong
  3    the store cannot be used";

pub(super) const MESSAGES_LIST: &str = "\
Examples:
  caigunn-bridge messages list
  caigunn-bridge messages list --dead --channel telegram --older-than 10m
  caigunn-bridge messages list --json | jq .reason

Exit codes:
  0    listed
  2    the configuration is wrong
  3    the store cannot be used";

pub(super) const MESSAGES_SHOW: &str = "\
Examples:
  caigunn-bridge messages show msg_…

Exit codes:
  0    shown
  1    there is no such message
  2    the configuration is wrong
  3    the store cannot be used";

pub(super) const MESSAGES_RETRY: &str = "\
Examples:
  caigunn-bridge messages retry msg_… out_…
  caigunn-bridge messages retry --all-dead

Exit codes:
  0    done
  1    there is no such message
  2    the configuration is wrong
  3    the store cannot be used";

pub(super) const MESSAGES_DROP: &str = "\
Examples:
  caigunn-bridge messages drop msg_…

Exit codes:
  0    done
  1    there is no such message
  2    the configuration is wrong
  3    the store cannot be used";

pub(super) const COMPLETIONS: &str = "\
Examples:
  caigunn-bridge completions bash > ~/.local/share/bash-completion/completions/caigunn-bridge
  caigunn-bridge completions zsh > ~/.zfunc/_caigunn-bridge
  caigunn-bridge completions fish > ~/.config/fish/completions/caigunn-bridge.fish

Exit codes:
  0    printed
  2    there is no such shell";

pub(super) const MAN: &str = "\
Examples:
  caigunn-bridge man | man -l -
  caigunn-bridge man --dir /usr/local/share/man/man1     a page for each command, too

Exit codes:
  0    done
  1    cannot be written";
