//! The integration tests, one binary: a module each.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod caigunn_client;
mod http_floor;
mod sandbox;
mod house;
