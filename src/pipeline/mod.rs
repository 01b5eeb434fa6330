//! (in the making)

pub mod images;
