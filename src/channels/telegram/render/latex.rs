//! Formulas as models write them, `\(…\)` and `\[…\]`: Markdown would take their backslashes for escapes.

use std::ops::Range;

/// The longest formula that is looked for, in bytes.
const MAX_FORMULA: usize = 2048;

/// Where formulas are in a source, in order, with their brackets. One does not reach beyond its paragraph.
pub(super) fn formulas(source: &str) -> Vec<Range<usize>> {
    let (bytes, mut found, mut i) = (source.as_bytes(), Vec::new(), 0);
    while let Some(at) = source[i..].find('\\') {
        let start = i + at;
        i = start + 2;
        let close = match bytes.get(start + 1) {
            Some(b'(') => "\\)",
            Some(b'[') => "\\]",
            Some(byte) if byte.is_ascii() => continue,
            _ => {
                i = start + 1;
                continue;
            }
        };
        // Bounded, so that many openings without an end are not looked through again and again.
        let rest = &source[i..source.floor_char_boundary(i + MAX_FORMULA)];
        let paragraph = &rest[..rest.find("\n\n").unwrap_or(rest.len())];
        if let Some(end) = paragraph.find(close) {
            found.push(start..i + end + 2);
            i += end + 2;
        }
    }
    found
}

/// Whether a place in the source is part of a formula.
pub(super) fn contains(formulas: &[Range<usize>], place: usize) -> bool {
    let next = formulas.partition_point(|formula| formula.end <= place);
    formulas.get(next).is_some_and(|formula| formula.start <= place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_found_within_a_paragraph() {
        let source = r"so \(x_1 + \frac{a}{b}\) and \[ y \\ z \] but \\(no\\) nor \(open";
        let found: Vec<_> = formulas(source).into_iter().map(|range| &source[range]).collect();
        assert_eq!(found, [r"\(x_1 + \frac{a}{b}\)", r"\[ y \\ z \]"]);
        assert!(formulas("\\(a\n\nb\\)").is_empty());
        assert!(formulas("\\é \\").is_empty());
        let two = [2..5, 7..9];
        assert_eq!([1, 2, 4, 5, 8, 9].map(|place| contains(&two, place)), [false, true, true, false, true, false]);
    }
}
