//! A source taken apart: what of it is code, what a comment, and what a text between quotes.
//!
//! Knows no rule of the house, and of Rust only how its tokens begin and end.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Code,
    Comment,
    /// What stands between the quotes of a string or a character.
    Literal,
}

pub struct Piece<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// The number of the line on which it begins, from 1.
    pub line: usize,
}

/// The pieces of a Rust source, in order.
pub fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0); // of the code that is open; of what is looked at
    let (mut line, mut counted) = (1, 0);
    let mut piece = |kind, from: usize, to: usize| {
        line += source[counted..from].matches('\n').count();
        counted = from;
        Piece { kind, text: &source[from..to], line }
    };
    while at < source.len() {
        let rest = &source[at..];
        // Where the inside of a comment or literal begins and ends, and where what follows begins.
        let found = if rest.starts_with("//") {
            let end = at + rest.find('\n').unwrap_or(rest.len());
            Some((Kind::Comment, at, end, end))
        } else if rest.starts_with("/*") {
            let end = at + rest.find("*/").map_or(rest.len(), |end| end + 2);
            Some((Kind::Comment, at, end, end))
        } else if let Some(hashes) = raw_string(source, at) {
            let inside = at + "r".len() + hashes + "\"".len();
            let quote = format!("\"{}", "#".repeat(hashes));
            let end = inside + source[inside..].find(&quote).unwrap_or(source.len() - inside);
            Some((Kind::Literal, inside, end, (end + quote.len()).min(source.len())))
        } else if let Some(text) = rest.strip_prefix('"') {
            let end = at + 1 + end_of(text, '"');
            Some((Kind::Literal, at + 1, end, (end + 1).min(source.len())))
        } else if rest.starts_with("'\\") || rest.starts_with('\'') && rest.chars().nth(2) == Some('\'') {
            let end = at + 1 + end_of(&rest[1..], '\'');
            Some((Kind::Literal, at + 1, end, (end + 1).min(source.len())))
        } else {
            None
        };
        match found {
            Some((kind, from, to, next)) => {
                pieces.push(piece(Kind::Code, start, at));
                pieces.push(piece(kind, from, to));
                (start, at) = (next, next);
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    pieces.push(piece(Kind::Code, start, source.len()));
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// How many `#` a raw string has that begins at `at`.
fn raw_string(source: &str, at: usize) -> Option<usize> {
    let inside_a_word = source[..at].ends_with(|before: char| is_word(before) && before != 'b');
    let rest = source[at..].strip_prefix('r').filter(|_| !inside_a_word)?;
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// Where a literal ends whose inside this begins with: at the first quote without a backslash before it.
fn end_of(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.find(|letter: char| {
        let ends = letter == quote && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Whether a name can hold this letter.
pub fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A source with blanks in the place of its comments and literals: as long as before, and each line where it was.
pub fn code_alone(source: &str) -> String {
    let mut code = String::new();
    let mut end = 0;
    for piece in pieces(source).iter().filter(|piece| piece.kind == Kind::Code) {
        let start = piece.text.as_ptr().addr() - source.as_ptr().addr();
        code.extend(source[end..start].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        code += piece.text;
        end = start + piece.text.len();
    }
    code
}

/// The parameters of every function in a source, `self` left out.
pub fn parameters(source: &str) -> Vec<(String, usize)> {
    let code = code_alone(source);
    let starts = code.match_indices("fn ").filter(|(at, _)| !code[..*at].ends_with(is_word));
    let functions = starts.filter_map(|(at, keyword)| {
        let rest = &code[at + keyword.len()..];
        let name = rest.split(|letter| !is_word(letter)).next().filter(|name| !name.is_empty())?;
        let mut rest = &rest[name.len()..];
        if rest.starts_with('<') {
            rest = &rest[inside(rest).len() + 2..];
        }
        let list = inside(rest.trim_start());
        let mut parts = vec![String::new()];
        let mut depth = 0;
        for (at, letter) in list.char_indices() {
            match letter {
                '(' | '[' | '{' | '<' => depth += 1,
                '>' if list[..at].ends_with('-') => {}
                ')' | ']' | '}' | '>' => depth -= 1,
                ',' if depth == 0 => parts.push(String::new()),
                _ => {}
            }
            if letter != ',' || depth > 0 {
                parts.last_mut()?.push(letter);
            }
        }
        let is_self = |part: &str| {
            let name = part.split(':').next().unwrap_or_default();
            name.split(|letter| !is_word(letter)).next_back() == Some("self")
        };
        let count = parts.iter().filter(|part| !part.trim().is_empty() && !is_self(part)).count();
        Some((name.to_owned(), count))
    });
    functions.collect()
}

/// What stands between the bracket with which the code begins and its partner.
fn inside(code: &str) -> &str {
    let mut depth = 0;
    let end = code.char_indices().find(|(at, letter)| {
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if code[..*at].ends_with('-') => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map_or("", |(end, _)| &code[1..end])
}
