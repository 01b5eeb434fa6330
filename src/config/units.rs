//! Durations and byte sizes as a person writes them.

use std::{borrow::Cow, fmt, ops::Deref, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The JSON schema `format` of a [`HumanDuration`]. Not `duration`: editors know that one as ISO 8601 and would mark `10s`.
pub(super) const DURATION_FORMAT: &str = "human-duration";
/// The JSON schema `format` of a [`ByteSize`].
pub(super) const BYTES_FORMAT: &str = "bytes";

const DURATION_UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const BYTE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Why a duration or a size could not be read; never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("is empty")]
    Empty,
    #[error("needs a unit")]
    NoUnit,
    #[error("has an unknown unit")]
    UnknownUnit,
    #[error("does not start with a number")]
    NoNumber,
    #[error("is too large")]
    TooLarge,
}

/// A duration written as `500ms`, `30s`, `1h30m`, `7d` or `0`; whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HumanDuration(Duration);

impl HumanDuration {
    pub const fn from_millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    pub const fn from_secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    pub const fn from_mins(n: u64) -> Self {
        Self::from_secs(n * 60)
    }

    pub const fn from_days(n: u64) -> Self {
        Self::from_secs(n * 86_400)
    }

    pub const fn get(self) -> Duration {
        self.0
    }

    /// Reads `500ms`, `1h30m`, `0`.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(UnitError::Empty);
        }
        if rest.bytes().all(|b| b == b'0') {
            return Ok(Self::default());
        }
        let mut millis = 0_u64;
        while !rest.is_empty() {
            let (part, after) = number_and_unit(rest, &DURATION_UNITS)?;
            millis = millis.checked_add(part).ok_or(UnitError::TooLarge)?;
            rest = after;
        }
        // SQLite and the clock count in signed milliseconds.
        if i64::try_from(millis).is_err() {
            return Err(UnitError::TooLarge);
        }
        Ok(Self::from_millis(millis))
    }
}

impl From<Duration> for HumanDuration {
    fn from(value: Duration) -> Self {
        Self(value)
    }
}

impl Deref for HumanDuration {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // Weeks are read but not written: `30d` and `7d` are easier on the eye than `4w2d`.
        write_largest(f, millis, &DURATION_UNITS[1..])
    }
}

impl fmt::Debug for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number of bytes written as `512KiB`, `20MiB`, `1GB` or `1024`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// The size as a length in memory; saturates on a 32-bit machine.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads `20MiB`, `1GB`, `1024`. Upper and lower case are alike.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UnitError::Empty);
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Self).map_err(|_| UnitError::TooLarge);
        }
        match number_and_unit(text, &BYTE_UNITS)? {
            (n, "") => Ok(Self(n)),
            _ => Err(UnitError::UnknownUnit),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_largest(f, self.0, &BYTE_UNITS)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn number_and_unit<'a>(text: &'a str, units: &[(&str, u64)]) -> Result<(u64, &'a str), UnitError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::NoNumber);
    }
    let rest = rest.trim_start();
    let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (unit, rest) = rest.split_at(letters);
    if unit.is_empty() && rest.is_empty() {
        return Err(UnitError::NoUnit);
    }
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(UnitError::UnknownUnit)?;
    let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
    Ok((number.checked_mul(*factor).ok_or(UnitError::TooLarge)?, rest.trim_start()))
}

fn write_largest(f: &mut fmt::Formatter<'_>, n: u64, units: &[(&str, u64)]) -> fmt::Result {
    match units.iter().find(|(_, factor)| n != 0 && n.is_multiple_of(*factor)) {
        Some((unit, factor)) => write!(f, "{}{unit}", n / factor),
        None => write!(f, "{n}"),
    }
}

macro_rules! as_text {
    ($type:ident, $name:literal, $format:expr, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

as_text!(HumanDuration, "HumanDuration", DURATION_FORMAT, "^(0+|([0-9]+ *([Mm][Ss]|[SsMmHhDdWw]) *)+)$");
as_text!(ByteSize, "ByteSize", BYTES_FORMAT, "^[0-9]+ *([KkMmGgTt]?[Ii]?[Bb])?$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(HumanDuration::parse(text), Ok(HumanDuration::from_millis(millis)), "{text}");
        }
        for (text, error) in [
            ("", UnitError::Empty),
            ("10", UnitError::NoUnit),
            ("1h30", UnitError::NoUnit),
            ("10 minutes", UnitError::UnknownUnit),
            ("1.5s", UnitError::UnknownUnit),
            ("-1s", UnitError::NoNumber),
            ("soon", UnitError::NoNumber),
            ("99999999999999999999s", UnitError::TooLarge),
            ("9999999999999999d", UnitError::TooLarge),
        ] {
            assert_eq!(HumanDuration::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("1024", 1024), ("20MiB", 20 << 20), ("1gb", 1_000_000_000), ("5 KiB", 5120)] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize::bytes(bytes)), "{text}");
        }
        for text in ["", "MiB", "1 potato", "1MiB2", "99999999999TiB", "-1", "1.5GB"] {
            assert!(ByteSize::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(n in 0..i64::MAX as u64) {
            proptest::prop_assert_eq!(HumanDuration::parse(&HumanDuration::from_millis(n).to_string()), Ok(HumanDuration::from_millis(n)));
            proptest::prop_assert_eq!(ByteSize::parse(&ByteSize::bytes(n).to_string()), Ok(ByteSize::bytes(n)));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = HumanDuration::parse(&text);
            let _ = ByteSize::parse(&text);
        }
    }
}
