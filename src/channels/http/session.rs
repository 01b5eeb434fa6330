//! Session tokens: what a site's backend hands to a browser instead of an API key.
//!
//! A token names its user and conversation, and is signed with a key made from the API key (for guests of the playground: from
//! a secret of the channel's own in the store). Nothing is kept of it: any replica knows it, and with its API key it ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::http::{Problem, auth};
use crate::model::{ChannelId, Lang, Timestamp, error};

/// How every token begins, so that it is known where one turns up.
const PREFIX: &str = "cgs_";

/// The longest token that is looked at: names have bounds, and so has what they are coded in.
const MAX_TOKEN: usize = 6 * 1024;

/// Who a token is for, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    #[serde(rename = "c")]
    pub(super) channel: String,
    /// The name of the API key that it was minted with.
    #[serde(rename = "k")]
    pub(super) key: String,
    #[serde(rename = "u")]
    pub(super) user: String,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(super) conversation: Option<String>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) nickname: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(super) lang: Option<Lang>,
    /// Milliseconds since 1970.
    #[serde(rename = "e")]
    pub(super) expires_at: Timestamp,
}

/// What tokens of one API key are signed with.
#[derive(Clone)]
pub(super) struct Signer([u8; 32]);

impl Signer {
    /// `secret`: an API key, or the channel's own secret.
    pub(super) fn new(secret: &str) -> Self {
        Self(Sha256::new().chain_update("caigunn-bridge session\0").chain_update(secret).finalize().into())
    }

    fn mac(&self, payload: &str) -> Hmac<Sha256> {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("a key of any length will do");
        };
        mac.chain_update(payload)
    }

    pub(super) fn sign(&self, session: &Session) -> String {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(session).unwrap_or_default());
        let mac = self.mac(&payload).finalize().into_bytes();
        format!("{PREFIX}{payload}.{}", URL_SAFE_NO_PAD.encode(mac))
    }
}

/// A token as it was given: read, and not yet believed.
pub(super) struct Claimed<'a> {
    session: Session,
    payload: &'a str,
    mac: Vec<u8>,
}

/// 401 for what looks like a session token and is none that is good here, if that is what `bearer` is.
pub(super) fn unknown_token(bearer: Option<&str>) -> Option<Problem> {
    bearer.filter(|bearer| bearer.starts_with(PREFIX))?;
    let detail = "The session token is not known: it is not of this bridge, or its API key was changed.";
    Some(auth::unknown_key().detail(detail).hint("Ask your site for another session token."))
}

impl<'a> Claimed<'a> {
    /// `None` if the bearer is no session token of this channel.
    pub(super) fn read(bearer: &'a str, channel: &ChannelId) -> Option<Self> {
        let (payload, mac) = bearer.strip_prefix(PREFIX).filter(|rest| rest.len() <= MAX_TOKEN)?.split_once('.')?;
        let session: Session = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        (session.channel == channel.as_str()).then_some(Self { session, payload, mac })
    }

    /// The name of the API key that it says to be minted with.
    pub(super) fn key(&self) -> &str {
        &self.session.key
    }

    /// The session, if `signer` has signed it.
    pub(super) fn verified(self, signer: &Signer) -> Option<Session> {
        // In constant time.
        signer.mac(self.payload).verify_slice(&self.mac).ok().map(|()| self.session)
    }
}

impl Session {
    pub(super) fn new(channel: &ChannelId, key: &str, user: String, now: Timestamp, ttl: Duration) -> Self {
        let channel = channel.as_str().to_owned();
        let expires_at = now.plus(ttl);
        Self { channel, key: key.to_owned(), user, conversation: None, nickname: None, lang: None, expires_at }
    }

    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now)
    }

    /// # Errors
    /// 401 with a code of its own: the browser asks its site for another one.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), Problem> {
        if self.left(now).is_zero() { Err(auth::refused(error::SESSION_EXPIRED)) } else { Ok(()) }
    }
}

/// What a request for a token is answered with.
#[derive(Serialize)]
pub(super) struct Minted<'a> {
    token: String,
    #[serde(flatten)]
    about: About<'a>,
}

/// What a holder may know of its token.
#[derive(Serialize)]
pub(super) struct About<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<Lang>,
    expires_at: String,
    /// Seconds.
    expires_in: u64,
}

impl Session {
    pub(super) fn about(&self, now: Timestamp) -> About<'_> {
        About {
            user: &self.user,
            conversation: self.conversation.as_deref(),
            nickname: self.nickname.as_deref(),
            lang: self.lang,
            expires_at: self.expires_at.to_string(),
            expires_in: self.left(now).as_secs(),
        }
    }

    pub(super) fn minted(&self, signer: &Signer, now: Timestamp) -> Minted<'_> {
        Minted { token: signer.sign(self), about: self.about(now) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Claimed, Session, Signer};
    use crate::model::{ChannelId, Timestamp};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn session() -> Session {
        let web = ChannelId::new("web");
        let mut session = Session::new(&web, "shop", "小明".to_owned(), NOW, Duration::from_secs(60));
        session.conversation = Some("order 7".to_owned());
        session
    }

    fn read(token: &str, signer: &Signer) -> Option<Session> {
        Claimed::read(token, &ChannelId::new("web"))?.verified(signer)
    }

    #[test]
    fn what_was_signed_is_read_again() {
        let signer = Signer::new("the key");
        let token = signer.sign(&session());
        assert_eq!(read(&token, &signer), Some(session()));
        assert!(token.is_ascii() && !token.contains("the key"));
        assert_eq!(Claimed::read(&token, &ChannelId::new("web")).unwrap().key(), "shop");
        assert!(Claimed::read(&token, &ChannelId::new("web2")).is_none(), "another channel's");
    }

    #[test]
    fn nothing_else_is_believed() {
        let signer = Signer::new("the key");
        let token = signer.sign(&session());
        assert_eq!(read(&token, &Signer::new("another key")), None);
        let forged = Signer::new("another key").sign(&Session { user: "root".to_owned(), ..session() });
        assert_eq!(read(&forged, &signer), None);
        let (payload, mac) = token.split_once('.').unwrap();
        let (_, other_mac) = forged.split_once('.').unwrap();
        assert_eq!(read(&format!("{payload}.{other_mac}"), &signer), None);
        for wrong in
            [payload, "", "cgs_", "cgs_.", &format!("{payload}."), &format!("{payload}.{}", &mac[1..]), &token[4..]]
        {
            assert_eq!(read(wrong, &signer), None, "{wrong}");
        }
        let long = format!("cgs_{}.{mac}", "A".repeat(7_000));
        assert_eq!(read(&long, &signer), None);
    }

    #[test]
    fn the_longest_names_fit() {
        let signer = Signer::new("the key");
        let mut longest = session();
        longest.user = "𝄞".repeat(256);
        longest.conversation = Some("𝄞".repeat(256));
        // Six bytes each in JSON.
        longest.nickname = Some("\0".repeat(256));
        assert_eq!(read(&signer.sign(&longest), &signer), Some(longest));
    }

    #[test]
    fn it_ends() {
        assert!(session().check(NOW.plus(Duration::from_millis(59_999))).is_ok());
        assert_eq!(session().check(NOW.plus(Duration::from_secs(60))).unwrap_err().code, "session_expired");
    }
}
