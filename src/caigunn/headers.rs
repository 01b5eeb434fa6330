//! The headers of a call: their names, and values that every server reads in the same way.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::{Error, ErrorKind};
use crate::model::Secret;

pub(super) static TOKEN: HeaderName = HeaderName::from_static("caigunn-access-token");
pub(super) static KEY: HeaderName = HeaderName::from_static("api-key");
pub(super) static UID: HeaderName = HeaderName::from_static("uid");

pub(super) fn insert(headers: &mut HeaderMap, name: &HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name.clone(), value.clone());
    }
}

/// A header value that is never shown; the error names the field, not the value.
pub(super) fn secret_header(call: &'static str, field: &str, secret: &Secret) -> Result<HeaderValue, Error> {
    let mut value = plain_header(call, field, secret.expose())?;
    value.set_sensitive(true);
    Ok(value)
}

/// `HeaderValue` itself would let bytes beyond ASCII through, which servers read in their own ways, and spaces at the ends,
/// which they drop: two uids could become one.
pub(super) fn plain_header(call: &'static str, field: &str, value: &str) -> Result<HeaderValue, Error> {
    let problem = if value.is_empty() {
        "is empty"
    } else if value.trim() != value {
        "begins or ends with white space"
    } else if let (true, Ok(header)) = (value.is_ascii(), HeaderValue::from_str(value)) {
        return Ok(header);
    } else {
        "has characters that an HTTP header cannot hold"
    };
    Err(Error::local(call, ErrorKind::InvalidInput, format!("the {field} {problem}")))
}
