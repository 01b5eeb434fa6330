//! An event on its way to the store.

use std::time::Duration;

use crate::channels::discord::ingress::kept::Chat;
use crate::channels::discord::ingress::slash::Slip;
use crate::model::Incoming;

/// An event to be stored.
pub(super) struct Live {
    pub(super) incoming: Incoming,
    pub(super) chat: Chat,
    /// The number of its dispatch.
    pub(super) seq: u64,
    /// The command that waits for a sign.
    pub(super) asked: Option<Slip>,
}

/// The first pause when the store takes nothing; it doubles.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);
