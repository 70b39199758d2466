//! Hosts and ports as Go's `net` takes them apart.

use std::net::IpAddr;

/// The host of `host:port`; anything else as it is.
pub(super) fn strip_port(address: &str) -> &str {
    split_host_port(address).map_or(address, |(host, _)| host)
}

/// The first part of a host's name, with the port; addresses of IP as they are.
pub(super) fn strip_domain(address: &str) -> String {
    let (host, port) = split_host_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let first = host.split('.').next().unwrap_or_default();
    if port.is_empty() {
        first.to_owned()
    } else if first.contains(':') {
        format!("[{first}]:{port}")
    } else {
        format!("{first}:{port}")
    }
}

/// `net.SplitHostPort`
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (before, port) = address.rsplit_once(':')?;
    let host = if let Some(inside) = before.strip_prefix('[') {
        inside.strip_suffix(']')?
    } else if before.contains(':') {
        return None;
    } else {
        before
    };
    let clean = !host.contains(['[', ']']) && !port.contains(['[', ']']);
    clean.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_go() {
        for (address, expect) in [
            ("a.example", "a.example"),
            ("a.example:1", "a.example"),
            ("192.0.2.1:1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:1", "2001:db8::1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]::1", "[2001:db8::1]::1"),
            ("[a:1", "[a:1"),
            ("a]:1", "a]:1"),
            ("a:]", "a:]"),
            (":1", ""),
            ("a:", "a"),
            ("", ""),
        ] {
            assert_eq!(strip_port(address), expect, "{address}");
        }
    }

    #[test]
    fn domains_go() {
        for (address, expect) in [
            ("a.b.example", "a"),
            ("a.b.example:1", "a:1"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:1", "192.0.2.1:1"),
            ("2001:0DB8::1", "2001:0DB8::1"),
            ("[2001:0DB8::1]:1", "[2001:0DB8::1]:1"),
            ("[2001:0DB8::1]::1", "[2001:0DB8::1]::1"),
            ("[fe80::1%eth0.1]:1", "[fe80::1%eth0]:1"),
            ("a.b:", "a"),
            ("", ""),
        ] {
            assert_eq!(strip_domain(address), expect, "{address}");
        }
    }
}
