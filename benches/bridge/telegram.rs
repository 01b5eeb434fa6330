//! The Telegram channel, through a Bot API server of the bench's own, beside the least that teloxide can do.

pub(crate) mod echo;
pub(crate) mod server;

use anyhow::Result;

use crate::Plan;
use crate::child::{self, Bridge};
use crate::push::{Sides, compare};

pub(crate) async fn run(plan: &Plan) -> Result<()> {
    let stub = child::stub()?;
    let (for_echo, for_bridge) = (child::role(&["--as-telegram"])?, child::role(&["--as-telegram"])?);
    let echo = child::echo(&for_echo)?;
    // It polls the server; nothing limits it.
    let settings = [
        ("CHANNELS__TG__KIND", "telegram"),
        ("CHANNELS__TG__BOT", "main"),
        ("CHANNELS__TG__TOKEN", server::TOKEN),
        ("CHANNELS__TG__API_URL", &format!("http://{}", for_bridge.address)),
    ];
    let bridge = Bridge::start(&stub, &settings).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    compare(plan, "Telegram", "teloxide-core", Sides { stub, for_echo, echo, for_bridge, bridge }).await
}
