//! The error catalogue: what the HTTP API and the command line answer with. A code never changes its meaning.

/// One entry: a stable code, the HTTP status it goes with, a title, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEntry {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    pub hint: &'static str,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal, $hint:literal;)*) => {
        $($(#[$doc])* pub const $name: ErrorEntry = ErrorEntry { code: $code, status: $status, title: $title, hint: $hint };)*

        pub const CATALOGUE: &[ErrorEntry] = &[$($name),*];
    };
}

catalogue! {
    BAD_REQUEST = "bad_request", 400, "The request could not be read", "Compare the body with the API reference.";
    UNAUTHORIZED = "unauthorized", 401, "A valid API key is needed", "Send `Authorization: Bearer <key>` with a key from the channel's `keys`.";
    SESSION_EXPIRED = "session_expired", 401, "The session token has expired", "Ask your site for another one.";
    NOT_ALLOWED = "not_allowed", 403, "This is not allowed", "See the channel's `access` in the bridge's configuration.";
    NOT_FOUND = "not_found", 404, "There is no such resource", "Check the path, and that the id belongs to this API key.";
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "The method is not allowed here", "See the `Allow` header.";
    IN_PROGRESS = "in_progress", 409, "A request with this Idempotency-Key is still in progress", "Ask again after `Retry-After`, or read the `Location`.";
    TOO_LARGE = "too_large", 413, "The request is too large", "Send fewer or smaller images; the limit is in `detail`.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415, "The content type is not supported", "Send application/json or multipart/form-data.";
    INVALID = "invalid", 422, "A field is not valid", "See `detail` for the field.";
    KEY_REUSED = "idempotency_key_reused", 422, "This Idempotency-Key was used with another content", "Use a new key for a new message.";
    RATE_LIMITED = "rate_limited", 429, "Too many requests", "Slow down; ask again after `Retry-After`.";
    TOO_MANY_PENDING = "too_many_pending", 429, "Too many messages of this conversation are waiting", "Wait for answers before you send more.";
    HEADERS_TOO_LARGE = "headers_too_large", 431, "The request's headers are too large", "Send fewer or shorter headers.";
    INTERNAL = "internal", 500, "Something went wrong in the bridge", "The log has the details under the request's id.";
    UNAVAILABLE = "unavailable", 503, "The bridge cannot take the message now", "Nothing was stored; ask again after `Retry-After`.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::CATALOGUE;

    #[test]
    fn codes_are_unique_and_hints_are_sentences() {
        let codes: HashSet<_> = CATALOGUE.iter().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), CATALOGUE.len());
        assert!(CATALOGUE.iter().all(|entry| entry.hint.ends_with('.') && (400..600).contains(&entry.status)));
    }
}
