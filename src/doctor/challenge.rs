//! Parses the challenges of a 401 as any server may write them (RFC 9110 §11.6.1).
//!
//! Knows no scheme and no parameter's meaning. Invariant: a parameter says whether its value stood in quotes,
//! because some clients read only the quoted form, and the doctor must see what they see.
//!
//! The grammar has a trap: a comma separates two parameters of one challenge, and also two challenges. In `Basic
//! realm="x", Bearer scope="y"` only what follows the word decides: `scope` is followed by `=`, so it is the name
//! of a parameter, and `Bearer` isn't, so it begins a challenge. And a scheme may be followed by a *token68* in
//! place of parameters, like the base64 of `Negotiate`, which may itself end with `=`.
//!
//! Clients in the field search for `Bearer` and for `name="..."` instead. The doctor needs the whole grammar: it
//! must say whether a header is wrong, or right and yet too much for those clients.

/// One challenge: a scheme and its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    /// The scheme as it was written. Schemes are compared without regard to case (RFC 9110 §11.1).
    pub(crate) scheme: String,
    /// The parameters in order. A token68 in their place is dropped, since `Bearer` has none.
    pub(crate) parameters: Vec<Parameter>,
}

/// One parameter of a challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Parameter {
    /// The name in lower case, because names are compared without regard to case (RFC 9110 §11.2).
    pub(crate) name: String,
    /// The value without its quotes and escapes. Bytes that aren't UTF-8 have been replaced: no client can use them.
    pub(crate) value: String,
    /// Whether the value stood in quotes.
    pub(crate) quoted: bool,
}

impl Challenge {
    /// The first parameter of this name. RFC 9110 §11.2 forbids a second one; most clients read the first.
    #[inline(never)]
    pub(crate) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

/// Parses the challenges of one field. Returns an empty list if the field holds none, and `None` if it can't be read.
///
/// It is looser than the grammar in a few places. Above all, a value without quotes may hold any visible byte but a
/// comma: the grammar allows only a token there, but servers write bare URLs, and clients read them. Each turn of the
/// loop reads one element of the list between two commas: a challenge with its first parameter, or one more
/// parameter of the challenge before.
#[inline(never)]
pub(crate) fn parse(field: &[u8]) -> Option<Vec<Challenge>> {
    let mut rest = Rest(field);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        // Empty elements of a list mean nothing (RFC 9110 §5.6.1).
        rest.skip(b" \t,");
        if rest.0.is_empty() {
            return Some(challenges);
        }
        let word = rest.token()?;
        let before = rest.0;
        rest.skip(b" \t");
        if rest.0.first() == Some(&b'=') {
            // `word` is a name, so this is a parameter of the last challenge. Without a challenge before it there
            // is no reading, and the result is `None`.
            let parameter = rest.parameter(word)?;
            challenges.last_mut()?.parameters.push(parameter);
        } else {
            challenges.push(Challenge { scheme: word, parameters: Vec::new() });
            // Behind the scheme there is a blank, or the element ends. `Bearer:` is neither.
            match before.first() {
                None | Some(b',') => continue,
                Some(b' ' | b'\t') => rest.skip_token68(),
                Some(_) => return None,
            }
            // The first parameter follows the scheme without a comma.
            if rest.0.first().is_none_or(|byte| *byte == b',') {
                continue;
            }
            let name = rest.token()?;
            rest.skip(b" \t");
            let parameter = rest.parameter(name)?;
            challenges.last_mut()?.parameters.push(parameter);
        }
        // Two parameters without a comma between them have no one reading: some clients see one, others two.
        rest.skip(b" \t");
        if rest.0.first().is_some_and(|byte| *byte != b',') {
            return None;
        }
    }
}

/// The part of a field that is still to be read. Each method takes something from its beginning.
struct Rest<'f>(&'f [u8]);

impl<'f> Rest<'f> {
    fn skip(&mut self, bytes: &[u8]) {
        let count = self.0.iter().take_while(|byte| bytes.contains(byte)).count();
        self.0 = &self.0[count..];
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'f [u8] {
        let count = self.0.iter().take_while(|byte| fits(**byte)).count();
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Takes a token (RFC 9110 §5.6.2): a scheme or a name.
    fn token(&mut self) -> Option<String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let token = self.take_while(fits);
        (!token.is_empty()).then(|| token.escape_ascii().to_string())
    }

    /// Takes a token68 (RFC 9110 §11.2), if there is one. It ends the challenge, so only a comma or the end may
    /// follow. `a=b` begins like a token68 too, with `a=`. But something follows it, so it is a parameter, and
    /// nothing is taken.
    fn skip_token68(&mut self) {
        let start = self.0;
        self.take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        self.skip(b"=");
        self.skip(b" \t");
        if self.0.first().is_some_and(|byte| *byte != b',') {
            self.0 = start;
        }
    }

    /// Takes what follows a parameter's name: `=`, and a value with or without quotes.
    fn parameter(&mut self, name: String) -> Option<Parameter> {
        self.0 = self.0.strip_prefix(b"=")?;
        self.skip(b" \t");
        let name = name.to_ascii_lowercase();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Some(quoted) = self.0.strip_prefix(b"\"") else {
            let value = self.take_while(|byte| byte.is_ascii_graphic() && byte != b',');
            return (!value.is_empty()).then(|| Parameter { name, value: text(value), quoted: false });
        };
        // A quoted-string (RFC 9110 §5.6.4): a backslash makes the next byte stand for itself. Without the closing
        // quote the iterator ends first, and there is no value.
        let (mut value, mut bytes) = (Vec::new(), quoted.iter());
        loop {
            match bytes.next()? {
                b'"' => break,
                b'\\' => value.push(*bytes.next()?),
                byte => value.push(*byte),
            }
        }
        self.0 = bytes.as_slice();
        Some(Parameter { name, value: text(&value), quoted: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with `scheme name="quoted" name=bare`, challenges parted by ` | `.
    #[track_caller]
    fn check(field: &str, expected: Option<&str>) {
        let written = parse(field.as_bytes()).map(|challenges| {
            let written = challenges.iter().map(|challenge| {
                let parameters = challenge.parameters.iter().map(|Parameter { name, value, quoted }| {
                    if *quoted { format!(" {name}={value:?}") } else { format!(" {name}={value}") }
                });
                format!("{}{}", challenge.scheme, parameters.collect::<String>())
            });
            written.collect::<Vec<_>>().join(" | ")
        });
        assert_eq!(written.as_deref(), expected, "{field}");
    }

    #[test]
    fn reads_every_form_that_the_grammar_has() {
        check("", Some(""));
        check("Bearer", Some("Bearer"));
        check("Bearer realm=\"x\"", Some("Bearer realm=\"x\""));
        check("bearer  REALM = \"a, b\" ,scope=read", Some("bearer realm=\"a, b\" scope=read"));
        check(r#"Bearer realm="a \"b\" \\""#, Some(r#"Bearer realm="a \"b\" \\""#));
        check("Bearer realm=\"\"", Some("Bearer realm=\"\""));
        check("Negotiate", Some("Negotiate"));
        check("Negotiate abc==", Some("Negotiate"));
        check("Negotiate abc=", Some("Negotiate"));
        check("Negotiate a/b+c, Basic realm=\"x\"", Some("Negotiate | Basic realm=\"x\""));
        check(
            "Basic realm=\"x\", charset=\"UTF-8\", Bearer a=\"1\",b=2",
            Some("Basic realm=\"x\" charset=\"UTF-8\" | Bearer a=\"1\" b=2"),
        );
        check(", ,Basic,, Bearer a=\"1\", ", Some("Basic | Bearer a=\"1\""));
        check("Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"", {
            Some("Newauth realm=\"apps\" type=1 title=\"Login to \\\"apps\\\"\" | Basic realm=\"simple\"")
        });
    }

    #[test]
    fn tells_a_bare_url_from_a_quoted_one() {
        check(
            "Bearer resource_metadata=http://h:1/x?y=z, scope=\"a b\"",
            Some("Bearer resource_metadata=http://h:1/x?y=z scope=\"a b\""),
        );
        check("Bearer resource_metadata='http://h/x'", Some("Bearer resource_metadata='http://h/x'"));
    }

    #[test]
    fn refuses_what_has_no_one_reading() {
        for field in [
            "=x",
            "realm=\"x\"",
            "Bearer realm=\"x",
            "Bearer realm=\"x\\",
            "Bearer realm=\"x\" scope=\"y\"",
            "Bearer scope=a b",
            "Bearer \"x\"",
            "Bearer: realm=\"x\"",
            "\u{e9}",
        ] {
            check(field, None);
        }
    }
}
