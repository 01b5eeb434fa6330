//! "Typing…" while a turn is worked on, where the channel can show it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::contract::channel::{Channel, Signal};
use crate::model::Target;

/// A turn that ends sooner shows nothing: the answer itself is quicker, and a signal that overtakes it would stay behind.
const NOT_BEFORE: Duration = Duration::from_millis(200);

/// Signals until it is dropped.
pub(crate) struct Typing(Option<JoinHandle<()>>);

impl Typing {
    /// Starts signalling after a moment, and again every `interval`; does nothing where the channel has no such signal.
    pub(crate) fn start(channel: &Arc<dyn Channel>, to: &Target) -> Self {
        let Some(interval) = channel.capabilities().typing else { return Self(None) };
        let (channel, to) = (Arc::clone(channel), to.clone());
        Self(Some(tokio::spawn(async move {
            tokio::time::sleep(NOT_BEFORE).await;
            loop {
                channel.signal(&to, Signal::Typing).await;
                tokio::time::sleep(interval.max(Duration::from_secs(1))).await;
            }
        })))
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}
