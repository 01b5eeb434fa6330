//! `check`: everything that could be wrong, looked at. What is looked at is [`doctor`]'s; how it is told is here.

use crate::app::App;
use crate::app::doctor::{self, Level, Look};
use crate::cli::output::Output;
use crate::cli::{ConfigFile, Exit, help, missing};
use crate::config::{Mistakes, Sources};

#[derive(clap::Args)]
#[command(after_help = help::CHECK)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Also try every connection: CaiGunn with each bot's key, every channel's platform, every proxy, and the clock against
    /// CaiGunn's. Nobody's messages are taken.
    #[arg(long)]
    online: bool,
    /// One JSON object a line: `leg`, `subject`, `ok`, `level` (ok, warn, wrong), `what`, `hint`.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(app: &App, args: Args) -> Exit {
    let sources = Sources::of_process(args.file.config.clone());
    let loaded = match app.load(&sources) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            tell(&[], &[&mistakes], &args);
            return Exit::Usage;
        }
    };
    if let Some(text) = missing(&loaded, &sources) {
        if args.json {
            let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
            Output::line(&json(&Look::no_configuration(what, hint)));
        } else {
            Output::error(&text);
        }
        return Exit::Usage;
    }
    let looks = doctor::examine(app, &loaded, args.online).await;
    let broken: Vec<&Mistakes> = loaded.broken.values().collect();
    tell(&looks, &broken, &args);
    match (broken.is_empty(), looks.iter().any(|look| look.level == Level::Wrong)) {
        (false, _) => Exit::Usage,
        (true, true) => Exit::Findings,
        (true, false) => Exit::Ok,
    }
}

fn tell(looks: &[Look], broken: &[&Mistakes], args: &Args) {
    let mistakes = broken.iter().flat_map(|mistakes| &mistakes.0).map(Look::mistake);
    if args.json {
        for look in looks.iter().cloned().chain(mistakes) {
            Output::line(&json(&look));
        }
        return;
    }
    for look in looks {
        Output::line(&human(look));
    }
    for mistakes in broken {
        Output::error(&mistakes.to_string());
    }
    let levels: Vec<Level> = looks.iter().map(|look| look.level).chain(mistakes.map(|look| look.level)).collect();
    let more = match levels.contains(&Level::Wrong) || args.online {
        true => "",
        false => " (--online tries every connection, too)",
    };
    Output::line(&format!("\n{}{more}", sum(&levels)));
}

fn human(look: &Look) -> String {
    let mark = match look.level {
        Level::Ok => "ok   ",
        Level::Warn => "warn ",
        Level::Wrong => "WRONG",
    };
    let hint = look.hint.as_ref().map(|hint| format!("\n      hint: {hint}")).unwrap_or_default();
    format!("{mark} {}{hint}", look.what)
}

fn json(look: &Look) -> String {
    let Look { leg, subject, level, what, hint } = look;
    serde_json::json!({
        "leg": leg.as_str(),
        "subject": subject,
        "ok": *level != Level::Wrong,
        "level": level.as_str(),
        "what": what,
        "hint": hint,
    })
    .to_string()
}

/// "2 wrong, 1 warning".
fn sum(levels: &[Level]) -> String {
    let count = |wanted: Level| levels.iter().filter(|level| **level == wanted).count();
    let warnings = match count(Level::Warn) {
        0 => None,
        1 => Some("1 warning".to_owned()),
        n => Some(format!("{n} warnings")),
    };
    let wrong = Some(count(Level::Wrong)).filter(|wrong| *wrong > 0).map(|wrong| format!("{wrong} wrong"));
    let both: Vec<String> = wrong.into_iter().chain(warnings).collect();
    if both.is_empty() { "all good".to_owned() } else { both.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::sum;
    use crate::app::doctor::Level::{Ok, Warn, Wrong};

    #[test]
    fn the_last_line_sums_up() {
        for (levels, said) in [
            (vec![], "all good"),
            (vec![Ok, Ok], "all good"),
            (vec![Ok, Warn], "1 warning"),
            (vec![Wrong, Ok, Warn, Warn, Wrong], "2 wrong, 2 warnings"),
        ] {
            assert_eq!(sum(&levels), said);
        }
    }
}
