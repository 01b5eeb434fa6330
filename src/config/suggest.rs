//! "Did you mean".

/// The candidate that `given` most likely is a slip of.
pub(super) fn closest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let given = plain(given);
    candidates
        .map(|c| (strsim::normalized_damerau_levenshtein(&given, &plain(c)), c))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// "did you mean", ready for a hint.
pub(super) fn did_you_mean<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    closest(given, candidates).map(|c| format!("did you mean `{c}`?"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let near = |given| super::closest(given, ["max_in_flight", "max_age", "user_rate"].into_iter());
        assert_eq!(near("max_in_flihgt"), Some("max_in_flight"));
        assert_eq!(near("Max-Age"), Some("max_age"));
        assert_eq!(near("colour"), None);
    }
}
