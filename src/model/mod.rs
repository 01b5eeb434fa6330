//! Values that every floor shares. Nothing here does I/O.

pub mod capabilities;
pub mod clock;
pub mod commands;
pub mod contact;
pub mod error;
pub(crate) mod hex;
pub mod ids;
pub mod inbound;
pub mod outbound;
pub mod secret;
pub mod texts;
pub mod turn;
pub mod uid;

pub use capabilities::Capabilities;
pub use clock::{Clock, Timestamp};
pub use contact::{Contact, ContactId, ContactKey, Mode, Scope, Sender};
pub use ids::{BotName, ChannelId, EventKey, MediaId, TurnId};
pub use inbound::{InboundEvent, Incoming, LateEdit, MediaKind, MediaRef, Message};
pub use outbound::{OutboundAction, Rendered, Target};
pub use secret::Secret;
pub use texts::Lang;
pub use turn::{Outcome, Reason, TurnState};
