//! Opening threads (<https://discord.com/developers/docs/resources/channel#start-thread-from-message>) and direct channels.

use serde_json::Value;

use super::BOT;
use super::errors::Refusal;
use super::form::Form;
use super::people::{deny, kind};
use super::send::{Body, visible};
use super::state::Inner;
use super::wire::Reply;

pub(super) const FIELDS: &[&str] =
    &["name", "auto_archive_duration", "type", "invitable", "rate_limit_per_user", "message", "applied_tags"];

/// In code points.
const MOST_NAME: usize = 100;
const DURATIONS: &[u64] = &[60, 1440, 4320, 10080];

fn name(form: &Form) -> Result<String, Refusal> {
    let name = form.string("name")?.ok_or_else(|| Refusal::required("name"))?;
    if name.trim().is_empty() || name.chars().count() > MOST_NAME {
        return Err(Refusal::bad_length("name", 1, MOST_NAME));
    }
    if form.int("auto_archive_duration")?.is_some_and(|minutes| !DURATIONS.contains(&minutes)) {
        let said = "Value must be one of (60, 1440, 4320, 10080).";
        return Err(Refusal::form("auto_archive_duration", "BASE_TYPE_CHOICES", said));
    }
    Ok(name)
}

fn finish(inner: &mut Inner, form: &Form, mut thread: Value) -> Result<Reply, Refusal> {
    if let Some(minutes) = form.int("auto_archive_duration")? {
        let number = super::state::id(&thread["id"]).unwrap();
        thread["thread_metadata"]["auto_archive_duration"] = minutes.into();
        inner.channels.get_mut(&number).unwrap().json["thread_metadata"] = thread["thread_metadata"].clone();
    }
    thread.as_object_mut().unwrap().remove("newly_created");
    Ok(Reply::Created(thread))
}

pub(super) fn on_message(inner: &mut Inner, channel: u64, message: u64, form: &Form) -> Result<Reply, Refusal> {
    let found = visible(inner, channel)?;
    if !matches!(found.kind(), kind::TEXT | kind::ANNOUNCEMENT) {
        return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
    }
    if inner.denied(found) & deny::CREATE_PUBLIC_THREADS != 0 {
        return Err(Refusal::missing_permissions());
    }
    let name = name(form)?;
    if !inner.messages.get(&channel).is_some_and(|list| list.contains_key(&message)) {
        return Err(Refusal::unknown_message());
    }
    if inner.channels.contains_key(&message) {
        return Err(Refusal::new(400, 160_004, "A thread has already been created for this message"));
    }
    let thread = inner.add_thread(message, channel, BOT, &name, false);
    finish(inner, form, thread)
}

pub(super) fn create(inner: &mut Inner, channel: u64, form: &Form) -> Result<Reply, Refusal> {
    let found = visible(inner, channel)?;
    let forum = found.kind() == kind::FORUM;
    if !forum && !matches!(found.kind(), kind::TEXT | kind::ANNOUNCEMENT) {
        return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
    }
    // Private, unless it is said (<https://discord.com/developers/docs/resources/channel#start-thread-without-message>).
    let private = !forum && form.int("type")?.unwrap_or(kind::PRIVATE_THREAD) == kind::PRIVATE_THREAD;
    let needed = match (forum, private) {
        (true, _) => deny::SEND_MESSAGES,
        (_, true) => deny::CREATE_PRIVATE_THREADS,
        (_, false) => deny::CREATE_PUBLIC_THREADS,
    };
    if inner.denied(found) & needed != 0 {
        return Err(Refusal::missing_permissions());
    }
    let name = name(form)?;
    let first = match form.get("message") {
        _ if !forum => None,
        Some(Value::Object(fields)) => Some(Body::read(inner, "thread", fields, form, 4)?),
        _ => return Err(Refusal::required("message")),
    };
    let number = inner.next_id();
    let thread = inner.add_thread(number, channel, BOT, &name, private);
    if let Some(first) = first {
        inner.post(number, &first, None, None, None);
    }
    finish(inner, form, thread)
}

pub(super) fn join(inner: &mut Inner, thread: u64) -> Result<Reply, Refusal> {
    let found = visible(inner, thread)?;
    if !found.is_thread() {
        return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
    }
    inner.joins_thread(thread, BOT);
    inner.touch();
    Ok(Reply::Empty)
}

pub(super) fn open_dm(inner: &mut Inner, form: &Form) -> Result<Reply, Refusal> {
    let recipient = form.get("recipient_id").ok_or_else(|| Refusal::required("recipient_id"))?;
    let known = super::state::id(recipient).filter(|user| inner.users.contains_key(user) && *user != BOT);
    let user = known.ok_or_else(|| Refusal::new(400, 50033, "Invalid Recipient(s)"))?;
    let channel = inner.direct(user);
    Ok(Reply::Json(inner.channels[&channel].json.clone()))
}
