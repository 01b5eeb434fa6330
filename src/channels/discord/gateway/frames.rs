//! What is said on the socket: payloads that come in, read no further than needed, and the three that go out
//! (<https://docs.discord.com/developers/events/gateway-events#payload-structure>).

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shard;

/// What came in.
#[derive(Debug)]
pub(super) enum Said<'a> {
    Dispatch {
        name: Cow<'a, str>,
        seq: Option<u64>,
        data: &'a RawValue,
    },
    /// The server wants a heartbeat at once.
    Beat,
    Reconnect,
    Invalid {
        resumable: bool,
    },
    Hello {
        interval: Duration,
    },
    Ack,
    /// Nothing that a client is told.
    Odd,
}

#[derive(Deserialize)]
struct Frame<'a> {
    op: u64,
    /// Raw, so that an odd one does not cost the event that it numbers.
    #[serde(borrow, default)]
    s: Option<&'a RawValue>,
    #[serde(borrow, default)]
    t: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Hello {
    heartbeat_interval: f64,
}

/// The least and the longest interval between heartbeats that is believed. Two a second are all that Discord takes
/// (<https://docs.discord.com/developers/events/gateway#rate-limiting>), and the login is to have room beside them.
const INTERVALS: (f64, f64) = (600.0, 600_000.0);

/// Reads a payload.
pub(super) fn read(text: &str) -> Said<'_> {
    let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else { return Said::Odd };
    let data = frame.d.unwrap_or(RawValue::NULL);
    match frame.op {
        0 => match frame.t {
            Some(name) => Said::Dispatch { name, seq: frame.s.and_then(|s| s.get().parse().ok()), data },
            None => Said::Odd,
        },
        1 => Said::Beat,
        7 => Said::Reconnect,
        9 => Said::Invalid { resumable: data.get() == "true" },
        10 => match serde_json::from_str::<Hello>(data.get()) {
            Ok(hello) => {
                let (least, most) = INTERVALS;
                let millis = hello.heartbeat_interval.clamp(least, most);
                Said::Hello { interval: Duration::from_secs_f64(millis / 1000.0) }
            }
            Err(_) => Said::Odd,
        },
        11 => Said::Ack,
        _ => Said::Odd,
    }
}

/// What of READY is needed here.
#[derive(Deserialize)]
pub(super) struct Ready<'a> {
    #[serde(borrow)]
    pub(super) session_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) resume_gateway_url: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Payload<T> {
    op: u8,
    d: T,
}

/// <https://docs.discord.com/developers/events/gateway-events#identify>
#[derive(Serialize)]
struct Identify<'a> {
    token: &'a str,
    intents: u64,
    properties: Properties,
    /// The least there is: lists of members are of no use here.
    large_threshold: u8,
    shard: [u16; 2],
}

#[derive(Serialize)]
struct Properties {
    os: &'static str,
    browser: &'static str,
    device: &'static str,
}

#[derive(Serialize)]
struct Resume<'a> {
    token: &'a str,
    session_id: &'a str,
    seq: u64,
}

fn payload<T: Serialize>(op: u8, d: T) -> String {
    // Texts and numbers always become JSON.
    serde_json::to_string(&Payload { op, d }).unwrap_or_default()
}

pub(super) fn heartbeat(seq: Option<u64>) -> String {
    payload(1, seq)
}

pub(super) fn identify(token: &str, intents: u64, shard: Shard) -> String {
    let name = "caigunn-bridge";
    let properties = Properties { os: std::env::consts::OS, browser: name, device: name };
    payload(2, Identify { token, intents, properties, large_threshold: 50, shard: [shard.number, shard.of] })
}

pub(super) fn resume(token: &str, session_id: &str, seq: u64) -> String {
    payload(6, Resume { token, session_id, seq })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn payloads_are_read_no_further_than_needed() {
        let Said::Dispatch { name, seq, data } = read(r#"{"op":0,"t":"X","s":7,"d":{"a" : [1,{}]},"more":1}"#) else {
            panic!("a dispatch");
        };
        assert_eq!((&*name, seq, data.get()), ("X", Some(7), r#"{"a" : [1,{}]}"#));
        assert!(matches!(read(r#"{"op":0,"t":"X","s":"seven","d":1}"#), Said::Dispatch { seq: None, .. }));
        assert!(matches!(read(r#"{"op":0,"t":"X\u0041"}"#), Said::Dispatch { name, seq: None, .. } if name == "XA"));
        assert!(matches!(read(r#"{"op":1,"d":null,"s":null,"t":null}"#), Said::Beat));
        assert!(matches!(read(r#"{"op":7,"d":null}"#), Said::Reconnect));
        assert!(matches!(read(r#"{"op":9,"d":true}"#), Said::Invalid { resumable: true }));
        assert!(matches!(read(r#"{"op":9,"d":false}"#), Said::Invalid { resumable: false }));
        assert!(matches!(read(r#"{"op":9}"#), Said::Invalid { resumable: false }));
        assert!(matches!(read(r#"{"op":11}"#), Said::Ack));
        for odd in ["", "[]", "{}", r#"{"op":99}"#, r#"{"op":-1}"#, r#"{"op":0,"t":null,"d":{}}"#, r#"{"op":10}"#] {
            assert!(matches!(read(odd), Said::Odd), "{odd}");
        }
    }

    #[test]
    fn an_interval_that_would_break_the_limit_is_not_kept() {
        let of = |millis: &str| match read(&format!(r#"{{"op":10,"d":{{"heartbeat_interval":{millis}}}}}"#)) {
            Said::Hello { interval } => interval,
            other => panic!("{other:?}"),
        };
        assert_eq!(of("41250"), Duration::from_millis(41_250));
        assert_eq!((of("0"), of("-5"), of("599.9")), (of("600"), of("600"), of("600")));
        assert_eq!(of("1e300"), Duration::from_secs(600));
    }

    #[test]
    fn what_goes_out_is_as_documented() {
        let os = std::env::consts::OS;
        assert_eq!(heartbeat(None), r#"{"op":1,"d":null}"#);
        assert_eq!(heartbeat(Some(251)), r#"{"op":1,"d":251}"#);
        assert_eq!(
            identify("t", 513, Shard { number: 1, of: 4 }),
            format!(
                r#"{{"op":2,"d":{{"token":"t","intents":513,"properties":{{"os":"{os}","browser":"caigunn-bridge","device":"caigunn-bridge"}},"large_threshold":50,"shard":[1,4]}}}}"#
            )
        );
        assert_eq!(resume("t", "s", 9), r#"{"op":6,"d":{"token":"t","session_id":"s","seq":9}}"#);
    }
}
