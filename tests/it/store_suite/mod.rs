//! What every store must do, written once: `store_suite!(Factory)` makes a test of each property.

pub(crate) mod asks;
pub(crate) mod claims;
pub(crate) mod intake;
pub(crate) mod outbox;
pub(crate) mod spoken;
pub(crate) mod standing;
pub(crate) mod sweep;
pub(crate) mod turns;
pub(crate) mod upkeep;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use caigunn_bridge::contract::store::{
    Accepted, AskResult, BeginAsk, Begun, ClaimToken, ContactChange, FinishTurn, Finished, NewEvent, Retention, Said,
    Store,
};
use caigunn_bridge::model::capabilities::{Delivery, Overflow};
use caigunn_bridge::model::turn::{AskState, Turn};
use caigunn_bridge::model::{
    BotName, ChannelId, Clock, Contact, ContactKey, EventKey, InboundEvent, Incoming, Message, OutboundAction, Outcome,
    Rendered, Scope, Sender, Target, TurnId,
};

/// The bytes of media that a store of the suite may hold.
pub(crate) const MEDIA_BUDGET: u64 = 4_000;

/// Makes stores to test. Every store it opens is on the same data, empty at first.
#[async_trait]
pub(crate) trait StoreFactory: Send + Sync + 'static {
    fn new() -> Self;

    /// A clock that stands still until it is moved; every store of the factory has it.
    fn clock(&self) -> Clock;

    async fn open(&self) -> Arc<dyn Store>;

    /// The process that had the store died without a word; the next one opens it.
    async fn reopen_after_crash(&self, store: Arc<dyn Store>) -> Arc<dyn Store>;

    /// Another process (the command line, a replica) beside the first.
    async fn beside(&self) -> Arc<dyn Store>;
}

/// A store with a dispatcher's lease, and short forms of what the tests do most.
pub(crate) struct World<F> {
    pub(crate) factory: F,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) claim: ClaimToken,
}

pub(crate) const TTL: Duration = Duration::from_secs(3_600);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn text(text: &str) -> InboundEvent {
    InboundEvent::Message(Message::text(text))
}

pub(crate) fn channel() -> ChannelId {
    "web".into()
}

pub(crate) fn contact_key(user: &str) -> ContactKey {
    ContactKey::new(Scope::User, &Sender { user: Some(user.into()), ..Sender::default() })
}

/// An event of a user, with its key as its text.
pub(crate) fn event(user: &str, key: &str) -> NewEvent {
    let sender = Sender { user: Some(user.into()), nickname: Some(format!("{user} the user")), ..Sender::default() };
    NewEvent {
        channel: channel(),
        bot: BotName::new("main"),
        contact: ContactKey::new(Scope::User, &sender),
        uid: format!("web-{user}").into(),
        incoming: Incoming {
            key: key.into(),
            group: None,
            not_before: Duration::ZERO,
            sender,
            target: Target::of(format!("chat-{user}")),
            addressed: true,
            event: text(key),
            note: None,
        },
        turn: TurnId::generate(),
        verdict: None,
        dropped: None,
        max_pending: 20,
        overflow: Overflow::Notice,
    }
}

pub(crate) fn call(payload: &str) -> Rendered {
    Rendered {
        payload: payload.into(),
        plain: Some(format!("plain {payload}")),
        scopes: vec!["chat".into()],
        expires_in: None,
    }
}

pub(crate) fn said(text: &str, payloads: &[&str]) -> Said {
    Said {
        action: OutboundAction::answer(text, None),
        delivery: Delivery::Push,
        calls: payloads.iter().map(|payload| call(payload)).collect(),
    }
}

pub(crate) fn opened(accepted: Accepted) -> (Turn, Arc<Contact>) {
    match accepted {
        Accepted::Opened { turn, contact } => (*turn, contact),
        other => panic!("not opened: {other:?}"),
    }
}

pub(crate) fn retention() -> Retention {
    Retention { bodies: secs(1_000), keys_beyond: secs(500), orphans: secs(100) }
}

impl<F: StoreFactory> World<F> {
    pub(crate) async fn new() -> Self {
        let factory = F::new();
        let store = factory.open().await;
        let claim = store.lease("dispatch", "first", TTL).await.unwrap().unwrap();
        Self { clock: factory.clock(), factory, store, claim }
    }

    /// The process dies; the next takes its place.
    pub(crate) async fn crash(self) -> Self {
        let Self { factory, clock, store, .. } = self;
        let store = factory.reopen_after_crash(store).await;
        let claim = store.lease("dispatch", "next", TTL).await.unwrap().expect("the lease of a dead process is free");
        Self { factory, clock, store, claim }
    }

    pub(crate) async fn accept(&self, event: NewEvent) -> Accepted {
        let mut accepted = self.store.accept(vec![event], Vec::new()).await.unwrap();
        assert_eq!(accepted.len(), 1);
        accepted.remove(0)
    }

    pub(crate) async fn say(&self, user: &str, key: &str) -> (Turn, Arc<Contact>) {
        opened(self.accept(event(user, key)).await)
    }

    pub(crate) fn ask(&self, turn: &Turn, contact: &Contact, n: u16, claim: ClaimToken) -> BeginAsk {
        BeginAsk {
            seq: turn.seq,
            claim,
            n,
            version: turn.version,
            generation: contact.generation,
            mode: contact.mode,
            uid: contact.uid(),
            digest: [7; 16],
        }
    }

    pub(crate) async fn begin(&self, turn: &Turn, contact: &Contact) {
        let begun = self.store.begin_ask(self.ask(turn, contact, 0, self.claim)).await.unwrap();
        assert!(matches!(begun, Begun::Yes), "{begun:?}");
    }

    pub(crate) fn end(&self, turn: &Turn, said: Vec<Said>) -> FinishTurn {
        FinishTurn {
            seq: turn.seq,
            claim: self.claim,
            version: Some(turn.version),
            ask: None,
            outcome: Outcome::Answered,
            said,
            contact: ContactChange::default(),
            claim_first: false,
        }
    }

    /// Begins and answers a turn, with one call per payload.
    pub(crate) async fn answer(&self, turn: &Turn, contact: &Contact, payloads: &[&str]) -> Finished {
        self.begin(turn, contact).await;
        let ask = Some(AskResult { n: 0, state: AskState::Answered("answer".into()) });
        self.store.finish_turn(FinishTurn { ask, ..self.end(turn, vec![said("answer", payloads)]) }).await.unwrap()
    }

    /// A user's message, answered: its outbox rows.
    pub(crate) async fn exchange(&self, user: &str, key: &str, payloads: &[&str]) -> Finished {
        let (turn, contact) = self.say(user, key).await;
        self.answer(&turn, &contact, payloads).await
    }

    pub(crate) async fn runnable(&self) -> Vec<Turn> {
        self.store.runnable(0, 100).await.unwrap()
    }

    pub(crate) async fn texts(&self, seq: i64) -> Vec<String> {
        let (turn, _) = self.store.turn(seq).await.unwrap().expect("open");
        turn.events.iter().map(|event| text_of(&event.event)).collect()
    }
}

pub(crate) fn text_of(event: &InboundEvent) -> String {
    match event {
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } => message.text.clone(),
        other => format!("{other:?}"),
    }
}

pub(crate) fn key(key: &str) -> EventKey {
    key.into()
}

macro_rules! assert_lease_lost {
    ($result:expr) => {
        let result = $result;
        assert!(matches!(result, Err(caigunn_bridge::contract::store::StoreError::LeaseLost)), "{result:?}");
    };
}
pub(crate) use assert_lease_lost;

/// The tests of the suite, for one factory.
macro_rules! store_suite {
    ($factory:ty) => {
        crate::store_suite::store_suite! { @ $factory,
            intake::a_known_key_is_a_duplicate_also_after_a_crash
            intake::a_note_is_kept_with_its_key
            intake::equal_keys_of_two_channels_are_two_events
            intake::events_and_cursor_are_one_commit
            intake::cursors_of_a_prefix_are_listed_and_forgotten
            intake::a_contact_is_created_once_and_kept_up_to_date
            intake::a_uid_that_is_taken_is_not_shared
            intake::a_contact_is_found_by_its_uid
            intake::members_of_a_group_join_a_held_turn
            intake::a_member_that_comes_late_opens_a_turn
            intake::an_edit_replaces_what_nobody_has_begun
            intake::an_edit_that_comes_too_late_ends_at_once
            intake::over_the_bound_refuse_stores_nothing
            intake::over_the_bound_notice_says_so_once
            intake::a_verdict_is_said_once_per_burst
            turns::runnable_is_in_order_and_in_pages
            turns::a_turn_waits_for_the_earlier_ones_of_its_contact
            turns::a_changed_turn_is_not_begun
            turns::a_changed_contact_is_not_begun
            turns::a_turn_that_was_joined_is_not_ended_unseen
            turns::the_end_is_one_commit
            turns::pull_replies_make_no_rows
            turns::a_reset_changes_the_uid
            turns::a_notice_is_remembered_and_forgotten
            turns::a_released_turn_is_due_later
            turns::fetched_media_take_their_place
            turns::an_edit_wins_over_a_fetch
            asks::each_ask_is_a_row
            asks::what_failed_before_it_was_begun_is_recorded
            asks::equal_texts_are_counted
            asks::doubts_are_counted
            claims::a_stale_token_changes_nothing
            claims::a_released_lease_is_a_lost_claim
            claims::a_lease_that_ended_gives_up_its_turns
            claims::a_late_holder_still_holds_what_nobody_took
            claims::nothing_is_claimed_under_a_dead_lease
            claims::leases_are_one_holders_and_their_tokens_grow
            claims::a_crash_leaves_turns_runnable_and_asks_open
            claims::an_answer_found_after_a_crash_ends_the_turn
            claims::a_crash_leaves_sends_in_doubt
            outbox::rows_of_a_target_go_in_sequence_across_turns
            outbox::the_first_row_is_claimed_with_the_end
            outbox::the_next_row_is_claimed_with_the_send_before
            outbox::a_send_is_tried_again_later
            outbox::plain_replaces_the_payload
            outbox::giving_up_leaves_a_notice_in_its_place
            outbox::a_dead_row_lets_the_others_go_on
            outbox::a_target_that_is_gone_ends_its_rows
            outbox::a_migrated_target_takes_everything_along
            outbox::a_refused_address_takes_along_what_has_it
            outbox::a_row_past_its_time_is_not_sent
            outbox::a_stale_sender_changes_nothing
            spoken::an_announcement_is_made_once
            spoken::rendering_twice_changes_nothing
            spoken::pull_announcements_are_read_from_the_journal
            standing::who_is_not_let_in_is_known_by_the_key_alone
            standing::whoever_shuts_the_bot_out_ends_what_waits
            standing::what_ends_with_its_target_is_listed_with_the_words_for_it
            standing::what_ended_with_its_target_gets_a_new_start
            standing::what_is_committed_for_a_target_that_is_gone_ends_at_once
            standing::a_target_that_is_heard_from_is_there_again
            standing::a_chat_that_moves_takes_everything_along
            standing::a_chat_that_has_its_own_conversation_keeps_it
            standing::a_chat_that_was_only_seen_before_gives_way
            standing::an_edit_that_comes_too_late_is_asked_again_if_so_wished
            standing::an_edit_of_what_was_never_heard_is_a_message_if_so_wished
            sweep::bodies_then_keys_are_forgotten
            sweep::open_work_is_never_touched
            sweep::numbers_are_not_given_twice
            sweep::media_go_with_the_bodies
            sweep::media_that_nothing_names_are_removed
            sweep::what_was_spoken_first_is_forgotten_too
            upkeep::dead_and_waiting_work_is_listed
            upkeep::a_dead_turn_gets_a_new_start
            upkeep::a_dead_row_gets_a_new_start
            upkeep::dropped_work_ends
            upkeep::work_in_hand_is_left_alone
            upkeep::another_process_is_heard
            upkeep::channels_with_work_are_named
            upkeep::gauges_count
            upkeep::values_are_kept
            upkeep::media_come_back_within_the_budget
            upkeep::a_closed_store_says_so
            watch::a_future_that_is_not_polled_holds_nobody_up
            watch::it_resolves_whenever_it_was_asked
            watch::every_waiter_is_told
            watch::an_end_without_a_word_has_no_replies
            watch::one_that_goes_away_is_forgotten
            watch::a_turn_dropped_by_another_process_resolves
            watch::the_journal_tells_of_news
        }
    };
    (@ $factory:ty, $($module:ident::$test:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                crate::store_suite::$module::$test::<$factory>().await;
            }
        )*
    };
}
pub(crate) use store_suite;
