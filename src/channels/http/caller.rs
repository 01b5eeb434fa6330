//! Who calls: an API key, or a browser with a session token.

use std::sync::Arc;

use governor::NotUntil;
use governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use http::HeaderMap;
use uuid::Uuid;

use crate::channels::http::session::{Claimed, Session, Signer, unknown_token};
use crate::channels::http::{HttpChannel, ids, normalize, store_problem};
use crate::http::{Problem, auth};
use crate::model::{ContactKey, EventKey, Sender, error};

/// The key's name under which guests of the playground are known.
pub(super) const GUEST: &str = "guest";

/// Requests a minute of one session's user, however many tokens that has.
pub(super) const SESSION_RATE: u32 = 240;

/// After so many requests the limiter forgets who has been quiet.
const FORGET_EVERY: u32 = 4_096;

/// Whose request it is.
pub(super) struct Caller {
    /// The name of the API key; of a session, the one that it was minted with.
    pub(super) key: Arc<str>,
    pub(super) session: Option<Session>,
}

impl HttpChannel {
    /// Whose request it is, if it may be made now.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let bearer = auth::bearer(headers);
        let Some(claimed) = bearer.and_then(|bearer| Claimed::read(bearer, &self.context.id)) else {
            let key = self.keys.authenticate(headers).map_err(|refused| unknown_token(bearer).unwrap_or(refused))?;
            self.count(&key)?;
            return Ok(Caller { key, session: None });
        };
        let caller = self.verified(claimed).await?;
        let caller = caller.ok_or_else(|| unknown_token(bearer).unwrap_or_else(auth::unknown_key))?;
        if let Some(session) = &caller.session {
            session.check(self.context.clock.now())?;
            self.count_session(&caller)?;
        }
        Ok(caller)
    }

    /// As [`admit`](Self::admit), for what only an API key may do.
    pub(super) async fn admit_key(&self, headers: &HeaderMap) -> Result<Arc<str>, Problem> {
        let caller = self.admit(headers).await?;
        match caller.session {
            None => Ok(caller.key),
            Some(_) => Err(Problem::new(error::NOT_ALLOWED)
                .detail("This takes an API key, not a session token.")
                .hint("Ask from your site's backend, with its API key.")),
        }
    }

    async fn verified(&self, claimed: Claimed<'_>) -> Result<Option<Caller>, Problem> {
        let Some((key, signer)) = self.signer(claimed.key()).await? else { return Ok(None) };
        Ok(claimed.verified(&signer).map(|session| Caller { key, session: Some(session) }))
    }

    /// What signs the sessions of a key.
    pub(super) async fn signer(&self, key: &str) -> Result<Option<(Arc<str>, Signer)>, Problem> {
        if let Some((name, signer)) = self.signers.get_key_value(key) {
            return Ok(Some((Arc::clone(name), signer.clone())));
        }
        if key != GUEST || !self.config.playground {
            return Ok(None);
        }
        let signer = self.guest_signer.get_or_try_init(|| self.load_guest_signer()).await?;
        Ok(Some((GUEST.into(), signer.clone())))
    }

    /// The secret of this channel's guests lives as long as the store, so that they stay who they are over a restart.
    async fn load_guest_signer(&self) -> Result<Signer, Problem> {
        const SPACE: &str = "http_guests";
        let (store, id) = (&self.context.store, self.context.id.as_str());
        if let Some(secret) = store.get(SPACE, id).await.map_err(store_problem)? {
            return Ok(Signer::new(&secret));
        }
        let secret = format!("{}{}", Uuid::new_v4().as_simple(), Uuid::new_v4().as_simple());
        store.put(SPACE, id, &secret).await.map_err(store_problem)?;
        Ok(Signer::new(&secret))
    }

    /// The guest that a token names, which may have expired but was ours.
    pub(super) async fn known_guest(&self, token: &str) -> Result<Option<Session>, Problem> {
        let Some(claimed) = Claimed::read(token, &self.context.id) else { return Ok(None) };
        let session = self.verified(claimed).await?.and_then(|caller| caller.session);
        Ok(session.filter(|session| session.key == GUEST))
    }

    pub(super) fn count_guest(&self) -> Result<(), Problem> {
        self.guest_limiter
            .check()
            .map_err(|until| too_fast(&until, "More guests come than the page takes in a minute."))
    }

    fn count(&self, key: &Arc<str>) -> Result<(), Problem> {
        let Some(limiter) = self.limiters.get(key) else { return Ok(()) };
        let told = "This API key makes more requests than its `rate_per_minute`.";
        limiter.check().map_err(|until| too_fast(&until, told))
    }

    fn count_session(&self, caller: &Caller) -> Result<(), Problem> {
        let Some(session) = &caller.session else { return Ok(()) };
        let who = self.context.inbox.contact_key(&ids::sender(&caller.key, &session.user, None));
        let (limiter, counted) = &self.session_limiter;
        if counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        limiter.check_key(&who).map_err(|until| too_fast(&until, "This user makes more requests than a session may."))
    }
}

fn too_fast(until: &NotUntil<QuantaInstant>, told: &str) -> Problem {
    Problem::rate_limited(until.wait_time_from(DefaultClock::default().now())).detail(told)
}

impl Caller {
    /// The event key of a request. A session's keys are its user's own: no browser can meet another one's.
    pub(super) fn event_key(&self, idempotency_key: Option<&str>) -> EventKey {
        let of_session = self.session.as_ref().map(|session| (session.user.as_str(), session.conversation.as_deref()));
        ids::event_key(&self.key, of_session, idempotency_key)
    }

    /// Fills in what a session knows, and lets nothing else be said.
    pub(super) fn fill(&self, request: &mut normalize::Request) -> Result<(), Problem> {
        let Some(session) = &self.session else { return Ok(()) };
        let own = |field: &str, given: Option<&str>, own: Option<&str>| match given {
            Some(given) if own != Some(given) => Err(not_of_session(field)),
            _ => Ok(()),
        };
        own("user", request.user.as_deref(), Some(&session.user))?;
        own("conversation", request.conversation.as_deref(), session.conversation.as_deref())?;
        own("nickname", request.nickname.as_deref(), session.nickname.as_deref())?;
        request.user = Some(session.user.clone());
        request.conversation.clone_from(&session.conversation);
        request.nickname.clone_from(&session.nickname);
        if let (None, Some(lang)) = (&request.lang, session.lang) {
            request.lang = Some(lang.tag().to_owned());
        }
        Ok(())
    }

    /// The person and conversation of a path, if this caller may look at them.
    pub(super) fn sender(&self, user: &str, conversation: Option<&str>) -> Result<Sender, Problem> {
        let Some(session) = &self.session else { return Ok(ids::sender(&self.key, user, conversation)) };
        if user != session.user {
            return Err(not_of_session("user"));
        }
        if conversation.is_some() && conversation != session.conversation.as_deref() {
            return Err(not_of_session("conversation"));
        }
        Ok(ids::sender(&self.key, user, session.conversation.as_deref()))
    }

    /// Whether a contact is one of this caller's.
    pub(super) fn owns(&self, channel: &HttpChannel, contact: &ContactKey) -> bool {
        match &self.session {
            None => ids::belongs(contact, &self.key),
            Some(session) => {
                let own = ids::sender(&self.key, &session.user, session.conversation.as_deref());
                channel.context.inbox.contact_key(&own) == *contact
            }
        }
    }
}

fn not_of_session(field: &str) -> Problem {
    Problem::new(error::NOT_ALLOWED)
        .detail(format!("`{field}` is not that of the session token."))
        .hint("Leave it out, or use a token that was minted for it.")
}
