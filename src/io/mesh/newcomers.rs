//! Connections of which nobody knows yet whose they are: from each address only so many may be under way.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Connections from one address that have not said a word yet; the mesh has at most 16 nodes, were they all on one host.
pub(super) const MAX_PER_ADDRESS: usize = 16;

/// How many there are from each address.
#[derive(Clone, Debug, Default)]
pub(super) struct Newcomers(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A connection's place among those from its address, until it is dropped.
#[derive(Debug)]
pub(super) struct Newcomer {
    all: Newcomers,
    from: IpAddr,
}

impl Newcomers {
    /// A place for a connection from this address, if there is one.
    pub(super) fn admit(&self, from: IpAddr) -> Option<Newcomer> {
        let from = whose(from);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(from).or_default();
        if *count >= MAX_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Newcomer {
            all: self.clone(),
            from,
        })
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.from);
            }
        }
    }
}

/// One host has all addresses of a network of IPv6.
fn whose(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_gets_them_back() {
        let all = Newcomers::default();
        let admit = |from: &str| all.admit(from.parse().unwrap());
        let mut held: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| admit("192.0.2.1")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(admit("192.0.2.1").is_none());
        assert!(admit("192.0.2.2").is_some());
        held.pop();
        assert!(admit("192.0.2.1").is_some());
        drop(held);
        assert!(all.0.lock().unwrap().is_empty());

        let of_one_network = |host: usize| admit(&format!("2001:db8:0:1::{host:x}"));
        let held: Vec<_> = (0..MAX_PER_ADDRESS).map(of_one_network).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(admit("2001:db8:0:1:ffff::1").is_none());
        assert!(admit("2001:db8:0:2::1").is_some());
    }
}
