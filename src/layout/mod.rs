//! How a text is laid out, whatever the platform: bold beside Chinese punctuation, tables, and where a text that is too long may
//! be cut.

pub mod cjk;
pub mod cut;
pub mod table;
