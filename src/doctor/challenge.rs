//! The challenges of a 401, read as any server may write them (RFC 9110 §11.6.1).
//!
//! Knows no scheme's meaning. Invariant: what is quoted is told from what isn't, since a client may read only the one.

/// One challenge: a scheme and its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// The scheme as it stands; schemes compare without case.
    pub scheme: String,
    /// The parameters in order. A token68 in their place is dropped: `Bearer` has none.
    pub parameters: Vec<Parameter>,
}

/// One parameter of a challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// The name in lower case: names compare without case.
    pub name: String,
    /// The value without its quotes and escapes.
    pub value: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

impl Challenge {
    /// The first parameter of this name.
    #[inline(never)]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

/// Reads the challenges of one field; `None` when they break the grammar in more than one forgivable way: an unquoted
/// value may hold any visible octet but a comma, since servers write bare URLs.
#[inline(never)]
pub fn parse(field: &[u8]) -> Option<Vec<Challenge>> {
    let mut rest = Rest(field);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest.skip(b" \t,");
        if rest.0.is_empty() {
            return Some(challenges);
        }
        let word = rest.token()?;
        let before = rest.0;
        rest.skip(b" \t");
        if rest.0.first() == Some(&b'=') {
            // A name, and so a parameter of the challenge that is open.
            let parameter = rest.parameter(word)?;
            challenges.last_mut()?.parameters.push(parameter);
        } else {
            challenges.push(Challenge { scheme: word, parameters: Vec::new() });
            match before.first() {
                None | Some(b',') => continue,
                Some(b' ' | b'\t') => rest.skip_token68(),
                Some(_) => return None,
            }
            // The first parameter follows the scheme without a comma.
            if rest.0.first().is_none_or(|octet| *octet == b',') {
                continue;
            }
            let name = rest.token()?;
            rest.skip(b" \t");
            let parameter = rest.parameter(name)?;
            challenges.last_mut()?.parameters.push(parameter);
        }
        rest.skip(b" \t");
        if rest.0.first().is_some_and(|octet| *octet != b',') {
            return None;
        }
    }
}

/// What of a field is still to be read.
struct Rest<'f>(&'f [u8]);

impl<'f> Rest<'f> {
    fn skip(&mut self, octets: &[u8]) {
        let count = self.0.iter().take_while(|octet| octets.contains(octet)).count();
        self.0 = &self.0[count..];
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'f [u8] {
        let count = self.0.iter().take_while(|octet| fits(**octet)).count();
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// RFC 9110 §5.6.2.
    fn token(&mut self) -> Option<String> {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
        let token = self.take_while(fits);
        (!token.is_empty()).then(|| token.escape_ascii().to_string())
    }

    /// Passes over a token68 (RFC 9110 §11.2), which ends the challenge; a name before `=` isn't one.
    fn skip_token68(&mut self) {
        let start = self.0;
        self.take_while(|octet| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet));
        self.skip(b"=");
        self.skip(b" \t");
        if self.0.first().is_some_and(|octet| *octet != b',') {
            self.0 = start;
        }
    }

    /// What follows a parameter's name: `=`, and a value with or without quotes.
    fn parameter(&mut self, name: String) -> Option<Parameter> {
        self.0 = self.0.strip_prefix(b"=")?;
        self.skip(b" \t");
        let name = name.to_ascii_lowercase();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let Some(quoted) = self.0.strip_prefix(b"\"") else {
            let value = self.take_while(|octet| octet.is_ascii_graphic() && octet != b',');
            return (!value.is_empty()).then(|| Parameter { name, value: text(value), quoted: false });
        };
        let (mut value, mut octets) = (Vec::new(), quoted.iter());
        loop {
            match octets.next()? {
                b'"' => break,
                b'\\' => value.push(*octets.next()?),
                octet => value.push(*octet),
            }
        }
        self.0 = octets.as_slice();
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
