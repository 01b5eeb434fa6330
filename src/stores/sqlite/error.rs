//! What SQLite's errors mean to the contract.

use rusqlite::ErrorCode;

use crate::contract::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error;
        match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Unusable(format!(
                    "the database is damaged: {error}\nhint: stop the bridge, keep the file, and restore it from a backup"
                )),
                _ => Self::Unavailable(error.to_string()),
            },
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Whether the caller is told no and nothing was written, so that the rest of a batch may be committed.
pub(super) fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::LeaseLost | StoreError::Changed | StoreError::NotFound(_) | StoreError::MediaFull { .. }
    )
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}
