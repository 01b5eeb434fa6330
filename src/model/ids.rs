//! Names and ids. A name comes from the configuration; an id is made by the bridge.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name! {
    /// The key of a `channels.<id>` section.
    ChannelId
}
name! {
    /// The key of a `bots.<name>` section.
    BotName
}
name! {
    /// What a platform keeps stable about one event (chat + message + edit date, an idempotency key, …). Unique per
    /// channel, and the ground of deduplication.
    EventKey
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; ids made later in one process sort later.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads the form that `Display` writes; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                let hex = text.strip_prefix($prefix)?;
                (hex.len() == 32).then(|| Uuid::try_parse(hex).ok().map(Self)).flatten()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.as_simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("not an id of the form ", $prefix, "…")))
            }
        }
    };
}

id! {
    /// One turn: what a person said (one message, or an album held together) and what became of it. The id that people,
    /// logs and the HTTP API see.
    TurnId, "msg_"
}
id! {
    /// One stored media file.
    MediaId, "med_"
}

#[cfg(test)]
mod tests {
    use super::TurnId;

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = TurnId::generate();
        assert_eq!(TurnId::parse(&id.to_string()), Some(id));
        for wrong in ["", "msg_", "med_0192b7d0a1b27c3d8e9f0a1b2c3d4e5f", "msg_0192b7d0-a1b2-7c3d-8e9f-0a1b2c3d4e5f"] {
            assert_eq!(TurnId::parse(wrong), None, "{wrong}");
        }
    }
}
