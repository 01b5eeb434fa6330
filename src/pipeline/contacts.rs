//! Contacts in memory, in front of the store. A stale entry does no harm: `begin_ask` checks it.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::contract::store::{Result, Store, StoreError};
use crate::model::{Contact, ContactId};

/// Bounded by number; forgotten after a while without use.
pub struct ContactCache {
    cache: Cache<ContactId, Arc<Contact>>,
    store: Arc<dyn Store>,
}

impl ContactCache {
    pub fn new(store: Arc<dyn Store>, capacity: u64) -> Self {
        let cache = Cache::builder().max_capacity(capacity).time_to_idle(Duration::from_secs(15 * 60)).build();
        Self { cache, store }
    }

    pub async fn get(&self, id: ContactId) -> Result<Arc<Contact>> {
        if let Some(contact) = self.cache.get(&id).await {
            metrics::counter!("bridge_contact_cache_total", "result" => "hit").increment(1);
            return Ok(contact);
        }
        metrics::counter!("bridge_contact_cache_total", "result" => "miss").increment(1);
        let contact = self.store.contact(id).await?.ok_or(StoreError::NotFound("such contact"))?;
        self.cache.insert(id, Arc::clone(&contact)).await;
        Ok(contact)
    }

    /// Takes what a commit has just returned.
    pub async fn put(&self, contact: Arc<Contact>) {
        // Every message brings its contact, seldom a changed one; a look costs a fraction of an insertion.
        if self.cache.get(&contact.id).await.is_none_or(|known| known != contact) {
            self.cache.insert(contact.id, contact).await;
        }
    }

    pub fn len(&self) -> u64 {
        self.cache.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
