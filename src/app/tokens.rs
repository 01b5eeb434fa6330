//! Keeps refreshed access tokens in the store, so that they survive a restart.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::caigunn::{KeepError, KeptToken, TokenKeep};
use crate::contract::Store;
use crate::model::Secret;

const SPACE: &str = "access_token";

pub(crate) struct StoreKeep(pub(crate) Arc<dyn Store>);

#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    descends_from: String,
}

#[async_trait]
impl TokenKeep for StoreKeep {
    async fn load(&self, account: &str) -> Result<Option<KeptToken>, KeepError> {
        let stored = self.0.get(SPACE, account).await.map_err(|error| KeepError(error.to_string()))?;
        let Some(stored) = stored else { return Ok(None) };
        // The value is a secret: the error must not quote it.
        let kept: Kept =
            serde_json::from_str(&stored).map_err(|_| KeepError("the kept token cannot be read".to_owned()))?;
        Ok(Some(KeptToken { token: Secret::new(kept.token), descends_from: kept.descends_from }))
    }

    async fn save(&self, account: &str, token: &KeptToken) -> Result<(), KeepError> {
        let kept = Kept { token: token.token.expose().to_owned(), descends_from: token.descends_from.clone() };
        let text = serde_json::to_string(&kept).map_err(|_| KeepError("the token cannot be written".to_owned()))?;
        self.0.put(SPACE, account, &text).await.map_err(|error| KeepError(error.to_string()))
    }
}
