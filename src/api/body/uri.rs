//! Go's `url.ParseRequestURI`, as far as it says yes or no: what go-openapi takes as `format: uri`.

/// Whether Go takes the text as an absolute URI or an absolute path.
pub(super) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < b' ' || b == 0x7F) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        return false;
    };
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !rest.starts_with('/') {
        return !scheme.is_empty();
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) if !scheme.is_empty() => {
            let end = rest.find('/').unwrap_or(rest.len());
            if !is_authority(&rest[..end]) {
                return false;
            }
            &rest[end..]
        }
        _ => rest,
    };
    escapes_are_hex(path)
}

/// `None` where Go misses the scheme before a colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (i, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return None,
            ':' => return Some((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Some(("", text))
}

fn is_authority(text: &str) -> bool {
    let host = match text.rsplit_once('@') {
        Some((user, host)) => {
            let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
            if !user.chars().all(valid) || !escapes_are_hex(user) {
                return false;
            }
            host
        }
        None => text,
    };
    if let Some(literal) = host.strip_prefix('[') {
        let Some((address, port)) = literal.rsplit_once(']') else {
            return false;
        };
        return is_optional_port(port)
            && is_host(address.split_once("%25").map_or(address, |z| z.0));
    }
    match host.rfind(':') {
        Some(colon) => is_optional_port(&host[colon..]) && is_host(&host[..colon]),
        None => is_host(host),
    }
}

fn is_optional_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

/// In a host only bytes outside ASCII may be escaped.
fn is_host(text: &str) -> bool {
    let valid = |c: char| {
        !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c)
    };
    text.chars().all(valid)
        && escapes_are_hex(text)
        && text.split('%').skip(1).all(|escape| {
            escape.starts_with([
                '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'A', 'B', 'C', 'D', 'E', 'F',
            ])
        })
}

fn escapes_are_hex(text: &str) -> bool {
    text.split('%').skip(1).all(|escape| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go() {
        for text in [
            "http://p:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
            "/rel/x",
            "//host/x",
            "foo:bar",
            "http://[::1]:80/x",
            "http://[fe80::1%25eth0]/",
            "http://user:pa%20ss@h/",
            "http://h:/",
            "http://h?a b",
            "http://h/a b",
            "http://é/",
            "*",
        ] {
            assert!(is_request_uri(text), "{text}");
        }
        for text in [
            "",
            "foo",
            "not a url",
            ":x",
            "http://a b/c",
            "http://h:x/",
            "http://h/%zz",
            "http://[::1/",
            "http://h%20/",
            "http://us er@h/",
            "http://h/\n",
            "a/b:c",
        ] {
            assert!(!is_request_uri(text), "{text}");
        }
    }
}
