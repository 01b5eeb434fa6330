//! The integration tests, one binary: a module each.

mod caigunn_client;
mod http_floor;
