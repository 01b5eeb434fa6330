//! A message that makes the bridge panic.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use caigunn_bridge::config::Kind;
use caigunn_bridge::contract::store::OutboxRow;
use caigunn_bridge::contract::{
    Channel, ChannelContext, ChannelState, FetchError, Finding, Ingress, Receipt, Registration, Routes, SendError,
    SendReceipt, Signal,
};
use caigunn_bridge::model::capabilities::{Capabilities, Delivery, Markup, Overflow, TextLimits, TextUnit};
use caigunn_bridge::model::inbound::{MediaKind, MediaPlace};
use caigunn_bridge::model::{
    EventKey, InboundEvent, Incoming, MediaRef, Message, OutboundAction, Rendered, Scope, Sender, Target,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::metric;
use crate::support::{Bridge, Setup};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoKeys {}

fn capabilities() -> Capabilities {
    Capabilities {
        delivery: Delivery::Pull,
        text: TextLimits { max: usize::MAX, unit: TextUnit::Bytes },
        attachment_bytes: 0,
        markup: Markup::Plain,
        replies: false,
        edits: false,
        typing: None,
        dedupes_sends: None,
        rates: Vec::new(),
        maintain_every: None,
        overflow: Overflow::Refuse,
    }
}

/// A channel whose pictures cannot even be looked at.
fn brittle() -> Registration {
    Registration {
        kind: Kind::of::<NoKeys>("brittle"),
        default_scope: Scope::User,
        default_uid_template: "{channel}-{user}",
        parse: |section| section.parse::<NoKeys>().map(|keys| Box::new(keys) as _),
        listens_as: |_| None,
        capabilities: |_| capabilities(),
        build: |_, context| Ok(Arc::new(Brittle { context, capabilities: capabilities() })),
    }
}

struct Brittle {
    context: ChannelContext,
    capabilities: Capabilities,
}

#[async_trait]
impl Channel for Brittle {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn ingress(self: Arc<Self>) -> Ingress {
        self.context.state.set(ChannelState::Connected);
        let router = axum::Router::new().route("/say", axum::routing::post(say)).with_state(self);
        Ingress { listeners: Vec::new(), routes: Some(Routes { prefix: "/brittle".into(), router }) }
    }

    fn render(&self, _: &OutboundAction, _: &Target) -> Vec<Rendered> {
        Vec::new()
    }

    async fn send(&self, _: &OutboxRow) -> Result<SendReceipt, SendError> {
        Ok(SendReceipt::default())
    }

    async fn fetch(&self, _: &MediaRef, _: u64) -> Result<Bytes, FetchError> {
        panic!("a picture that breaks whoever looks at it")
    }

    async fn signal(&self, _: &Target, _: Signal) {}

    async fn maintain(&self) -> Result<(), SendError> {
        Ok(())
    }

    async fn probe(&self) -> Result<Vec<Finding>, SendError> {
        Ok(Vec::new())
    }
}

/// Accepts a text, with a picture if its user is to break something, and answers how it ended.
async fn say(State(channel): State<Arc<Brittle>>, Json(said): Json<Value>) -> Json<Value> {
    let text = said["text"].as_str().unwrap();
    let mut message = Message::text(text);
    if text.starts_with("break") {
        message.media.push(MediaRef {
            kind: MediaKind::Image,
            place: MediaPlace::Remote("x".into()),
            name: None,
            bytes: None,
        });
    }
    let incoming = Incoming {
        key: EventKey::new(text),
        group: None,
        not_before: std::time::Duration::ZERO,
        sender: Sender { user: Some(said["user"].as_str().unwrap().to_owned()), ..Sender::default() },
        target: Target::of("x"),
        addressed: true,
        event: InboundEvent::Message(message),
        note: None,
    };
    let receipts = channel.context.inbox.accept(vec![incoming], Vec::new()).await.unwrap();
    let [Receipt::Accepted { turn }] = receipts.as_slice() else { panic!("{receipts:?}") };
    let view = channel.context.store.watch(*turn).await;
    let outcome = view.outcome.unwrap();
    let texts: Vec<_> = view.replies.iter().map(OutboundAction::text).collect();
    Json(
        json!({ "id": turn, "outcome": outcome.as_str(), "reason": outcome.reason().map(|reason| reason.as_str()), "texts": texts }),
    )
}

async fn tell(bridge: &Bridge, user: &str, text: &str) -> Value {
    let said = json!({ "user": user, "text": text });
    bridge.client.post(bridge.url("/brittle/say")).json(&said).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn it_is_set_aside_by_name_and_the_next_one_is_answered() {
    let mut bridge = Setup::default()
        .register(brittle())
        .set("CHANNELS__BRITTLE__KIND", "brittle")
        .set("CHANNELS__BRITTLE__BOT", "main")
        .start()
        .await;
    assert_eq!(tell(&bridge, "alice", "one").await["texts"], json!([r#"Turn 1: you said "one""#]));
    let broken =
        tokio::join!(tell(&bridge, "alice", "break"), tell(&bridge, "bob", "break too"), tell(&bridge, "carol", "hi"))
            .0;
    assert_eq!((&broken["outcome"], &broken["reason"]), (&json!("dead"), &json!("poisoned")));
    assert_eq!(broken["texts"], json!([]), "no stack trace reaches anybody");
    assert_eq!(tell(&bridge, "alice", "two").await["texts"], json!([r#"Turn 2: you said "two""#]));
    assert_eq!(bridge.say("dave", "hi").await["state"], "answered", "other channels go on");
    let counted = metric(&bridge, r#"bridge_turns_total{channel="brittle",outcome="dead",reason="poisoned"}"#).await;
    assert!((counted - 2.0).abs() < f64::EPSILON, "{counted}");

    bridge.start_again(&[]).await;
    assert_eq!(
        tell(&bridge, "alice", "three").await["texts"],
        json!([r#"Turn 3: you said "three""#]),
        "it does not come back"
    );
    assert_eq!(bridge.asks().len(), 5);
}
