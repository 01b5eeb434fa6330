//! The integration tests, one binary: a module each.

mod http_floor;
