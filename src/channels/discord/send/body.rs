//! The bodies of calls that say something. Every one of them says that it mentions nobody.

use std::num::NonZeroU64;

use bytes::Bytes;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde::Serialize;
use serde_json::Value;
use serenity::builder::{
    CreateAllowedMentions, CreateAttachment, CreateInteractionResponseFollowup, CreateMessage, EditInteractionResponse,
};
use serenity::model::channel::{MessageFlags, MessageReference, MessageReferenceKind, Nonce};
use serenity::model::id::{ChannelId, MessageId};

use crate::channels::discord::api::{Answer, Api, Call, CallError};
use crate::channels::discord::ids::{self, Snowflake};
use crate::channels::discord::render;
use crate::channels::discord::send::id_of;

/// What a row says, wherever it goes.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) file: Option<File>,
    pub(super) suppress_embeds: bool,
    pub(super) reply_to: Option<Snowflake>,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    name: String,
    content: Bytes,
}

impl Said {
    /// `previews`: whether links in the words above a file show one; a message says so itself.
    pub(super) fn of(call: render::Call, previews: bool) -> Self {
        let replied_to = |reply_to: Option<String>| reply_to.and_then(|id| ids::replied_to(&id));
        match call {
            render::Call::Message { content, reply_to, suppress_embeds } => {
                Self { text: content, file: None, suppress_embeds, reply_to: replied_to(reply_to) }
            }
            render::Call::File { name, content, lead, reply_to } => Self {
                text: lead,
                file: Some(File { name, content: Bytes::from(content) }),
                suppress_embeds: !previews,
                reply_to: replied_to(reply_to),
            },
        }
    }

    /// A message of the bot's own (<https://docs.discord.com/developers/resources/message#create-message>). Sent once more with
    /// the same nonce, it stays one message.
    pub(super) fn message(&self, channel: Snowflake, nonce: &str, quotes: bool) -> CreateMessage {
        let mut body = CreateMessage::new()
            .content(&self.text)
            .nonce(Nonce::String(nonce.to_owned()))
            .enforce_nonce(true)
            .allowed_mentions(nobody());
        if self.suppress_embeds {
            body = body.flags(MessageFlags::SUPPRESS_EMBEDS);
        }
        if let Some(to) = self.reply_to.filter(|_| quotes).and_then(|to| reference(channel, to)) {
            body = body.reference_message(to);
        }
        match &self.file {
            Some(file) => body.add_file(file.entry()),
            None => body,
        }
    }

    /// What a deferred answer becomes
    /// (<https://docs.discord.com/developers/interactions/receiving-and-responding#edit-original-interaction-response>).
    pub(super) fn edit(&self) -> EditInteractionResponse {
        let mut body = EditInteractionResponse::new().content(&self.text).allowed_mentions(nobody());
        if self.suppress_embeds {
            body = body.flags(MessageFlags::SUPPRESS_EMBEDS);
        }
        match &self.file {
            Some(file) => body.new_attachment(file.entry()),
            None => body,
        }
    }

    /// A further answer (<https://docs.discord.com/developers/interactions/receiving-and-responding#create-followup-message>),
    /// which only one person sees if it says so itself.
    pub(super) fn follow_up(&self, private: bool) -> CreateInteractionResponseFollowup {
        let mut flags = MessageFlags::empty();
        flags.set(MessageFlags::SUPPRESS_EMBEDS, self.suppress_embeds);
        flags.set(MessageFlags::EPHEMERAL, private);
        let body = CreateInteractionResponseFollowup::new().content(&self.text).allowed_mentions(nobody()).flags(flags);
        match &self.file {
            Some(file) => body.add_file(file.entry()),
            None => body,
        }
    }

    /// Whether a message of Discord's says just this. It is kept without the white space around it.
    pub(super) fn is_said_by(&self, message: &Value) -> bool {
        let names = message["attachments"].as_array().into_iter().flatten().map(|file| file["filename"].as_str());
        message["content"].as_str().map(str::trim) == Some(self.text.trim())
            && names.eq(self.file.iter().map(|file| Some(&*file.name)))
    }
}

impl File {
    /// Its line in the list of attachments; the content goes beside the body.
    fn entry(&self) -> CreateAttachment {
        CreateAttachment::bytes(Vec::new(), &self.name)
    }
}

/// An answer can never ping anybody
/// (<https://docs.discord.com/developers/resources/message#allowed-mentions-object>).
fn nobody() -> CreateAllowedMentions {
    CreateAllowedMentions::new().replied_user(false)
}

/// A question that was deleted meanwhile is answered all the same.
fn reference(channel: Snowflake, message: Snowflake) -> Option<MessageReference> {
    let (channel, message) = (NonZeroU64::new(channel.0)?, NonZeroU64::new(message.0)?);
    let reference = MessageReference::new(MessageReferenceKind::Default, ChannelId::from(channel));
    Some(reference.message_id(MessageId::from(message)).fail_if_not_exists(false))
}

/// Makes a call that says something, with its file if it has one. Its answer is a message: whatever else answers in Discord's
/// place, nobody knows what became of the call.
pub(super) async fn post<B: Serialize>(
    api: &Api,
    call: Call<'_>,
    body: &B,
    file: Option<&File>,
) -> Result<Answer<Value>, CallError> {
    let answer = match file {
        Some(file) => upload(api, call, body, file).await?,
        None => api.ask_with::<_, Value>(call, body).await?,
    };
    match id_of(&answer.body) {
        Some(_) => Ok(answer),
        None => Err(CallError::Odd { status: 200, what: "no message".to_owned() }),
    }
}

async fn upload<B: Serialize>(api: &Api, call: Call<'_>, body: &B, file: &File) -> Result<Answer<Value>, CallError> {
    let json = serde_json::to_string(body).map_err(|error| CallError::Connect(error.to_string()))?;
    let length = file.content.len() as u64;
    let part = Part::stream_with_length(Body::from(file.content.clone()), length).file_name(file.name.clone());
    let part = part.mime_str("text/markdown; charset=utf-8").expect("a media type of our own");
    api.upload(call, Form::new().text("payload_json", json).part("files[0]", part)).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(file: bool) -> Said {
        let reply_to = Some("80351110224678912".to_owned());
        let call = if file {
            render::Call::File { name: "answer.md".into(), content: "# All".into(), lead: "All:".into(), reply_to }
        } else {
            render::Call::Message { content: "hello".into(), reply_to, suppress_embeds: true }
        };
        Said::of(call, true)
    }

    fn json_of(body: impl Serialize) -> Value {
        serde_json::to_value(body).unwrap()
    }

    #[test]
    fn whatever_is_said_mentions_nobody() {
        let nobody = json!({ "parse": [], "users": [], "roles": [], "replied_user": false });
        for said in [said(false), said(true)] {
            let bodies = [
                json_of(said.message(Snowflake(7), "n", true)),
                json_of(said.edit()),
                json_of(said.follow_up(false)),
                json_of(said.follow_up(true)),
            ];
            for body in bodies {
                assert_eq!(body["allowed_mentions"], nobody, "{body}");
            }
        }
    }

    #[test]
    fn a_message_has_a_nonce_and_a_reply_that_may_fail() {
        let body = json_of(said(false).message(Snowflake(7), "n", true));
        assert_eq!((&body["nonce"], &body["enforce_nonce"]), (&json!("n"), &json!(true)));
        assert_eq!((&body["content"], &body["flags"]), (&json!("hello"), &json!(4)));
        let reference = &body["message_reference"];
        assert_eq!(reference["message_id"], "80351110224678912");
        assert_eq!((&reference["channel_id"], &reference["fail_if_not_exists"]), (&json!("7"), &json!(false)));
        let body = json_of(said(true).message(Snowflake(7), "n", false));
        assert_eq!((body.get("message_reference"), body.get("flags")), (None, None));
        assert_eq!(body["attachments"][0]["filename"], "answer.md");
        assert_eq!(json_of(said(false).message(Snowflake(0), "n", true)).get("message_reference"), None);
    }

    #[test]
    fn answers_to_interactions_have_no_nonce_and_say_who_sees_them() {
        let flags = |private| json_of(said(false).follow_up(private))["flags"].clone();
        assert_eq!((flags(false), flags(true)), (json!(4), json!(4 | 64)));
        let edit = json_of(said(false).edit());
        assert_eq!((&edit["flags"], edit.get("nonce"), edit.get("attachments")), (&json!(4), None, None));
    }

    #[test]
    fn a_message_is_known_again() {
        let message = |content: &str, files: &[&str]| {
            let files: Vec<Value> = files.iter().map(|name| json!({ "filename": name })).collect();
            json!({ "content": content, "attachments": files })
        };
        assert!(said(false).is_said_by(&message("hello", &[])));
        assert!(!said(false).is_said_by(&message("hello!", &[])));
        assert!(!said(false).is_said_by(&message("hello", &["answer.md"])));
        assert!(said(true).is_said_by(&message("All:", &["answer.md"])));
        assert!(!said(true).is_said_by(&message("All:", &[])));
        assert!(!said(true).is_said_by(&Value::Null));
    }
}
