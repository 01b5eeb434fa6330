//! The bridge's own pages: health, readiness, metrics.

pub mod health;
pub mod metrics;

pub use health::{Health, HealthSource, ReloadHealth};
