//! What Telegram makes of a text and entities that are well formed: cleaned, trimmed, nested as its rules allow
//! (<https://core.telegram.org/bots/api#formatting-options>; tdlib's `fix_formatted_text`).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Entity, Parsed};

/// `None` if nothing is left to send.
pub(super) fn mend(parsed: Parsed) -> Option<Parsed> {
    let Parsed { text, mut entities } = parsed;
    fix(&mut entities);
    let text = clean(&text, &mut entities);
    narrow(&text, &mut entities);
    fix(&mut entities);
    let parsed = trim(&text, entities);
    (!parsed.text.chars().all(invisible)).then_some(parsed)
}

pub(super) fn sort(entities: &mut [Entity]) {
    entities.sort_by_key(|entity| (entity.offset, Reverse(entity.length), priority(entity.kind)));
}

fn priority(kind: &str) -> usize {
    match kind {
        "blockquote" | "expandable_blockquote" => 0,
        "pre" => 11,
        "code" => 20,
        "text_link" | "text_mention" => 49,
        "bold" => 90,
        "italic" => 91,
        "underline" => 92,
        "strikethrough" => 93,
        "spoiler" => 94,
        _ => 99,
    }
}

fn splittable(kind: &str) -> bool {
    (90..=94).contains(&priority(kind))
}

fn quote(kind: &str) -> bool {
    priority(kind) == 0
}

fn pre(kind: &str) -> bool {
    matches!(kind, "pre" | "code")
}

/// Such an entity means something even where it covers white space only.
fn hidden(kind: &str) -> bool {
    pre(kind) || matches!(kind, "text_link" | "text_mention")
}

fn end(entity: &Entity) -> usize {
    entity.offset + entity.length
}

/// Drops what may not be nested, and splits and merges the rest.
fn fix(entities: &mut Vec<Entity>) {
    entities.retain(|entity| entity.length > 0);
    sort(entities);
    if valid(entities) {
        return;
    }
    let (split, rest): (Vec<_>, Vec<_>) = entities.drain(..).partition(|entity| splittable(entity.kind));
    let (quotes, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|entity| quote(entity.kind));
    let quotes = apart(quotes);
    let mut whole = apart(others);
    whole.retain(|entity| {
        quotes.iter().all(|quote| {
            end(quote) <= entity.offset
                || end(entity) <= quote.offset
                || (quote.offset <= entity.offset && end(entity) <= end(quote))
        })
    });
    whole.extend(quotes);
    sort(&mut whole);
    entities.extend(resplit(&split, &whole));
    entities.extend(whole);
    sort(entities);
}

fn apart(entities: Vec<Entity>) -> Vec<Entity> {
    let mut last = 0;
    let keep = |entity: &Entity| {
        let keep = entity.offset >= last;
        last = if keep { end(entity) } else { last };
        keep
    };
    entities.into_iter().filter(keep).collect()
}

/// Whether sorted entities can stay as they are.
fn valid(entities: &[Entity]) -> bool {
    let mut open: Vec<&Entity> = Vec::new();
    for (index, entity) in entities.iter().enumerate() {
        open.retain(|open| end(open) > entity.offset);
        if let Some(parent) = open.last() {
            let inside = |what: fn(&str) -> bool| open.iter().any(|open| what(open.kind));
            let link = |kind: &str| !splittable(kind) && !quote(kind) && !pre(kind);
            if end(entity) > end(parent)
                || open.iter().any(|open| open.kind == entity.kind)
                || pre(parent.kind)
                || (pre(entity.kind) && open.iter().any(|open| !quote(open.kind)))
                || (!splittable(entity.kind) && inside(link))
                || inside(splittable)
            {
                return false;
            }
        }
        let touches = |before: &Entity| before.kind == entity.kind && end(before) >= entity.offset;
        if splittable(entity.kind) && entities[..index].iter().any(touches) {
            return false;
        }
        open.push(entity);
    }
    true
}

/// Bold and its like are merged where they touch, cut wherever another entity begins or a link, quote or code ends, and are
/// not in code.
fn resplit(split: &[Entity], whole: &[Entity]) -> Vec<Entity> {
    let mut merged: Vec<Entity> = Vec::new();
    for entity in split {
        match merged.iter_mut().rev().find(|before| before.kind == entity.kind) {
            Some(before) if end(before) >= entity.offset => {
                before.length = end(before).max(end(entity)) - before.offset;
            }
            _ => merged.push(entity.clone()),
        }
    }
    let mut points: BTreeSet<usize> = merged.iter().map(|entity| entity.offset).collect();
    points.extend(whole.iter().flat_map(|entity| [entity.offset, end(entity)]));
    let mut pieces = Vec::new();
    for entity in &merged {
        let mut from = entity.offset;
        for to in points.range(from + 1..end(entity)).copied().chain([end(entity)]) {
            if !whole.iter().any(|whole| pre(whole.kind) && whole.offset <= from && from < end(whole)) {
                pieces.push(Entity { offset: from, length: to - from, ..entity.clone() });
            }
            from = to;
        }
    }
    pieces
}

/// Control characters become spaces, and some characters vanish.
fn clean(text: &str, entities: &mut Vec<Entity>) -> String {
    let mut cleaned = String::with_capacity(text.len());
    // Where each unit has moved to.
    let (mut moved, mut offset) = (Vec::with_capacity(text.len() + 1), 0);
    for c in text.chars() {
        moved.extend(std::iter::repeat_n(offset, c.len_utf16()));
        let c = match c {
            '\r' | '\u{2028}'..='\u{202e}' | '\u{333}' | '\u{33f}' | '\u{30a}' => continue,
            '\n' => '\n',
            '\0'..=' ' => ' ',
            c => c,
        };
        cleaned.push(c);
        offset += c.len_utf16();
    }
    moved.push(offset);
    for entity in entities.iter_mut() {
        let (from, to) = (moved[entity.offset], moved[end(entity)]);
        (entity.offset, entity.length) = (from, to - from);
    }
    entities.retain(|entity| entity.length > 0);
    cleaned
}

fn space(unit: u16) -> bool {
    unit == u16::from(b' ') || unit == u16::from(b'\n')
}

/// An entity does not begin with white space, and there is none of white space only.
fn narrow(text: &str, entities: &mut Vec<Entity>) {
    let units: Vec<u16> = text.encode_utf16().collect();
    let hidden_at: BTreeSet<usize> =
        entities.iter().filter(|entity| hidden(entity.kind)).map(|entity| entity.offset).collect();
    for entity in entities.iter_mut().filter(|entity| !hidden(entity.kind)) {
        if units[entity.offset..end(entity)].iter().all(|unit| space(*unit)) {
            let keeps = hidden_at.range(entity.offset..end(entity)).next().is_some();
            entity.length = if keeps { entity.length } else { 0 };
        }
        while entity.length > 0 && space(units[entity.offset]) && !hidden_at.contains(&entity.offset) {
            entity.offset += 1;
            entity.length -= 1;
        }
    }
    entities.retain(|entity| entity.length > 0);
}

/// Trailing white space goes; leading white space up to the first entity.
fn trim(text: &str, mut entities: Vec<Entity>) -> Parsed {
    let text = text.trim_end_matches([' ', '\n']);
    let last = super::units(text);
    entities.retain(|entity| entity.offset < last);
    for entity in &mut entities {
        entity.length = entity.length.min(last - entity.offset);
    }
    sort(&mut entities);
    let first = entities.first().map_or(usize::MAX, |entity| entity.offset);
    let lead = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\n')).count().min(first);
    for entity in &mut entities {
        entity.offset -= lead;
    }
    Parsed { text: text[lead..].to_owned(), entities }
}

/// What a text may not consist of alone (tdlib's `strip_empty_characters`).
fn invisible(c: char) -> bool {
    matches!(c,
        ' ' | '\n' | '\u{a0}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{202e}' | '\u{202f}' | '\u{205f}'
        | '\u{2800}' | '\u{3000}' | '\u{feff}' | '\u{fffc}' | '\u{e0000}'..='\u{e007f}')
}
