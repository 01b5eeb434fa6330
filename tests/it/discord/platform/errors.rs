//! Refusals as Discord writes them (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>).

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
    /// Of a 429: seconds, whether it is about everything, and whose limit it is.
    pub(super) rest: Option<(f64, &'static str)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: u64, message: &str) -> Self {
        Self { status, body: json!({ "message": message, "code": code }), rest: None }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, 0, "404: Not Found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, 0, "405: Method Not Allowed")
    }

    pub(super) fn unknown_channel() -> Self {
        Self::new(404, 10003, "Unknown Channel")
    }

    pub(super) fn unknown_guild() -> Self {
        Self::new(404, 10004, "Unknown Guild")
    }

    pub(super) fn unknown_message() -> Self {
        Self::new(404, 10008, "Unknown Message")
    }

    pub(super) fn unknown_webhook() -> Self {
        Self::new(404, 10015, "Unknown Webhook")
    }

    pub(super) fn unknown_interaction() -> Self {
        Self::new(404, 10062, "Unknown interaction")
    }

    pub(super) fn unknown_command() -> Self {
        Self::new(404, 10063, "Unknown application command")
    }

    pub(super) fn missing_access() -> Self {
        Self::new(403, 50001, "Missing Access")
    }

    pub(super) fn not_ours() -> Self {
        Self::new(403, 50005, "Cannot edit a message authored by another user")
    }

    pub(super) fn empty_message() -> Self {
        Self::new(400, 50006, "Cannot send an empty message")
    }

    pub(super) fn cannot_tell_user() -> Self {
        Self::new(403, 50007, "Cannot send messages to this user")
    }

    pub(super) fn not_text() -> Self {
        Self::new(400, 50008, "Cannot send messages in a non-text channel")
    }

    pub(super) fn missing_permissions() -> Self {
        Self::new(403, 50013, "Missing Permissions")
    }

    pub(super) fn invalid_token() -> Self {
        Self::new(401, 50027, "Invalid Webhook Token")
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, 40005, "Request entity too large")
    }

    pub(super) fn already_acknowledged() -> Self {
        Self::new(400, 40060, "Interaction has already been acknowledged.")
    }

    pub(super) fn bad_json() -> Self {
        Self::new(400, 50109, "The request body contains invalid JSON.")
    }

    /// One field is wrong: `errors` is a tree, whose branches are the field's path
    /// (<https://discord.com/developers/docs/reference#error-messages>).
    pub(super) fn form(path: &str, code: &str, message: &str) -> Self {
        let leaf = json!({ "_errors": [{ "code": code, "message": message }] });
        let errors = path.rsplit('.').fold(leaf, |inner, name| json!({ name: inner }));
        let mut refusal = Self::new(400, 50035, "Invalid Form Body");
        refusal.body["errors"] = errors;
        refusal
    }

    pub(super) fn too_long(path: &str, most: usize) -> Self {
        Self::form(path, "BASE_TYPE_MAX_LENGTH", &format!("Must be {most} or fewer in length."))
    }

    pub(super) fn bad_length(path: &str, least: usize, most: usize) -> Self {
        Self::form(path, "BASE_TYPE_BAD_LENGTH", &format!("Must be between {least} and {most} in length."))
    }

    pub(super) fn required(path: &str) -> Self {
        Self::form(path, "BASE_TYPE_REQUIRED", "This field is required")
    }

    pub(super) fn wrong_type(path: &str, wanted: &str) -> Self {
        Self::form(path, "BASE_TYPE_COERCE", &format!("Could not interpret \"{path}\" as {wanted}."))
    }

    pub(super) fn rest(seconds: f64, scope: &'static str) -> Self {
        let global = scope == "global";
        let message =
            if scope == "shared" { "The resource is being rate limited." } else { "You are being rate limited." };
        let body = json!({ "message": message, "retry_after": seconds, "global": global });
        Self { status: 429, body, rest: Some((seconds, scope)) }
    }
}
