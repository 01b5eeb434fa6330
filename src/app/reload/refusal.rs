//! How a mistake is told where strangers may read it.

use std::path::Path;

use crate::config::{Mistake, Origin};

/// The file that the configuration was read from is not there any more.
pub(super) fn gone(file: &Path) -> Mistake {
    let reason = format!("{}, which was loaded before, is gone", file.display());
    Mistake::new(Origin::Nowhere, "", reason).hint("put it back, or restart the bridge to go on without it".to_owned())
}

/// Something that is not the configuration's fault.
pub(super) fn internal(what: &str) -> Mistake {
    Mistake::new(Origin::Nowhere, "", format!("cannot be reloaded: {what}"))
}

/// The key and the reason, without values and paths: `/readyz` may be public. The log says it all.
pub(super) fn for_strangers(mistake: &Mistake) -> String {
    let reason = without_values(&mistake.reason);
    if mistake.key.is_empty() { reason } else { format!("{} {reason}", mistake.key) }
}

/// Takes out what stands in double quotes, and words with a slash.
fn without_values(reason: &str) -> String {
    let parts = reason.split('"').enumerate();
    let unquoted: String = parts.map(|(n, part)| if n % 2 == 0 { part } else { "…" }).collect();
    let words = unquoted.split(' ').map(|word| if word.contains(['/', '\\']) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::for_strangers;
    use crate::config::{Mistake, Origin};

    #[test]
    fn values_and_paths_are_left_out() {
        for (reason, shown) in [
            ("names /run/secrets/token, which does not exist", "bots.main.api_key names … which does not exist"),
            ("must be one of a, b, not \"my secret\" here", "bots.main.api_key must be one of a, b, not … here"),
            ("must be at least 1", "bots.main.api_key must be at least 1"),
            ("names \"an unclosed quote", "bots.main.api_key names …"),
        ] {
            let mistake = Mistake::new(Origin::Env { name: "X".into() }, "bots.main.api_key", reason);
            assert_eq!(for_strangers(&mistake), shown);
        }
    }
}
