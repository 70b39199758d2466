//! The addresses that this host has, read from `/proc`, which needs no right that the unit takes away.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The addresses of all interfaces but loopback ones and those that hold on one link only, IPv4 first, each in ascending
/// order. Empty where the system has no `/proc`.
pub(super) fn addresses() -> Vec<IpAddr> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let mut v4 = ipv4(&read("/proc/self/net/fib_trie"));
    let mut v6 = ipv6(&read("/proc/self/net/if_inet6"));
    v4.sort_unstable();
    v4.dedup();
    v6.sort_unstable();
    let v4 = v4.into_iter().map(IpAddr::V4);
    v4.chain(v6.into_iter().map(IpAddr::V6)).collect()
}

/// Of the kernel's routes, those that are addresses of its own: `|-- 10.0.0.7` and below it `/32 host LOCAL`.
fn ipv4(text: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last);
        }
    }
    found.retain(|ip| !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified());
    found
}

/// A line for each address: 32 digits, the number of its interface, its prefix, its scope (`00` is global), its flags, the
/// name of its interface.
fn ipv6(text: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let mut fields = line.split_whitespace();
        let digits = u128::from_str_radix(fields.next()?, 16).ok()?;
        (fields.nth(2)? == "00").then(|| Ipv6Addr::from(digits))
    };
    let found = text.lines().filter_map(address);
    found.filter(|ip| !ip.is_loopback()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 10.9.0.0/24 2 0 2
        |-- 10.9.0.0
           /24 link UNICAST
        |-- 10.9.0.1
           /32 host LOCAL
        |-- 10.9.0.255
           /32 link BROADCAST
     |-- 203.0.113.7
        /32 host LOCAL
     |-- 169.254.3.4
        /32 host LOCAL
Local:
        |-- 10.9.0.1
           /32 host LOCAL
";

    const IF_INET6: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 04 40 00 82     eth0
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
garbage
";

    #[test]
    fn addresses_that_others_may_reach_are_found() {
        let own: Vec<String> = ipv4(FIB_TRIE).iter().map(ToString::to_string).collect();
        assert_eq!(own, ["10.9.0.1", "203.0.113.7", "10.9.0.1"]);
        assert_eq!(ipv6(IF_INET6), ["fd00::2".parse::<Ipv6Addr>().unwrap()]);
        assert!(ipv4("").is_empty() && ipv6("").is_empty());
    }
}
