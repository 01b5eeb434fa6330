//! What every HTTP surface shares: the server with its limits, errors as problem+json, and bearer keys; and
//! what clients of platforms' APIs share; and the fetch of what strangers name.

pub mod address;
pub mod auth;
pub mod body;
pub mod client;
pub mod fetch;
pub mod problem;
pub mod server;
mod socket;

pub use auth::BearerKeys;
pub use body::{JsonBody, Object};
pub use problem::Problem;
pub use server::{Connection, Mounted, ServerLimits, serve};
