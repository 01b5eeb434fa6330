//! What is kept beside the work: contacts, leases, media, small values.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::contract::store::{ClaimToken, Result};
use crate::model::{ChannelId, Contact, ContactId, ContactKey, MediaId, Mode};

#[async_trait]
pub trait Contacts: Send + Sync {
    async fn contact(&self, id: ContactId) -> Result<Option<Arc<Contact>>>;

    async fn contact_by_key(&self, channel: &ChannelId, key: &ContactKey) -> Result<Option<Arc<Contact>>>;

    /// The contact of any channel whose uid this is, its present one or that of its first generation; with its channel.
    async fn contact_by_uid(&self, uid: &str) -> Result<Option<(ChannelId, Arc<Contact>)>>;

    async fn set_mode(&self, id: ContactId, mode: Mode) -> Result<Arc<Contact>>;
}

#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes or renews the lease `name` for `holder`. `None` while somebody else holds it. A renewal keeps the token; a
    /// taking gets a larger one than any before.
    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<ClaimToken>>;

    /// Ends the lease if it is still this token's. What it had claimed is runnable at once.
    async fn release(&self, name: &str, token: ClaimToken) -> Result<()>;
}

#[async_trait]
pub trait Media: Send + Sync {
    /// Keeps the bytes; durable when it returns. What no event names is removed after an hour.
    async fn put_media(&self, bytes: Bytes) -> Result<MediaId>;

    async fn media(&self, id: MediaId) -> Result<Bytes>;
}

#[async_trait]
pub trait Kv: Send + Sync {
    async fn get(&self, space: &str, key: &str) -> Result<Option<String>>;
    async fn put(&self, space: &str, key: &str, value: &str) -> Result<()>;
    async fn remove(&self, space: &str, key: &str) -> Result<()>;
}
