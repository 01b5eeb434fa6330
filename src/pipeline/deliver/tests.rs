use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Deliver;
use crate::contract::channel::{Channel, FetchError, Finding, Ingress, SendError, SendReceipt, Signal};
use crate::contract::store::{ContactChange, FinishTurn, Finished, NewEvent, OutboxRow, Said, SendResult, Store};
use crate::model::capabilities::{Capabilities, Delivery, Markup, Overflow, SendRate, TextLimits, TextUnit};
use crate::model::texts::LiveTexts;
use crate::model::{
    Clock, ContactKey, EventKey, InboundEvent, Incoming, Lang, MediaRef, Message, OutboundAction, Outcome, Rendered,
    Scope, Sender, Target, TurnId,
};
use crate::pipeline::contacts::ContactCache;
use crate::pipeline::images::ImageLimits;
use crate::pipeline::retry::{Backoff, Patience};
use crate::pipeline::shared::{Beat, ChannelEntry, Channels, Rules, Shared};
use crate::stores::sqlite::{SqliteOptions, SqliteStore};

/// Takes everything, and keeps in which order; a payload `panic` makes it panic.
struct Page {
    capabilities: Capabilities,
    sent: Mutex<Vec<String>>,
    targets: Mutex<Vec<String>>,
}

#[async_trait]
impl Channel for Page {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn ingress(self: Arc<Self>) -> Ingress {
        Ingress::default()
    }

    fn render(&self, action: &OutboundAction, _: &Target) -> Vec<Rendered> {
        assert!(action.text() != "no render", "asked to panic");
        vec![Rendered { payload: action.text().to_owned(), ..Rendered::default() }]
    }

    async fn send(&self, call: &OutboxRow) -> Result<SendReceipt, SendError> {
        assert!(call.payload != "panic", "asked to panic");
        self.sent.lock().unwrap().push(call.payload.clone());
        self.targets.lock().unwrap().push(call.target.key.to_string());
        Ok(SendReceipt::default())
    }

    async fn fetch(&self, _: &MediaRef, _: u64) -> Result<Bytes, FetchError> {
        Err(FetchError::Gone("no media".into()))
    }

    async fn signal(&self, _: &Target, _: Signal) {}

    async fn maintain(&self) -> Result<(), SendError> {
        Ok(())
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        Ok(Vec::new())
    }
}

/// A delivery stage over a real store.
struct Stage {
    shared: Arc<Shared>,
    page: Arc<Page>,
    deliver: Deliver,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = SqliteStore::open(folder.path().join("s.db"), SqliteOptions::default()).unwrap();
        let claim = store.lease("process", "process", Duration::from_secs(60)).await.unwrap().unwrap();
        let capabilities = Capabilities {
            delivery: Delivery::Push,
            text: TextLimits { max: 100, unit: TextUnit::Chars },
            attachment_bytes: 0,
            markup: Markup::Plain,
            replies: false,
            edits: false,
            typing: None,
            dedupes_sends: None,
            rates: Vec::new(),
            maintain_every: None,
            overflow: Overflow::Notice,
        };
        let page = Arc::new(Page { capabilities, sent: Mutex::default(), targets: Mutex::default() });
        let entry = ChannelEntry {
            channel: Arc::clone(&page) as Arc<dyn Channel>,
            bot: "main".into(),
            lang: Lang::En,
            generation: 1,
            max_age: Duration::from_secs(60),
            fetches: Arc::new(Semaphore::new(1)),
        };
        let channels: Channels = HashMap::from([("page".into(), entry)]);
        let backoff = Backoff { min: Duration::from_millis(10), max: Duration::from_millis(100) };
        let patience = Patience { backoff, give_up_after: Duration::from_secs(60) };
        let stop = CancellationToken::new();
        let deliver = Deliver::new(stop.clone(), 100, 4);
        let shared = Arc::new(Shared {
            claim,
            clock: Clock::system(),
            rules: Rules {
                max_in_flight: 1,
                window: 100,
                patience,
                recovery_window: Duration::ZERO,
                max_age: Duration::from_secs(60),
                images: ImageLimits::default(),
                send_concurrency: 4,
                resend_in_doubt: true,
                delivery_patience: patience,
                poll: Duration::from_millis(20),
            },
            texts: LiveTexts::default(),
            contacts: ContactCache::new(Arc::clone(&store), 10),
            bots: Arc::default(),
            channels: ArcSwap::new(Arc::new(channels)),
            deliver: deliver.clone(),
            dispatcher_beat: Beat::default(),
            store_beat: Beat::default(),
            decodes: Arc::new(Semaphore::new(1)),
            store,
        });
        deliver.attach(&shared);
        let running = tokio::spawn({
            let (deliver, shared) = (deliver.clone(), Arc::clone(&shared));
            async move { deliver.run(&shared, Duration::from_secs(5)).await }
        });
        let stage = Self { shared, page, deliver, stop, running, _folder: folder };
        stage.until(|stage| stage.deliver.state().backlog.is_live()).await;
        stage
    }

    /// A turn of this user in the one chat ends with these pieces; the rows are not pushed yet.
    async fn ends(&self, user: &str, pieces: &[&str], claim_first: bool) -> Finished {
        let sender = Sender { user: Some(user.to_owned()), ..Sender::default() };
        let event = NewEvent {
            channel: "page".into(),
            bot: "main".into(),
            contact: ContactKey::new(Scope::User, &sender),
            uid: user.into(),
            turn: TurnId::generate(),
            verdict: None,
            dropped: None,
            max_pending: 10,
            overflow: Overflow::Notice,
            incoming: Incoming {
                key: EventKey::new(TurnId::generate().to_string()),
                group: None,
                not_before: Duration::ZERO,
                sender,
                target: Target::of("chat"),
                addressed: true,
                event: InboundEvent::Message(Message::text("hi")),
                note: None,
            },
        };
        let accepted = self.shared.store.accept(vec![event], Vec::new()).await.unwrap().remove(0);
        let crate::contract::store::Accepted::Opened { turn, .. } = accepted else { panic!("{accepted:?}") };
        let call = |piece: &&str| Rendered { payload: (*piece).to_owned(), ..Rendered::default() };
        let said = Said {
            action: OutboundAction::answer("an answer", None),
            delivery: Delivery::Push,
            calls: pieces.iter().map(call).collect(),
        };
        let finish = FinishTurn {
            seq: turn.seq,
            claim: self.shared.claim,
            version: None,
            ask: None,
            outcome: Outcome::Answered,
            said: vec![said],
            contact: ContactChange::default(),
            claim_first,
        };
        self.shared.store.finish_turn(finish).await.unwrap()
    }

    fn sent(&self) -> Vec<String> {
        self.page.sent.lock().unwrap().clone()
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "sent so far: {:?}", self.sent());
    }

    async fn stop(self) -> Vec<OutboxRow> {
        self.stop.cancel();
        self.running.await.unwrap();
        // What was handed over after the stage had ended.
        self.deliver.0.tasks.wait().await;
        self.shared.store.release("process", self.shared.claim).await.unwrap();
        self.shared.store.sendable(0, 100).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_overtook_each_other_on_the_way_are_sent_in_order() {
    let stage = Stage::new().await;
    let first = stage.ends("ann", &["1", "2"], false).await;
    let second = stage.ends("bob", &["3"], false).await;
    stage.deliver.push(second.rows, None);
    tokio::time::sleep(Duration::from_millis(30)).await;
    stage.deliver.push(first.rows, None);
    stage.until(|stage| stage.sent().len() == 3).await;
    assert_eq!(stage.sent(), ["1", "2", "3"]);
    assert!(stage.stop().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_memory_never_heard_of_is_read_from_the_store() {
    let stage = Stage::new().await;
    drop(stage.ends("ann", &["1"], false).await);
    let second = stage.ends("bob", &["2"], false).await;
    stage.deliver.push(second.rows, None);
    stage.until(|stage| stage.sent().len() == 2).await;
    assert_eq!(stage.sent(), ["1", "2"]);
    assert!(stage.stop().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_claimed_while_stopping_is_handed_back_without_doubt() {
    let stage = Stage::new().await;
    let reservation = stage.deliver.reserve(&"page".into(), &[], &Arc::from("chat"), &[]).unwrap();
    let finished = stage.ends("ann", &["1", "2"], true).await;
    assert!(finished.first_claimed);
    stage.stop.cancel();
    stage.deliver.push(finished.rows, Some(reservation));
    assert!(stage.deliver.reserve(&"page".into(), &[], &Arc::from("other"), &[]).is_none(), "no more is claimed");
    let left = stage.stop().await;
    assert_eq!(
        left.iter().map(|row| (row.payload.as_str(), row.in_doubt)).collect::<Vec<_>>(),
        [("1", false), ("2", false)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_scope_and_a_busy_target_are_not_reserved() {
    let stage = Stage::new().await;
    let reserve =
        |target: &str, scopes: &[String]| stage.deliver.reserve(&"page".into(), &[], &Arc::from(target), scopes);
    let paused = ["slow".to_owned()];
    stage.deliver.state().pauses.set(
        &"page".into(),
        "slow".into(),
        Duration::from_secs(60),
        tokio::time::Instant::now(),
    );
    assert!(reserve("chat", &paused).is_none());
    let held: Vec<_> = ["a", "b", "c", "d"].iter().map(|target| reserve(target, &[]).unwrap()).collect();
    assert!(reserve("a", &[]).is_none(), "taken");
    assert!(reserve("e", &[]).is_none(), "no room for a fifth call");
    drop(held);
    assert!(reserve("a", &[]).is_some());
    assert!(stage.stop().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_makes_its_channel_panic_is_buried_alone() {
    let stage = Stage::new().await;
    let finished = stage.ends("ann", &["1", "panic", "3"], false).await;
    stage.deliver.push(finished.rows, None);
    stage.until(|stage| stage.sent().len() == 2).await;
    let announcement = |text: &str, key: &str| crate::model::outbound::Announcement {
        channel: "page".into(),
        target: Target::of("chat"),
        actions: vec![OutboundAction::notice(text, None)],
        dedupe_key: key.to_owned(),
        lane: crate::model::outbound::Lane::Reply,
    };
    for (text, key) in [("no render", "1"), ("4", "2")] {
        stage.shared.store.enqueue(announcement(text, key), Delivery::Push).await.unwrap();
    }
    stage.until(|stage| stage.sent().len() == 3).await;
    assert_eq!(stage.sent(), ["1", "3", "4"]);
    assert!(stage.stop().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reservation_takes_of_a_rate_is_given_back_or_used_up() {
    let stage = Stage::new().await;
    let rates = [SendRate { scope: "bot".into(), calls: 1, per: Duration::from_secs(3_600) }];
    let scopes = ["bot".to_owned()];
    let reserve = |target: &str| stage.deliver.reserve(&"page".into(), &rates, &Arc::from(target), &scopes);
    let unused = reserve("other").unwrap();
    assert!(reserve("chat").is_none(), "there is one place");
    drop(unused);
    let reservation = reserve("chat").unwrap();
    let finished = stage.ends("ann", &["1"], true).await;
    assert!(finished.first_claimed);
    stage.deliver.push(finished.rows, Some(reservation));
    stage.until(|stage| !stage.sent().is_empty()).await;
    assert!(reserve("other").is_none(), "it was used up");
    assert!(stage.deliver.reserve(&"page".into(), &rates, &Arc::from("other"), &[]).is_some(), "another scope");
    assert!(stage.stop().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_has_moved_is_sent_to_where_it_has_gone() {
    let stage = Stage::new().await;
    let reserve = |target: &&str| stage.deliver.reserve(&"page".into(), &[], &Arc::from(*target), &[]).unwrap();
    let held: Vec<_> = ["a", "b", "c", "d"].iter().map(reserve).collect();
    let first = stage.ends("ann", &["1", "2"], false).await.rows.remove(0);
    let later = stage.ends("bob", &["3"], false).await.rows;
    stage.deliver.fall_behind(0);
    stage.until(|stage| stage.deliver.state().lanes.queued() == 2).await;
    let store = &stage.shared.store;
    assert!(store.claim_send(first.seq, stage.shared.claim).await.unwrap(), "it waits for room, unclaimed");
    let moved = SendResult::Migrated { to: Target::of("new") };
    store.finish_send(first.seq, stage.shared.claim, moved, None).await.unwrap();
    stage.deliver.reload(&"page".into(), "chat");
    stage.deliver.reload(&"page".into(), "unknown");
    // This one's wake was late: it still has the old target.
    stage.deliver.push(later, None);
    drop(held);
    stage.until(|stage| stage.sent().len() == 3).await;
    assert_eq!(stage.sent(), ["1", "2", "3"]);
    assert_eq!(stage.page.targets.lock().unwrap()[..2], ["new", "new"]);
    assert!(stage.stop().await.is_empty());
}
