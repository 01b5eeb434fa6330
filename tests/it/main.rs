//! The integration tests, one binary: a module each.

mod config;
mod generated;
