//! Bold beside Chinese punctuation. CommonMark wants a space or punctuation behind the stars that close after punctuation, as
//! in `**note:** text`; Chinese has no such space, and models write `**注意：**文字` and mean bold
//! (<https://github.com/commonmark/commonmark-spec/issues/650>).

use std::borrow::Cow;

/// A character for internal use (Unicode calls it a noncharacter) that is no punctuation: put between punctuation and stars,
/// it lets them open and close. It never reaches a message.
pub const JOINER: char = '\u{fdd0}';

/// The source with joiners where Chinese, Japanese or Korean needs them.
pub fn joined(source: &str) -> Cow<'_, str> {
    let (mut joined, mut copied, mut from) = (String::new(), 0, 0);
    while let Some(at) = source[from..].find("**") {
        let start = from + at;
        let end = source.len() - source[start..].trim_start_matches('*').len();
        from = end;
        let (Some(before), Some(after)) = (source[..start].chars().next_back(), source[end..].chars().next()) else {
            continue;
        };
        if before.max(after) < '\u{2e80}' {
            continue;
        }
        let place = if is_punctuation(before) && after.is_alphanumeric() {
            start
        } else if before.is_alphanumeric() && is_punctuation(after) {
            end
        } else {
            continue;
        };
        joined.push_str(&source[copied..place]);
        joined.push(JOINER);
        copied = place;
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    joined.push_str(&source[copied..]);
    Cow::Owned(joined)
}

fn is_punctuation(c: char) -> bool {
    !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control() && c != '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_stand_inside_the_stars() {
        assert_eq!(joined("**注意：**文字").replace(JOINER, "+"), "**注意：+**文字");
        assert_eq!(joined("這是**「引用」**的").replace(JOINER, "+"), "這是**+「引用」+**的");
        assert_eq!(joined("**說明：**API").replace(JOINER, "+"), "**說明：+**API");
        for same in ["**bold:** text", "**粗體**文字", "** **", "a**", "**", "x (**b**)y", "數量 ** 2"] {
            assert!(matches!(joined(same), Cow::Borrowed(_)), "{same}");
        }
    }
}
