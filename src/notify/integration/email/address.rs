//! Lists of addresses as Go's `net/mail` reads them (RFC 5322 with its obsolete forms, groups, comments, UTF-8), with
//! Go's words for what is wrong.

use std::net::IpAddr;

/// An address and the name before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The name that is shown, without quotes; often empty.
    pub(super) name: String,
    /// Before the `@`, without quotes.
    pub(super) local: String,
    /// After the `@`, as it was written.
    pub(super) domain: String,
}

impl Address {
    /// As it stands in the envelope: quotes where they are needed, the domain in ASCII.
    pub(super) fn envelope(&self) -> String {
        let domain = ascii_domain(&self.domain);
        if is_dot_atom(&self.local) {
            format!("{}@{domain}", self.local)
        } else {
            format!("{}@{domain}", quoted(&self.local))
        }
    }
}

/// A domain in ASCII (IDNA); what cannot be one stays as it is.
pub(super) fn ascii_domain(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_owned();
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => ascii,
        Ok(_) | Err(_) => domain.to_owned(),
    }
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(|c| is_atext(c, false)))
}

/// Reads a list of addresses; those of groups are among them.
///
/// # Errors
/// Go's words.
pub(super) fn parse_list(text: &str) -> Result<Vec<Address>, String> {
    let mut parser = Parser { rest: text };
    let mut list = Vec::new();
    loop {
        parser.skip_space();
        if parser.consume(',') {
            continue;
        }
        list.append(&mut parser.address(true)?);
        parser.skip_comments()?;
        if parser.rest.is_empty() {
            return Ok(list);
        }
        if !parser.rest.starts_with(',') {
            return Err(error("expected comma"));
        }
        while parser.consume(',') {
            parser.skip_space();
        }
        if parser.rest.is_empty() {
            return Ok(list);
        }
    }
}

/// Texts that are no addresses, and why.
pub(super) type Unreadable = Vec<(String, String)>;

/// Reads a list, and where that fails its entries one by one: one bad address must not keep the others from being told.
/// Returns what is wrong with each bad one.
///
/// # Errors
/// If no entry is good; Go's words.
pub(super) fn parse_each(text: &str) -> Result<(Vec<Address>, Unreadable), String> {
    let whole = match parse_list(text) {
        Ok(list) => return Ok((list, Vec::new())),
        Err(error) => error,
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for entry in entries(text) {
        match parse_list(entry) {
            Ok(mut list) => good.append(&mut list),
            Err(error) => bad.push((entry.trim().to_owned(), error)),
        }
    }
    if good.is_empty() {
        return Err(whole);
    }
    Ok((good, bad))
}

/// The parts between commas that stand outside of quotes; empty ones are left out.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let (mut quotes, mut escaped) = (false, false);
    let parts = text.split(move |c| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quotes = !quotes,
            '\\' if quotes && !was_escaped => escaped = true,
            _ => {}
        }
        c == ',' && !quotes
    });
    parts.filter(|part| !part.trim().is_empty())
}

fn error(what: &str) -> String {
    format!("mail: {what}")
}

#[derive(Clone, Copy)]
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn consume(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn address(&mut self, groups: bool) -> Result<Vec<Address>, String> {
        self.skip_space();
        if self.rest.is_empty() {
            return Err(error("no address"));
        }
        let before = *self;
        if let Ok((local, domain)) = self.spec() {
            self.skip_space();
            let mut name = String::new();
            if self.consume('(') {
                let comment = self.comment()?;
                name = comment.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            return Ok(vec![Address {
                name,
                local,
                domain,
            }]);
        }
        *self = before;
        let name = if self.rest.starts_with('<') {
            String::new()
        } else {
            self.phrase()?
        };
        self.skip_space();
        if groups && self.consume(':') {
            return self.group();
        }
        if !self.consume('<') {
            let atom = name.chars().all(|c| is_atext(c, true));
            return Err(error(if atom {
                "missing '@' or angle-addr"
            } else {
                "no angle-addr"
            }));
        }
        let (local, domain) = self.spec()?;
        if !self.consume('>') {
            return Err(error("unclosed angle-addr"));
        }
        Ok(vec![Address {
            name,
            local,
            domain,
        }])
    }

    fn group(&mut self) -> Result<Vec<Address>, String> {
        let mut group = Vec::new();
        self.skip_space();
        if self.consume(';') {
            self.skip_comments()?;
            return Ok(group);
        }
        loop {
            self.skip_space();
            group.append(&mut self.address(false)?);
            self.skip_comments()?;
            if self.consume(';') {
                self.skip_comments()?;
                return Ok(group);
            }
            if !self.consume(',') {
                return Err(error("expected comma"));
            }
        }
    }

    fn spec(&mut self) -> Result<(String, String), String> {
        self.skip_space();
        let local = match self.peek() {
            None => return Err(error("no addr-spec")),
            Some('"') => {
                let local = self.quoted_string()?;
                if local.is_empty() {
                    return Err(error("empty quoted string in addr-spec"));
                }
                local
            }
            Some(_) => self.atom(false)?,
        };
        if !self.consume('@') {
            return Err(error("missing @ in addr-spec"));
        }
        self.skip_space();
        let domain = match self.peek() {
            None => return Err(error("no domain in addr-spec")),
            Some('[') => self.domain_literal()?,
            Some(_) => self.atom(false)?,
        };
        Ok((local, domain))
    }

    fn phrase(&mut self) -> Result<String, String> {
        let mut words = Vec::new();
        loop {
            if !words.is_empty() {
                self.skip_comments()?;
            }
            self.skip_space();
            let before = *self;
            let word = if self.rest.starts_with('"') {
                self.quoted_string()
            } else {
                self.atom(true)
            };
            match word {
                Ok(word) => words.push(word),
                Err(problem) if words.is_empty() => {
                    return Err(error(&format!("missing word in phrase: {problem}")));
                }
                Err(_) => {
                    *self = before;
                    return Ok(words.join(" "));
                }
            }
        }
    }

    fn quoted_string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            let is_space = matches!(c, ' ' | '\t');
            match c {
                '"' if !escaped => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(out);
                }
                '\\' if !escaped => escaped = true,
                _ if is_space || is_vchar(c) => {
                    out.push(c);
                    escaped = false;
                }
                _ => {
                    return Err(error(&format!("bad character in quoted-string: {c:?}")));
                }
            }
        }
        Err(error("unclosed quoted-string"))
    }

    /// An atom with dots; where those are `free`, they may stand anywhere.
    fn atom(&mut self, free: bool) -> Result<String, String> {
        let rest = self.rest.trim_start_matches(|c| is_atext(c, true));
        let atom = &self.rest[..self.rest.len() - rest.len()];
        if atom.is_empty() {
            return Err(error("invalid string"));
        }
        if !free {
            let problem = match () {
                () if atom.starts_with('.') => Some("leading dot in atom"),
                () if atom.contains("..") => Some("double dot in atom"),
                () if atom.ends_with('.') => Some("trailing dot in atom"),
                () => None,
            };
            if let Some(problem) = problem {
                return Err(error(problem));
            }
        }
        self.rest = rest;
        Ok(atom.to_owned())
    }

    fn domain_literal(&mut self) -> Result<String, String> {
        let inside = &self.rest[1..];
        let Some((text, rest)) = inside.split_once(']') else {
            return Err(error("unclosed domain-literal"));
        };
        let address = text.strip_prefix("IPv6:").unwrap_or(text);
        if address.parse::<IpAddr>().is_err() {
            return Err(error(&format!(
                "invalid IP address in domain-literal: {text:?}"
            )));
        }
        self.rest = rest;
        Ok(format!("[{text}]"))
    }

    fn skip_comments(&mut self) -> Result<(), String> {
        self.skip_space();
        while self.consume('(') {
            self.comment()?;
            self.skip_space();
        }
        Ok(())
    }

    /// The inside of a comment whose first parenthesis was read.
    fn comment(&mut self) -> Result<&'a str, String> {
        let (mut depth, mut escaped) = (1_usize, false);
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if std::mem::take(&mut escaped) => {}
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let comment = &self.rest[..at];
                self.rest = &self.rest[at + 1..];
                return Ok(comment);
            }
        }
        Err(error("misformatted parenthetical comment"))
    }
}

/// What may stand in an atom.
pub(super) fn is_atext(c: char, dot: bool) -> bool {
    match c {
        '.' => dot,
        '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | '@' | '\\' | ',' | '"' => false,
        _ => is_vchar(c),
    }
}

fn is_vchar(c: char) -> bool {
    matches!(c, '!'..='~') || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        let list = parse_list(text)?;
        Ok(list
            .iter()
            .map(|one| format!("{}|{}", one.name, one.envelope()))
            .collect())
    }

    #[test]
    fn reads_what_go_reads() {
        for (text, expect) in [
            ("a@example.org", vec!["|a@example.org"]),
            ("a@b, c@d ,e@f", vec!["|a@b", "|c@d", "|e@f"]),
            (",a@b,,c@d,", vec!["|a@b", "|c@d"]),
            ("John Doe <j@d.org>", vec!["John Doe|j@d.org"]),
            (
                "\"Doe, John\" <j@d.org>, x@y",
                vec!["Doe, John|j@d.org", "|x@y"],
            ),
            ("\"a \\\"b\\\"\" <j@d>", vec!["a \"b\"|j@d"]),
            ("<a@b>", vec!["|a@b"]),
            ("a@b (the name)", vec!["the name|a@b"]),
            ("Pete (A) <p@t> (c(d)e)", vec!["Pete|p@t"]),
            (
                "A Group:Ed Jones <joe@x.test>,joe@where.test;",
                vec!["Ed Jones|joe@x.test", "|joe@where.test"],
            ),
            ("none:;", vec![]),
            ("J. R. Smith <a@b>", vec!["J. R. Smith|a@b"]),
            ("\"a b\"@c", vec!["|\"a b\"@c"]),
            ("\"a.b\"@c", vec!["|a.b@c"]),
            ("a@[127.0.0.1]", vec!["|a@[127.0.0.1]"]),
            (
                "张三 <用户@例子.广告>",
                vec!["张三|用户@xn--fsqu00a.xn--4rr70v"],
            ),
            ("a@Bücher.example", vec!["|a@xn--bcher-kva.example"]),
            (
                "=?utf-8?q?J=C3=B6rg?= <a@b>",
                vec!["=?utf-8?q?J=C3=B6rg?=|a@b"],
            ),
        ] {
            let expect: Vec<_> = expect.into_iter().map(str::to_owned).collect();
            assert_eq!(shown(text), Ok(expect), "{text}");
        }
    }

    #[test]
    fn refuses_in_gos_words() {
        for (text, expect) in [
            ("", "mail: no address"),
            (" ,", "mail: no address"),
            ("oncall", "mail: missing '@' or angle-addr"),
            ("on call", "mail: no angle-addr"),
            ("a@b c@d", "mail: expected comma"),
            ("a@b; c@d", "mail: expected comma"),
            ("A <a@b", "mail: unclosed angle-addr"),
            ("A <a>", "mail: missing @ in addr-spec"),
            ("a@b (x", "mail: misformatted parenthetical comment"),
            ("A <a..b@c>", "mail: double dot in atom"),
            ("A <a@b.>", "mail: trailing dot in atom"),
            ("A <a@>", "mail: invalid string"),
            (
                "\"a",
                "mail: missing word in phrase: mail: unclosed quoted-string",
            ),
            (
                "A <a@[x]>",
                "mail: invalid IP address in domain-literal: \"x\"",
            ),
        ] {
            assert_eq!(shown(text), Err(expect.to_owned()), "{text}");
        }
    }

    #[test]
    fn one_bad_entry_does_not_spoil_the_list() {
        let (good, bad) = parse_each("a@b, oncall, \"x, y\" <c@d>").unwrap();
        assert_eq!(good.len(), 2);
        assert_eq!(
            bad,
            [(
                "oncall".to_owned(),
                "mail: missing '@' or angle-addr".to_owned()
            )]
        );
        assert_eq!(
            parse_each("oncall"),
            Err("mail: missing '@' or angle-addr".to_owned())
        );
    }
}
