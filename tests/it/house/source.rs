//! Reads the paths out of a source file: comments and literals removed, `use` trees unfolded, `super` resolved.

/// A path into the crate, resolved: `super::super::stores::X` in `channels::http` is `stores`, `X`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) line: usize,
    /// Without `crate`; empty for the crate itself, `*` for a glob.
    pub(super) path: Vec<String>,
}

/// What would let code in past this test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    Path,
    Include,
    ExternSelf,
}

/// All paths that begin with `crate`, `super`, `self` or the library's name, in `use` and elsewhere.
pub(super) fn read(text: &str, module: &[String]) -> (Vec<Import>, Vec<(usize, Oddity)>) {
    let tokens = tokens(text);
    let word = |at: usize| match tokens.get(at) {
        Some((_, Token::Word(word))) => word.as_str(),
        _ => "",
    };
    let is = |at: usize, token: &Token| tokens.get(at).is_some_and(|(_, found)| found == token);
    let mut reader = Reader { tokens: &tokens, imports: Vec::new(), module: module.to_vec() };
    let mut oddities = Vec::new();
    // The inline modules around the place that is read, with the depth of braces outside each.
    let mut inside: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens[at].0;
        match &tokens[at].1 {
            Token::Symbol('{') => {
                if at >= 2 && word(at - 2) == "mod" {
                    reader.module.push(word(at - 1).to_owned());
                    inside.push(depth);
                }
                depth += 1;
            }
            Token::Symbol('}') => {
                depth -= 1;
                if inside.last() == Some(&depth) {
                    inside.pop();
                    reader.module.pop();
                }
            }
            Token::Symbol('[') if at > 0 && is(at - 1, &Token::Symbol('#')) && word(at + 1) == "path" => {
                oddities.push((line, Oddity::Path));
            }
            Token::Word(name) if name == "include" && is(at + 1, &Token::Symbol('!')) => {
                oddities.push((line, Oddity::Include));
            }
            Token::Word(name) if name == "extern" && word(at + 1) == "crate" && word(at + 2) == "self" => {
                oddities.push((line, Oddity::ExternSelf));
            }
            Token::Word(name) if matches!(name.as_str(), "crate" | "super" | "self" | "caigunn_bridge") => {
                // `::caigunn_bridge` is the library as well.
                let begins = at == 0 || name == "caigunn_bridge" || !is(at - 1, &Token::Separator);
                // `self as u8` is a value; `extern crate` and `pub(crate)` are no paths.
                let renamed = name != "self" && word(at + 1) == "as";
                if begins && (renamed || is(at + 1, &Token::Separator)) {
                    at = reader.tree(at, Vec::new());
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (reader.imports, oddities)
}

struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    imports: Vec<Import>,
    /// Where the path that is read stands, inline modules included.
    module: Vec<String>,
}

impl Reader<'_> {
    /// Reads a path or a tree of paths from `at`; what comes before it is in `path`. Returns where it ends.
    fn tree(&mut self, mut at: usize, mut path: Vec<String>) -> usize {
        let line = self.tokens[at].0;
        loop {
            match self.token(at) {
                Some(Token::Word(word)) => {
                    path.push(word.clone());
                    at += 1;
                    if self.token(at) != Some(&Token::Separator) {
                        break;
                    }
                    at += 1;
                }
                Some(Token::Symbol('*')) => {
                    path.push("*".to_owned());
                    at += 1;
                    break;
                }
                Some(Token::Symbol('{')) => {
                    at += 1;
                    while let Some(token) = self.token(at) {
                        match token {
                            Token::Symbol('}') => return at + 1,
                            Token::Word(_) | Token::Symbol('*' | '{') => at = self.tree(at, path.clone()),
                            _ => at += 1,
                        }
                        // `as name`
                        if matches!(self.token(at), Some(Token::Word(word)) if word == "as") {
                            at += 2;
                        }
                    }
                    return at;
                }
                // `Vec::<…>`: the path ends, what is in the brackets is read on its own.
                _ => break,
            }
        }
        if let Some(path) = self.resolve(&path) {
            self.imports.push(Import { line, path });
        }
        at
    }

    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|(_, token)| token)
    }

    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let (head, rest) = path.split_first()?;
        let mut resolved = match head.as_str() {
            "crate" | "caigunn_bridge" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module.split_last()?.1.to_vec(),
            _ => return None,
        };
        for segment in rest {
            match segment.as_str() {
                "super" => drop(resolved.pop()),
                "self" => {}
                _ => resolved.push(segment.clone()),
            }
        }
        Some(resolved)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Separator,
    Symbol(char),
    /// A string, a character, a number, a lifetime: nothing that a path is made of.
    Literal,
}

/// The tokens with their lines.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let char_at = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let (mut at, mut line, mut counted) = (0, 1, 0);
    while at < chars.len() {
        line += chars[counted..at].iter().filter(|c| **c == '\n').count();
        counted = at;
        let c = chars[at];
        let token = match c {
            _ if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '/' if char_at(at + 1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
                continue;
            }
            '/' if char_at(at + 1) == '*' => {
                at = block_comment(&chars, at);
                continue;
            }
            '"' => {
                at = quoted(&chars, at, '"');
                Token::Literal
            }
            // 'a' and '\n' are characters, 'a alone is a lifetime.
            '\'' if char_at(at + 1) == '\\' || char_at(at + 2) == '\'' => {
                at = quoted(&chars, at, '\'');
                Token::Literal
            }
            '\'' => {
                at += 1;
                while is_word(char_at(at)) {
                    at += 1;
                }
                Token::Literal
            }
            ':' if char_at(at + 1) == ':' => {
                at += 2;
                Token::Separator
            }
            _ if is_word(c) => {
                let start = at;
                while is_word(char_at(at)) {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
                match (word.as_str(), char_at(at)) {
                    ("r" | "br" | "cr", '"' | '#') if char_at(at + hashes) == '"' => {
                        at = raw_string(&chars, at + hashes + 1, hashes);
                        Token::Literal
                    }
                    ("b" | "c", '"') => {
                        at = quoted(&chars, at, '"');
                        Token::Literal
                    }
                    ("b", '\'') => {
                        at = quoted(&chars, at, '\'');
                        Token::Literal
                    }
                    // r#type is the word `type`.
                    ("r", '#') => {
                        at += 1;
                        continue;
                    }
                    _ if c.is_ascii_digit() => Token::Literal,
                    _ => Token::Word(word),
                }
            }
            _ => {
                at += 1;
                Token::Symbol(c)
            }
        };
        tokens.push((line, token));
    }
    tokens
}

/// Behind the comment that begins at `at`. Comments nest.
fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Behind the literal whose opening quote is at `at`.
fn quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Behind the raw string whose text begins at `at`.
fn raw_string(chars: &[char], mut at: usize, hashes: usize) -> usize {
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}
