//! What is said: Discord's marks for people, channels, roles, emoji and times as words
//! (<https://docs.discord.com/developers/reference#message-formatting>), and the bot's own name taken out.

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::normalize::name_of;
use crate::channels::discord::places::Places;
use crate::channels::discord::wire::User;

/// What marks mean.
pub(super) struct Names<'a> {
    /// Whose name is no part of what is said.
    pub(super) taken_out: Option<Snowflake>,
    /// The same of a role.
    pub(super) own_role: Option<Snowflake>,
    /// Those that the message mentions.
    pub(super) users: &'a [User],
    pub(super) guild: Option<Snowflake>,
    pub(super) places: &'a Places,
}

/// `<…>`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark<'a> {
    User(Snowflake),
    Role(Snowflake),
    Channel(Snowflake),
    Emoji(&'a str),
    Command(&'a str),
    /// Seconds since 1970.
    Time(i64),
}

/// Whether a text mentions a user.
pub(super) fn mentions(text: &str, user: Snowflake) -> bool {
    text.contains("<@") && marks(text).iter().any(|(_, mark)| *mark == Mark::User(user))
}

/// The channels that a text mentions.
pub(super) fn channels(text: &str) -> Vec<Snowflake> {
    let channel = |(_, mark)| match mark {
        Mark::Channel(id) => Some(id),
        _ => None,
    };
    marks(text).into_iter().filter_map(channel).collect()
}

/// The marks of a text, but for those in code, where they are shown as they are.
fn marks(text: &str) -> Vec<(Range<usize>, Mark<'_>)> {
    let bytes = text.as_bytes();
    let (mut marks, mut at) = (Vec::new(), 0);
    while let Some(ahead) = bytes[at..].iter().position(|byte| matches!(byte, b'\\' | b'`' | b'<')) {
        at += ahead;
        at = match bytes[at] {
            b'\\' => at + 1 + usize::from(bytes.get(at + 1).is_some_and(u8::is_ascii_punctuation)),
            b'`' => code(bytes, at),
            _ => match mark(&text[at..]) {
                Some((length, mark)) => {
                    marks.push((at..at + length, mark));
                    at + length
                }
                None => at + 1,
            },
        };
    }
    marks
}

/// The end of the code that begins with a backtick, or of the backticks where no code does.
fn code(bytes: &[u8], at: usize) -> usize {
    let run = |from: usize| bytes[from..].iter().take_while(|byte| **byte == b'`').count();
    let ticks = run(at);
    let mut from = at + ticks;
    if ticks >= 3 {
        // A block ends with the next three, wherever in the line they are.
        let inside = &bytes[at + 3..];
        let end = inside
            .windows(3)
            .enumerate()
            .position(|(before, end)| end == b"```" && inside[..before].iter().any(|byte| *byte != b'\n'));
        if let Some(length) = end {
            return at + 3 + length + 3;
        }
    }
    while let Some(ahead) = bytes[from..].iter().position(|byte| *byte == b'`') {
        let found = run(from + ahead);
        from += ahead + found;
        if found == ticks {
            return from;
        }
    }
    at + ticks
}

/// The longest mark: a command of three words of 32 characters each, and an id.
const LONGEST: usize = 3 * 32 * 4 + 32;

/// The mark that a text begins with, and its length in bytes.
fn mark(text: &str) -> Option<(usize, Mark<'_>)> {
    let end = text.bytes().take(LONGEST).position(|byte| byte == b'>')?;
    let inside = text[..end].strip_prefix('<')?;
    let mark = if let Some(role) = inside.strip_prefix("@&") {
        Mark::Role(id(role)?)
    } else if let Some(user) = inside.strip_prefix('@') {
        Mark::User(id(user.strip_prefix('!').unwrap_or(user))?)
    } else if let Some(channel) = inside.strip_prefix('#') {
        Mark::Channel(id(channel)?)
    } else if let Some(command) = inside.strip_prefix('/') {
        let (name, number) = command.rsplit_once(':')?;
        id(number)?;
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '\'');
        Mark::Command(Some(name).filter(|name| !name.is_empty() && name.chars().all(is_name))?)
    } else if let Some(time) = inside.strip_prefix("t:") {
        let (seconds, style) = time.split_once(':').unwrap_or((time, "f"));
        let is_style = style.len() == 1 && style.bytes().all(|byte| byte.is_ascii_alphabetic());
        Mark::Time(seconds.parse().ok().filter(|_| is_style)?)
    } else {
        let (name, number) = inside.strip_prefix("a:").or_else(|| inside.strip_prefix(':'))?.split_once(':')?;
        id(number)?;
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        Mark::Emoji(Some(name).filter(|name| !name.is_empty() && name.chars().all(is_name))?)
    };
    Some((end + 1, mark))
}

fn id(text: &str) -> Option<Snowflake> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Snowflake)
}

impl Names<'_> {
    /// What is written for a mark; `None`: nothing, it is the bot that is spoken to.
    fn word(&self, mark: Mark<'_>, source: &str) -> Option<String> {
        let word = match mark {
            Mark::User(user) if self.taken_out == Some(user) => return None,
            Mark::Role(role) if self.own_role == Some(role) => return None,
            Mark::User(id) => {
                let user = self.users.iter().find(|user| user.id == id);
                let name = user.and_then(|user| name_of(user, user.member.as_ref()));
                format!("@{}", name.unwrap_or("user"))
            }
            Mark::Role(id) => {
                let name = self.guild.and_then(|guild| self.places.role(guild, id));
                let name = name.as_deref().unwrap_or("role");
                format!("@{}", name.strip_prefix('@').unwrap_or(name))
            }
            Mark::Channel(id) => {
                let place = self.places.place(id);
                format!("#{}", place.as_ref().and_then(|place| place.name.as_deref()).unwrap_or("channel"))
            }
            Mark::Emoji(name) => format!(":{name}:"),
            Mark::Command(name) => format!("/{name}"),
            Mark::Time(seconds) => match jiff::Timestamp::from_second(seconds) {
                Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
                Err(_) => source.to_owned(),
            },
        };
        Some(word)
    }
}

/// The text with words for its marks, without the bot's name and the comma or colon that set it off.
pub(super) fn said(text: &str, names: &Names<'_>) -> String {
    let marks = if text.contains('<') { marks(text) } else { Vec::new() };
    let mut said = String::with_capacity(text.len());
    let mut from = 0;
    for (range, mark) in marks {
        // What set off a name before may have been taken out up to here.
        said.push_str(&text[from..range.start]);
        from = range.end;
        if let Some(word) = names.word(mark, &text[range.clone()]) {
            said.push_str(&word);
            continue;
        }
        if said.trim().is_empty() {
            said.clear();
            let rest = text[from..].trim_start().trim_start_matches([',', ':', '，', '：', '、']);
            from = text.len() - rest.trim_start().len();
        } else if text[from..].trim_start().is_empty() || text[from..].starts_with(['?', '!', '.', '？', '！', '。'])
        {
            // "what is tea, @bot?" has a comma too many as well.
            said.truncate(said.trim_end().trim_end_matches([',', '，', '、']).trim_end().len());
        } else if said.ends_with(char::is_whitespace) {
            // "ask @bot about it" has one space too many without the name.
            from = text.len() - text[from..].trim_start_matches(' ').len();
        }
    }
    said.push_str(&text[from..]);
    said.trim().to_owned()
}

/// The longest name of a thread, in characters; Discord takes a hundred
/// (<https://docs.discord.com/developers/resources/channel#start-thread-from-message>).
const LONGEST_TITLE: usize = 90;

/// A name for the thread that a question opens: its first line that says something, without its markup.
pub(super) fn title(text: &str) -> String {
    text.lines()
        .map(plain)
        .find(|line| line.chars().any(char::is_alphanumeric))
        .map_or_else(|| "Question".to_owned(), |line| shortened(&line).into_owned())
}

fn plain(line: &str) -> String {
    let mut line = line.trim_start();
    // The language of a block of code.
    if line.strip_prefix("```").is_some_and(|rest| !rest.contains([' ', '`'])) {
        return String::new();
    }
    while let Some(rest) = BEGINNINGS.iter().find_map(|mark| line.strip_prefix(mark)) {
        line = rest.trim_start();
    }
    let line = ["**", "__", "~~", "||", "`"].iter().fold(line.to_owned(), |line, mark| line.replace(mark, ""));
    let words = line.split_whitespace().map(|word| emphasis_off(word).replace(char::is_control, ""));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Without the stars and underscores at the ends of its parts, as in `*tea*?`; those in `2*3` and `a_b` stand for themselves.
fn emphasis_off(word: &str) -> String {
    let all: Vec<char> = word.chars().collect();
    let within = |at: usize| at.checked_sub(1).and_then(|before| all.get(before)).zip(all.get(at + 1));
    let stays = |at: usize| within(at).is_some_and(|(one, two)| one.is_alphanumeric() && two.is_alphanumeric());
    let kept = all.iter().enumerate().filter(|(at, c)| !matches!(c, '*' | '_') || stays(*at));
    kept.map(|(_, c)| *c).collect()
}

/// What marks a line as a whole.
const BEGINNINGS: &[&str] = &["# ", "## ", "### ", "-# ", "> ", ">>> ", "- ", "* "];

/// Cut between words where there are any, and never within what is one sign to the eye.
fn shortened(line: &str) -> Cow<'_, str> {
    if line.chars().count() <= LONGEST_TITLE {
        return line.into();
    }
    let (mut end, mut length) = (0, 0);
    for (at, sign) in line.grapheme_indices(true) {
        length += sign.chars().count();
        if length >= LONGEST_TITLE {
            break;
        }
        end = at + sign.len();
    }
    let cut = &line[..end];
    // A word that takes up half of it is cut.
    let words = cut.rfind(' ').filter(|at| *at > end / 2).map_or(cut, |at| &cut[..at]);
    format!("{}…", words.trim_end()).into()
}
