//! How a text is laid out, whatever the platform: tables, and where a text that is too long may be cut.

pub mod cut;
pub mod table;
