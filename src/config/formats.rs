//! The checks of single values: lengths, ranges and the formats that our schemas name.

use serde_json::{Number, Value};

use super::{
    accounts::{BASE_URL_FORMAT, check_base_url},
    mistake::quote,
    names::{LANGUAGE_FORMAT, NAME_FORMAT, is_language, is_name},
    server::ADDRESS_FORMAT,
    shape::{format, is_secret, text},
    units::{BYTES_FORMAT, ByteSize, DURATION_FORMAT, HumanDuration, UnitError},
};

type Problem = (String, Option<String>);

/// What is wrong with a string. A secret's value is never quoted.
pub(super) fn check_string(schema: &Value, given: &str) -> Result<(), Problem> {
    let length = given.chars().count() as u64;
    let bound = |key| schema.get(key).and_then(Value::as_u64);
    if let Some(least) = bound("minLength").filter(|n| length < *n) {
        let reason = if length == 0 { "is empty".into() } else { format!("is shorter than {least} characters") };
        return Err((reason, None));
    }
    if let Some(most) = bound("maxLength").filter(|n| length > *n) {
        return Err((format!("is longer than {most} characters"), None));
    }
    if is_secret(schema) && given.chars().any(char::is_control) {
        return Err(("holds a control character, such as a line break".into(), None));
    }
    match format(schema) {
        DURATION_FORMAT => in_range(schema, given, HumanDuration::parse, "500ms, 30s, 15m, 1h, 30d", "s"),
        BYTES_FORMAT => in_range(schema, given, ByteSize::parse, "512KiB, 20MiB, 1GB", "MiB"),
        ADDRESS_FORMAT if given.parse::<std::net::SocketAddr>().is_err() => {
            let hint = "an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080";
            Err((format!("is not an address: {}", quote(given)), Some(hint.into())))
        }
        // Not quoted: an address can hold a password.
        BASE_URL_FORMAT => {
            let hint = "such as https://caigunn-api.ap-mic.com";
            check_base_url(given).map_err(|reason| (reason.into(), Some(hint.into())))
        }
        LANGUAGE_FORMAT | NAME_FORMAT => name_problem(schema, given).map_or(Ok(()), Err),
        _ => Ok(()),
    }
}

/// What is wrong with a name that the user chose.
pub(super) fn name_problem(schema: &Value, given: &str) -> Option<Problem> {
    match format(schema) {
        NAME_FORMAT if !is_name(given) => {
            let plain: String =
                given.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let hint = is_name(&plain).then(|| format!("for example `{plain}`"));
            Some((
                "is not a name: a small letter, then small letters, digits and single `_` between them, 64 at most"
                    .into(),
                hint,
            ))
        }
        LANGUAGE_FORMAT if !is_language(given) => {
            Some(("is not a language".into(), Some("a tag such as en, zh-TW".into())))
        }
        _ => None,
    }
}

fn in_range<T: Ord>(
    schema: &Value,
    given: &str,
    parse: impl Fn(&str) -> Result<T, UnitError>,
    examples: &str,
    unit: &str,
) -> Result<(), Problem> {
    let value = parse(given).map_err(|error| {
        let hint = match error {
            UnitError::NoUnit if given.trim().bytes().all(|b| b.is_ascii_digit()) => {
                format!("did you mean \"{}{unit}\"?", given.trim())
            }
            _ => format!("such as {examples}"),
        };
        (format!("{error}: {}", quote(given)), Some(hint))
    })?;
    let [least, most] = ["x-minimum", "x-maximum"].map(|key| text(schema, key));
    let below = parse(least).is_ok_and(|least| value < least);
    let above = parse(most).is_ok_and(|most| value > most);
    if below || above {
        return Err((format!("must be {}, not {}", range(least, most), quote(given)), None));
    }
    Ok(())
}

/// What is wrong with a number.
pub(super) fn check_number(schema: &Value, given: &Number) -> Result<(), String> {
    let sized = match format(schema) {
        "uint8" => Some((0.0, f64::from(u8::MAX))),
        "uint16" => Some((0.0, f64::from(u16::MAX))),
        "uint32" => Some((0.0, f64::from(u32::MAX))),
        "int32" => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        _ => None,
    };
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let least = bound("minimum").or(sized.map(|s| s.0));
    let most = bound("maximum").or(sized.map(|s| s.1));
    let value = given.as_f64().unwrap_or(f64::NAN);
    if least.is_some_and(|least| value < least) || most.is_some_and(|most| value > most) {
        let show = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
        return Err(format!("must be {}, not {given}", range(&show(least), &show(most))));
    }
    Ok(())
}

fn range(least: &str, most: &str) -> String {
    match (least, most) {
        (least, "") => format!("at least {least}"),
        ("", most) => format!("at most {most}"),
        (least, most) => format!("from {least} to {most}"),
    }
}

/// How a value of this schema is written, for a hint.
pub(super) fn example_of(schema: &Value) -> String {
    match format(schema) {
        DURATION_FORMAT => "in quotes and with a unit, such as \"10s\"".into(),
        BYTES_FORMAT => "in quotes, such as \"20MiB\"".into(),
        _ => "put it in quotes".into(),
    }
}
