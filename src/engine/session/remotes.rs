//! Which remote next.

use std::net::SocketAddr;

use super::super::config::Transport;
use super::super::error::Advance;

/// The profile's remotes, each with its addresses as far as they are known, and which of them is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remotes {
    entries: Vec<Entry>,
    at: usize,
}

/// A place of the profile where a server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which of the profile's remotes this is.
    pub index: usize,
    /// The server as the profile names it.
    pub host: String,
    /// Its port, 1 to 65535.
    pub port: u16,
    /// Which kind of address it is to have.
    pub family: Family,
    /// UDP or TCP.
    pub transport: Transport,
    /// What is to be looked up: the server, or the proxy on the way to it.
    pub lookup: Lookup,
}

impl Target {
    /// The server's own name and port, if they must be looked up although a proxy stands in between: it passes
    /// datagrams on to addresses only.
    #[must_use]
    pub fn own_lookup(&self) -> Option<Lookup> {
        (self.transport == Transport::Udp).then(|| Lookup {
            host: self.host.clone(),
            port: self.port,
            family: self.family,
        })
    }

    /// Whether a proxy stands between us and the server.
    #[must_use]
    pub fn is_behind_proxy(&self) -> bool {
        (&self.host, self.port) != (&self.lookup.host, self.lookup.port)
    }
}

/// A name to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Host name or address.
    pub host: String,
    /// Port, 1 to 65535.
    pub port: u16,
    /// Which kind of address is wanted.
    pub family: Family,
}

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Either, in the resolver's order.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// What stands between now and the next attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Nothing: this target has this address.
    Go(&'a Target, SocketAddr),
    /// Its name must be looked up first.
    Resolve(&'a Target),
}

/// Where [`Remotes::advance`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// To another address of the same remote.
    Address,
    /// To the next remote.
    Remote,
    /// To the first remote again: all have been tried.
    Round,
    /// Nowhere.
    Stayed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    target: Target,
    addresses: Vec<SocketAddr>,
    position: usize,
    /// The addresses should be looked up again; until that succeeds they still serve.
    stale: bool,
    refusals: Refusals,
}

/// Whether a remote was reached and refused us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Refusals {
    /// In how many rounds, one after the other, at every address.
    rounds: u32,
    /// In this round something else happened too.
    spoilt: bool,
}

impl Remotes {
    /// Remotes in the order in which they are to be tried. `None` for an empty list.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Option<Self> {
        if targets.is_empty() {
            return None;
        }
        let entries = targets
            .into_iter()
            .map(|target| Entry {
                target,
                addresses: Vec::new(),
                position: 0,
                stale: true,
                refusals: Refusals::default(),
            })
            .collect();
        Some(Self { entries, at: 0 })
    }

    /// How many remotes there are, at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What stands between now and the next attempt.
    #[must_use]
    pub fn next(&self) -> Next<'_> {
        let entry = &self.entries[self.at];
        match entry.addresses.get(entry.position) {
            Some(address) if !entry.stale => Next::Go(&entry.target, *address),
            _ => Next::Resolve(&entry.target),
        }
    }

    /// The remote whose turn it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.entries[self.at].target
    }

    /// Takes the answer of the lookup that [`Next::Resolve`] asked for. An empty answer leaves the addresses that were
    /// known before; if there were none, the answer is `false` and the attempt has failed.
    pub fn resolved(&mut self, addresses: Vec<SocketAddr>) -> bool {
        let entry = &mut self.entries[self.at];
        entry.stale = false;
        if !addresses.is_empty() {
            let current = entry.addresses.get(entry.position).copied();
            entry.position = current
                .and_then(|known| addresses.iter().position(|new| *new == known))
                .unwrap_or(0);
            entry.addresses = addresses;
        } else if entry.position >= entry.addresses.len() {
            entry.position = 0;
        }
        if entry.addresses.is_empty() {
            entry.stale = true;
            return false;
        }
        true
    }

    /// Counts a failed attempt at the address in use: did the remote refuse us, or was it not reached?
    pub fn failed(&mut self, refused: bool) {
        let is_last = !self.has_untried_address();
        let refusals = &mut self.entries[self.at].refusals;
        refusals.spoilt |= !refused;
        if is_last {
            let rounds = refusals.rounds.saturating_add(1);
            refusals.rounds = if refusals.spoilt { 0 } else { rounds };
            refusals.spoilt = false;
        }
    }

    /// Forgets all refusals: a connection stood.
    pub fn succeeded(&mut self) {
        for entry in &mut self.entries {
            entry.refusals = Refusals::default();
        }
    }

    /// In how many rounds, one after the other, every remote has refused us.
    #[must_use]
    pub fn refused_rounds(&self) -> u32 {
        let rounds = self.entries.iter().map(|entry| entry.refusals.rounds);
        rounds.min().unwrap_or(0)
    }

    /// Whether the remote in use has an address that comes after the one in use.
    #[must_use]
    pub fn has_untried_address(&self) -> bool {
        let entry = &self.entries[self.at];
        entry.position + 1 < entry.addresses.len()
    }

    /// Goes on after a failed attempt. A remote whose addresses have all been tried is looked up again when its turn
    /// comes again.
    pub fn advance(&mut self, how: Advance) -> Moved {
        match how {
            Advance::No => Moved::Stayed,
            Advance::Address => {
                if self.has_untried_address() {
                    self.entries[self.at].position += 1;
                    return Moved::Address;
                }
                self.next_remote()
            }
            Advance::Remote => self.next_remote(),
        }
    }

    /// Looks every name up again at its next turn: the network is another one now. The address in use stays first
    /// choice if it is still among the answers.
    pub fn distrust_addresses(&mut self) {
        for entry in &mut self.entries {
            entry.stale = true;
        }
    }

    /// Sets the order by `random`: it gives a number below its argument.
    pub fn shuffle(&mut self, mut random: impl FnMut(usize) -> usize) {
        for last in (1..self.entries.len()).rev() {
            let chosen = random(last + 1).min(last);
            self.entries.swap(last, chosen);
        }
    }

    /// Goes to the remote `host`, of which `address` is tried first, as a saved session had it. A remote that the
    /// profile does not name any more is forgotten.
    pub fn return_to(&mut self, host: &str, address: SocketAddr) {
        let found = self.entries.iter().position(|entry| {
            let lookup = &entry.target.lookup;
            entry.target.host == host && lookup.host == host && lookup.port == address.port()
        });
        if let Some(at) = found {
            self.at = at;
            let entry = &mut self.entries[at];
            entry.addresses = vec![address];
            entry.position = 0;
            entry.stale = false;
        }
    }

    fn next_remote(&mut self) -> Moved {
        let entry = &mut self.entries[self.at];
        entry.position = 0;
        entry.stale = true;
        self.at = (self.at + 1) % self.entries.len();
        if self.at == 0 {
            Moved::Round
        } else {
            Moved::Remote
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(index: usize) -> Target {
        Target {
            index,
            host: format!("vpn{index}.example"),
            port: 1194,
            family: Family::Any,
            transport: Transport::Udp,
            lookup: Lookup {
                host: format!("vpn{index}.example"),
                port: 1194,
                family: Family::Any,
            },
        }
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 1194))
    }

    fn two() -> Remotes {
        Remotes::new(vec![target(0), target(1)]).expect("two targets")
    }

    #[test]
    fn addresses_come_first_then_the_next_remote_then_the_first_again() {
        let mut remotes = two();
        assert_eq!(remotes.next(), Next::Resolve(&target(0)));
        assert!(remotes.resolved(vec![address(1), address(2)]));
        assert_eq!(remotes.next(), Next::Go(&target(0), address(1)));
        assert_eq!(remotes.advance(Advance::Address), Moved::Address);
        assert_eq!(remotes.next(), Next::Go(&target(0), address(2)));
        assert_eq!(remotes.advance(Advance::Address), Moved::Remote);
        assert_eq!(remotes.next(), Next::Resolve(&target(1)));
        assert!(remotes.resolved(vec![address(9)]));
        assert_eq!(remotes.advance(Advance::Remote), Moved::Round);
        assert_eq!(remotes.next(), Next::Resolve(&target(0)));
    }

    #[test]
    fn a_name_that_never_had_an_address_fails_the_attempt() {
        let mut remotes = two();
        assert!(!remotes.resolved(Vec::new()));
        assert_eq!(remotes.next(), Next::Resolve(&target(0)));
    }

    #[test]
    fn known_addresses_serve_when_the_resolver_is_gone() {
        let mut remotes = two();
        remotes.resolved(vec![address(1)]);
        remotes.distrust_addresses();
        assert_eq!(remotes.next(), Next::Resolve(&target(0)));
        assert!(remotes.resolved(Vec::new()));
        assert_eq!(remotes.next(), Next::Go(&target(0), address(1)));
    }

    #[test]
    fn the_address_in_use_stays_when_it_is_still_an_answer() {
        let mut remotes = two();
        remotes.resolved(vec![address(1), address(2)]);
        remotes.advance(Advance::Address);
        remotes.distrust_addresses();
        remotes.resolved(vec![address(3), address(2), address(1)]);
        assert_eq!(remotes.next(), Next::Go(&target(0), address(2)));
    }

    #[test]
    fn the_same_address_is_kept_when_the_server_says_so() {
        let mut remotes = two();
        remotes.resolved(vec![address(1), address(2)]);
        assert_eq!(remotes.advance(Advance::No), Moved::Stayed);
        assert_eq!(remotes.next(), Next::Go(&target(0), address(1)));
    }

    #[test]
    fn a_saved_server_is_tried_first_if_the_profile_still_names_it() {
        let mut remotes = two();
        remotes.return_to("elsewhere.example", address(5));
        assert_eq!(remotes.next(), Next::Resolve(&target(0)));
        remotes.return_to("vpn1.example", address(5));
        assert_eq!(remotes.next(), Next::Go(&target(1), address(5)));
    }

    #[test]
    fn shuffling_keeps_every_remote() {
        let mut remotes = Remotes::new((0..5).map(target).collect()).expect("five targets");
        remotes.shuffle(|below| below / 2);
        let mut indices: Vec<usize> = remotes.entries.iter().map(|e| e.target.index).collect();
        assert_ne!(indices, [0, 1, 2, 3, 4]);
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2, 3, 4]);
    }
}
