//! `[server]`: the HTTP listener that every HTTP surface shares.

use std::{fmt, net::SocketAddr, ops::Deref};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, HumanDuration};

/// The HTTP listener: the HTTP channel, webhooks, health and metrics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on. Port 0 takes any free port.
    pub listen: ListenAddress,
    /// Time a client has to send its request's headers.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub header_timeout: HumanDuration,
    /// Largest request head (request line and headers).
    #[schemars(extend("x-minimum" = "8KiB", "x-maximum" = "1MiB"))]
    pub max_header_bytes: ByteSize,
    /// Largest request body. Pictures arrive base64-coded in JSON, one third larger than the file.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"))]
    pub max_body: ByteSize,
    /// Open connections at once; further ones wait to be accepted.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: u32,
    /// After SIGTERM: time to finish or hand back what is in flight before the process exits.
    #[schemars(extend("x-maximum" = "1h"))]
    pub grace_period: HumanDuration,
    /// Serve `/healthz` and `/readyz` on this listener.
    pub health: bool,
    /// Serve `/metrics` (Prometheus) on this listener. Turn it off where the listener faces the internet.
    pub metrics: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: ListenAddress(SocketAddr::from(([127, 0, 0, 1], 8080))),
            header_timeout: HumanDuration::from_secs(10),
            max_header_bytes: ByteSize::kib(64),
            max_body: ByteSize::mib(25),
            max_connections: 10_000,
            grace_period: HumanDuration::from_secs(20),
            health: true,
            metrics: true,
        }
    }
}

/// The JSON schema `format` of a [`ListenAddress`].
pub(super) const ADDRESS_FORMAT: &str = "ip-and-port";

/// An IP address and a port, `127.0.0.1:8080` or `[::]:8080`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListenAddress(pub SocketAddr);

impl Deref for ListenAddress {
    type Target = SocketAddr;

    fn deref(&self) -> &SocketAddr {
        &self.0
    }
}

impl fmt::Debug for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": ADDRESS_FORMAT })
    }
}
