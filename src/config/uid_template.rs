//! The template of a uid, read once.

use super::{channels::Scope, suggest};

/// A part of a uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    Channel,
    Tenant,
    Chat,
    User,
    Bot,
}

const PLACEHOLDERS: [(&str, Piece); 5] = [
    ("channel", Piece::Channel),
    ("tenant", Piece::Tenant),
    ("chat", Piece::Chat),
    ("user", Piece::User),
    ("bot", Piece::Bot),
];

/// What a uid is made of. The literal between two placeholders holds a `-`, so that people cannot meet in one uid by moving a
/// character from one part to the next; whoever fills it in must hash or escape a value that itself holds a `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidTemplate {
    pub pieces: Vec<Piece>,
}

/// What is wrong with a template, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub reason: String,
    pub hint: Option<String>,
}

impl TemplateError {
    fn new(reason: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { reason: reason.into(), hint: hint.into() }
    }
}

impl UidTemplate {
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let unbalanced = || TemplateError::new("has a `{` or `}` without its partner", None);
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('{') {
                let (name, after) = inside.split_once('}').ok_or_else(unbalanced)?;
                pieces.push(placeholder(name)?);
                rest = after;
            } else {
                let (literal, after) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
                if literal.contains('}') {
                    return Err(unbalanced());
                }
                if let Some(c) = literal.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
                    return Err(TemplateError::new(
                        format!("has the character {c:?}, which a uid cannot hold"),
                        Some("letters and digits of ASCII, `.`, `_` and `-`".into()),
                    ));
                }
                pieces.push(Piece::Literal(literal.into()));
                rest = after;
            }
        }
        Self { pieces }.separated()
    }

    /// The template of a scope that configures none.
    pub fn for_scope(scope: Scope) -> Self {
        let dash = Piece::Literal("-".into());
        let pieces = match scope {
            Scope::User => vec![Piece::Channel, dash, Piece::User],
            Scope::Chat | Scope::Thread => vec![Piece::Channel, dash, Piece::Chat],
            Scope::UserInChat => vec![Piece::Channel, dash.clone(), Piece::Chat, dash, Piece::User],
        };
        Self { pieces }
    }

    /// Refuses a template under which two contacts of `scope` would share a uid, and so read each other's conversation.
    pub fn tells_apart(&self, scope: Scope) -> Result<(), TemplateError> {
        let needed: &[(Piece, &str)] = match scope {
            Scope::User => &[(Piece::User, "{user}")],
            Scope::Chat | Scope::Thread => &[(Piece::Chat, "{chat}")],
            Scope::UserInChat => &[(Piece::Chat, "{chat}"), (Piece::User, "{user}")],
        };
        match needed.iter().find(|(piece, _)| !self.pieces.contains(piece)) {
            None => Ok(()),
            Some((_, name)) => Err(TemplateError::new(
                format!("lacks {name}: conversations that this channel's scope keeps apart would be one"),
                Some(format!("for example \"{}\"", scope.default_template())),
            )),
        }
    }

    fn separated(self) -> Result<Self, TemplateError> {
        let mut since: Option<String> = None;
        for piece in &self.pieces {
            match (piece, since.as_mut()) {
                (Piece::Literal(text), Some(between)) => between.push_str(text),
                (Piece::Literal(_), None) => {}
                (_, Some(between)) if !between.contains('-') => {
                    return Err(TemplateError::new(
                        "needs a `-` between two placeholders",
                        Some("for example \"{channel}-{user}\"".into()),
                    ));
                }
                (_, _) => since = Some(String::new()),
            }
        }
        Ok(self)
    }
}

fn placeholder(name: &str) -> Result<Piece, TemplateError> {
    let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
    known.map(|(_, piece)| piece.clone()).ok_or_else(|| {
        let names = PLACEHOLDERS.iter().map(|(n, _)| *n);
        let hint = suggest::closest(name, names).map(|n| format!("did you mean `{{{n}}}`?"));
        let all = "{channel}, {tenant}, {chat}, {user} and {bot}";
        TemplateError::new(format!("has an unknown placeholder; there are {all}"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_of_each_scope_is_a_good_template() {
        for scope in [Scope::User, Scope::Chat, Scope::Thread, Scope::UserInChat] {
            let parsed = UidTemplate::parse(scope.default_template()).unwrap();
            assert_eq!(parsed, UidTemplate::for_scope(scope));
            assert_eq!(parsed.tells_apart(scope), Ok(()));
        }
    }

    #[test]
    fn what_could_mix_people_up_is_refused() {
        for bad in [
            "{channel}{user}",
            "{channel}_{user}",
            "{usr}",
            "{user",
            "user}",
            "{}",
            "a b-{user}",
            "é{user}",
            "{chat}-{bot}{user}",
        ] {
            assert!(UidTemplate::parse(bad).is_err(), "{bad}");
        }
        for good in ["{user}", "x.{user}", "{channel}_-_{user}", "{bot}-{channel}-{tenant}-{chat}-{user}"] {
            assert!(UidTemplate::parse(good).is_ok(), "{good}");
        }
        assert!(UidTemplate::parse("{channel}").unwrap().tells_apart(Scope::User).is_err());
        assert!(UidTemplate::parse("{chat}").unwrap().tells_apart(Scope::UserInChat).is_err());
    }
}
