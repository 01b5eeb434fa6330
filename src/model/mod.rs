//! Values that every floor shares. Nothing here does I/O.

pub mod secret;

pub use secret::Secret;
