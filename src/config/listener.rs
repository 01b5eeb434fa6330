//! What can be said of the listener without judging the rest of the configuration.

use std::net::SocketAddr;

use serde_json::Value;

use super::{
    layers::{Sources, merge},
    mistake::Mistakes,
    server::Server,
};

/// Where a bridge of these sources listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `server.listen`.
    pub addr: SocketAddr,
    /// `server.health`.
    pub health: bool,
}

/// Reads `server.listen` and `server.health`, and nothing else: no secret is opened, and a mistake elsewhere is no mistake here. A
/// running bridge goes on when its file is broken meanwhile, so whoever asks after its health must still find it.
///
/// # Errors
/// When the file cannot be read or is no TOML, or when the address is none.
pub fn listener(sources: &Sources) -> Result<Listener, String> {
    let mut mistakes = Vec::new();
    let Ok(merged) = merge(sources, None, &mut mistakes) else { return Err(Mistakes::sorted(mistakes).to_string()) };
    let default = Server::default();
    let server = merged.tree.get("server");
    let given = |key: &str| server.and_then(|server| server.get(key));
    let addr = match given("listen") {
        None => *default.listen,
        Some(given) => {
            given.as_str().and_then(|text| text.parse().ok()).ok_or("`server.listen` is not an address and a port")?
        }
    };
    let health = match given("health") {
        Some(Value::Bool(on)) => *on,
        // As the environment writes it.
        Some(Value::String(text)) => !matches!(text.to_lowercase().as_str(), "false" | "0" | "no" | "off"),
        _ => default.health,
    };
    Ok(Listener { addr, health })
}

#[cfg(test)]
mod tests {
    use super::{Listener, listener};
    use crate::config::{PREFIX, Sources};

    fn of(file: &str, env: &[(&str, &str)]) -> Result<Listener, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.toml");
        std::fs::write(&path, file).unwrap();
        let env = env.iter().map(|(key, value)| (format!("{PREFIX}{key}").into(), value.into())).collect();
        listener(&Sources { file: Some(path), env, places: Vec::new() })
    }

    #[test]
    fn the_layers_decide_and_the_rest_does_not_matter() {
        let address = |text: &str| text.parse().unwrap();
        let broken = "[channels.web]\nkind = 7\n[bots.main]\napi_key_file = \"/nowhere\"\n";
        assert_eq!(of(broken, &[]), Ok(Listener { addr: address("127.0.0.1:8080"), health: true }));
        let file = "[server]\nlisten = \"0.0.0.0:9000\"\nhealth = false\n";
        assert_eq!(of(file, &[]), Ok(Listener { addr: address("0.0.0.0:9000"), health: false }));
        let env = [("SERVER__LISTEN", "[::]:1"), ("SERVER__HEALTH", "true")];
        assert_eq!(of(file, &env), Ok(Listener { addr: address("[::]:1"), health: true }));
        assert!(of("[server]\nlisten = 7\n", &[]).unwrap_err().contains("server.listen"));
        assert!(of("[server\n", &[]).is_err());
    }
}
