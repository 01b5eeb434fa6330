//! Times as the API spells them: ISO with microseconds and `Z` going out, several forms coming in.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// The present, in microseconds since 1970, `skew_ms` ahead.
pub(super) fn now(skew_ms: i64) -> i64 {
    Timestamp::now().as_microsecond() + skew_ms * 1_000
}

pub(super) fn show(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A date without leading zeros, as the documents' own `1970-1-1`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let date = Date::new(number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?).ok()?;
    parts.next().is_none().then_some(date)
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A bound: `now`, a date (its midnight), or a date and time with or without a zone (then UTC).
pub(super) fn parse_bound(text: &str, now: i64) -> Option<i64> {
    if text.eq_ignore_ascii_case("now") {
        return Some(now);
    }
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        return micros(parse_date(text)?, Time::midnight(), 0);
    };
    let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
        None => (time, 0),
        Some(at) => (&time[..at], parse_offset(&time[at..])?),
    };
    micros(parse_date(date)?, time.parse().ok()?, offset)
}

/// Seconds east of Greenwich.
fn parse_offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (number::<i64>(&digits)?, 0),
        4 => (number::<i64>(&digits[..2])?, number::<i64>(&digits[2..])?),
        _ => return None,
    };
    Some(sign * (hours * 3_600 + minutes * 60))
}

fn micros(date: Date, time: Time, offset: i64) -> Option<i64> {
    let at = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?;
    Some(at.timestamp().as_microsecond() - offset * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_in_every_documented_form() {
        let day = 86_400_000_000;
        for (text, expected) in [
            ("1970-1-1", Some(0)),
            ("1970-01-02", Some(day)),
            ("1970-01-02T00:00:00", Some(day)),
            ("1970-01-02 00:00:00.000001", Some(day + 1)),
            ("1970-01-02T00:00:00.5Z", Some(day + 500_000)),
            ("1970-01-02T08:00:00+08:00", Some(day)),
            ("1970-01-01T16:00:00-0800", Some(day)),
            ("now", Some(7)),
            ("1970-13-1", None),
            ("1970-1", None),
            ("1970-1-1-1", None),
            ("1970-01-01T25:00:00", None),
            ("1970-01-01T00:00:00+x", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_bound(text, 7), expected, "{text}");
        }
    }

    #[test]
    fn shown_times_have_six_digits_and_are_read_back() {
        assert_eq!(show(1_500_000), "1970-01-01T00:00:01.500000Z");
        assert_eq!(parse_bound(&show(1_700_000_000_123_456), 0), Some(1_700_000_000_123_456));
    }
}
