//! The servers themselves, with plain clients.
