//! What channels and stores promise to the pipeline, and the only door in.

pub mod access;
pub mod channel;
pub(crate) mod groups;
pub mod inbox;
pub mod outbox;
pub mod store;

pub use access::{Access, Standing};
pub use channel::{
    Channel, ChannelContext, ChannelState, FetchError, Finding, Ingress, Listener, Parsed, Registration, Routes,
    SendError, SendReceipt, Signal, StateReporter,
};
pub use inbox::{InboxWriter, Receipt};
pub use outbox::OutboundWriter;
pub use store::{ClaimToken, Store, StoreError};
