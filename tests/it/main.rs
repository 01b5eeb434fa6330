//! The integration tests, one binary: a module each.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod house;
