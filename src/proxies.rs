//! Where a request comes from: the address of the client itself, if a proxy that the operator trusts names it.
//!
//! Knows no path, no token and no limit; those who count by address ask here. Invariant: a header is believed only as
//! far as trusted proxies have written it. Anybody can send `X-Forwarded-For`, so what a stranger writes there changes
//! nothing.
//!
//! Each proxy appends the address from which it got the request, so the list is read from its end: the connection's own
//! address first, then the last one of the list, and on as long as they are proxies of `--trusted-proxies`. The first
//! that isn't is the client. What stands before it came from the client, and is not looked at.
//!
//! `X-Forwarded-Host` and `X-Forwarded-Proto` are never read: `--public-url` says what they would say.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::authority::Authority;
use crate::http::field;
use crate::http::request::Head;
use crate::stderr;

/// The address of a request's client, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientAddress {
    /// The address at the other end of the connection.
    pub(crate) peer: IpAddr,
    /// The client's address; or, if it isn't known, that of the proxy which doesn't say it.
    pub(crate) address: IpAddr,
    /// Whether all people behind a proxy have this address, because the proxy names none of them.
    is_shared: bool,
}

impl ClientAddress {
    /// Returns the address to count failures by; `None` if all people have it: a limit on it would shut out all of them
    /// together.
    ///
    /// The fair queues take [`ClientAddress::address`] in either case. A queue shuts no address out: people with one
    /// address are one group of it, in which the accounts, or the tokens, take turns.
    pub(crate) fn own(self) -> Option<IpAddr> {
        Some(self.address).filter(|_| !self.is_shared)
    }
}

/// A range of addresses: those whose first `bits` bits are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Network {
    first: IpAddr,
    bits: u32,
}

/// Why an item of `--trusted-proxies` can't be taken. It names the item.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct BadProxy {
    item: String,
    why: &'static str,
}

impl fmt::Display for BadProxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "--trusted-proxies takes addresses and networks like 127.0.0.1,10.0.0.0/8,fd00::/8; {:?} {}",
            self.item, self.why
        )
    }
}

impl std::error::Error for BadProxy {}

impl Network {
    fn parse(item: &str) -> Result<Network, BadProxy> {
        let bad = |why| BadProxy { item: item.to_owned(), why };
        let address = item.split('/').next().unwrap_or_default();
        let first: IpAddr = address.parse().map_err(|_| bad("has no IP address, and no name is resolved"))?;
        // Connections over IPv4 are compared as IPv4, and such a network would contain none of them.
        if first.to_canonical() != first {
            return Err(bad("is IPv4 in the form of IPv6: write it as IPv4"));
        }
        let Some(bits) = item[address.len()..].strip_prefix('/') else {
            return Ok(Network { first, bits: width(first) });
        };
        // Digits alone: `parse` would take "+8".
        let digits = Some(bits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let bits = digits.and_then(|text| text.parse().ok()).filter(|bits| *bits <= width(first));
        let bits = bits.ok_or_else(|| bad("doesn't end with a number of bits that such an address has"))?;
        if bits == 0 {
            return Err(bad(
                "is every address there is, and then a client could name any address as its own",
            ));
        }
        // With 10.1.2.3/8 one operator means the network, and another one the machine.
        if number(first).checked_shl(bits).unwrap_or(0) != 0 {
            return Err(bad(
                "has bits behind those of the network: write the network's first address, or no slash",
            ));
        }
        Ok(Network { first, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let differing = number(self.first) ^ number(address);
        width(self.first) == width(address) && differing.leading_zeros() >= self.bits
    }
}

/// Returns how many bits an address of this family has.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Returns an address as a number whose first bits are those of the address.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The proxies that the operator trusts.
pub(crate) struct Proxies {
    trusted: Vec<Network>,
    /// Whether there is a public URL. Then a proxy is in front, on this machine or another, even if the operator hasn't
    /// named it: this program speaks no TLS, and a public https URL needs it.
    is_public: bool,
    /// Which causes the log has noted. Each is noted once, because it comes with every request.
    noted: [AtomicBool; 2],
}

/// Why the headers of a request aren't believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unbelieved {
    /// They don't come from a trusted proxy.
    Stranger,
    /// They differ, or can't be read.
    InDoubt,
}

impl Unbelieved {
    /// Returns what the log says behind the address of the peer.
    fn message(self) -> &'static str {
        match self {
            Unbelieved::Stranger => {
                "sent X-Forwarded-For or Forwarded, which is not believed: if that is your proxy, name it with \
                 --trusted-proxies"
            }
            Unbelieved::InDoubt => {
                "sent X-Forwarded-For and Forwarded that differ or can't be read, so neither is believed: let that proxy \
                 write one of them and remove the other"
            }
        }
    }
}

/// One address of a list, as a proxy wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hop {
    Address(IpAddr),
    /// `unknown`, or a name that the proxy made up (RFC 7239 §6.2, §6.3), or anything else that is no address.
    Hidden,
    /// The line isn't what RFC 7239 says. A client can bring that about, if a proxy appends to what the client sent.
    Malformed,
}

/// What the headers say of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Statement {
    Client(IpAddr),
    /// The trusted proxy at this address doesn't say from where it got the request.
    HiddenBehind(IpAddr),
    /// A line can't be read, or the two headers say different things.
    InDoubt,
}

impl Proxies {
    /// Reads a list of addresses and networks with commas between them.
    pub(crate) fn parse(list: &str, is_public: bool) -> Result<Proxies, BadProxy> {
        // No list at all is an empty text; between commas there is something.
        let items = list.split(',').map(str::trim_ascii).filter(|_| !list.is_empty());
        let trusted = items.map(Network::parse).collect::<Result<_, _>>()?;
        Ok(Proxies { trusted, is_public, noted: Default::default() })
    }

    /// Returns whether this is the address of a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Returns the address of the client that sent a request; `head` is `None` if it couldn't be read.
    #[inline(never)] // see `log::write`
    pub(crate) fn client(&self, peer: IpAddr, head: Option<&Head>) -> ClientAddress {
        let lines = |name| head.into_iter().flat_map(move |head| head.fields(name)).collect::<Vec<_>>();
        let (client, unbelieved) = self.find(peer, &lines("x-forwarded-for"), &lines("forwarded"));
        if let Some(why) = unbelieved
            && !self.noted[why as usize].swap(true, Ordering::Relaxed)
        {
            stderr::note(&format!("{} {}", client.peer, why.message()));
        }
        client
    }

    /// The same, by the values of the two headers, line by line; and why they aren't believed, if the operator should
    /// know that.
    pub(crate) fn find(
        &self,
        peer: IpAddr,
        x_forwarded_for: &[&[u8]],
        forwarded: &[&[u8]],
    ) -> (ClientAddress, Option<Unbelieved>) {
        // `::ffff:192.0.2.1` and `192.0.2.1` are one address: the throttles count failures by address, and must not
        // count them as two.
        let peer = peer.to_canonical();
        let at = |address, is_shared| ClientAddress { peer, address, is_shared };
        if !self.trusts(peer) {
            // Where the operator has named their proxies, another peer is a client. Else a server with a public URL
            // has a proxy for its peer.
            let is_shared = self.trusted.is_empty() && self.is_public;
            let is_forwarded = !x_forwarded_for.is_empty() || !forwarded.is_empty();
            return (at(peer, is_shared), is_forwarded.then_some(Unbelieved::Stranger));
        }
        let hops = x_forwarded_for
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(|byte| *byte == b',').filter_map(x_forwarded));
        let statement = self.follow(peer, hops);
        let other =
            self.follow(peer, forwarded.iter().rev().flat_map(|line| forwarded_hops(line).into_iter().rev()));
        let statement = match (statement, other) {
            (None, None) => Statement::HiddenBehind(peer),
            (Some(statement), None) | (None, Some(statement)) => statement,
            (Some(statement), Some(other)) if statement == other => statement,
            // Most proxies write one of the two and pass the other on as the client sent it.
            _ => Statement::InDoubt,
        };
        match statement {
            Statement::Client(address) => (at(address, false), None),
            Statement::HiddenBehind(address) => (at(address, true), None),
            // A client can bring this about, so it must not escape the limit on its address by it. The address that it
            // gets is shared only by those who send such headers too.
            Statement::InDoubt => (at(peer, false), Some(Unbelieved::InDoubt)),
        }
    }

    /// Follows the hops of one header from the proxy at `peer` towards the client; `None` if there is none.
    fn follow(&self, peer: IpAddr, hops: impl Iterator<Item = Hop>) -> Option<Statement> {
        let mut last = None;
        for hop in hops {
            match hop {
                Hop::Address(address) if self.trusts(address) => last = Some(address),
                Hop::Address(address) => return Some(Statement::Client(address)),
                Hop::Hidden => return Some(Statement::HiddenBehind(last.unwrap_or(peer))),
                Hop::Malformed => return Some(Statement::InDoubt),
            }
        }
        // All are trusted, so the client is one of those machines: the one that is the furthest away.
        last.map(Statement::Client)
    }
}

/// Reads an item of `X-Forwarded-For`; `None` if it is empty. The header has no specification. Proxies write an
/// address, some with its port, and IPv6 with brackets or without.
fn x_forwarded(item: &[u8]) -> Option<Hop> {
    let item = std::str::from_utf8(item.trim_ascii()).unwrap_or("unknown");
    let bare = || item.parse().map(|address: IpAddr| Hop::Address(address.to_canonical()));
    Some(bare().unwrap_or_else(|_| node(item).unwrap_or(Hop::Hidden))).filter(|_| !item.is_empty())
}

/// Reads a line of `Forwarded` (RFC 7239 §4): an element for each hop, in the order of the line.
fn forwarded_hops(line: &[u8]) -> Vec<Hop> {
    let read = || -> Option<Vec<Hop>> {
        let elements = split(std::str::from_utf8(line).ok()?, b',')?.into_iter();
        elements.filter(|element| !element.is_empty()).map(element).collect()
    };
    read().unwrap_or_else(|| vec![Hop::Malformed])
}

/// Reads an element: pairs of a name and a value with semicolons between them. `for` is the one that counts here; an
/// element without it doesn't say where the request came from.
fn element(text: &str) -> Option<Hop> {
    let mut hop = None;
    for pair in split(text, b';')?.into_iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        if !field::is_token(name) {
            return None;
        }
        // A name that is there twice leaves open which one is meant (RFC 7239 §4).
        if name.eq_ignore_ascii_case("for") && hop.replace(node(&value)?).is_some() {
            return None;
        }
    }
    Some(hop.unwrap_or(Hop::Hidden))
}

/// Splits a text at a separator that isn't inside quotes, and takes the blanks around each part away; `None` if a quote
/// isn't closed.
fn split(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, byte) in text.bytes().enumerate() {
        if byte == separator && !is_quoted {
            parts.push(&text[start..place]);
            start = place + 1;
        }
        is_quoted ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && is_quoted && !is_escaped;
    }
    parts.push(&text[start..]);
    (!is_quoted).then(|| parts.into_iter().map(|part| part.trim_matches([' ', '\t'])).collect())
}

/// Reads a value: a token, or a quoted string without its quotes and escapes (RFC 9110 §5.6.4).
fn unquoted(value: &str) -> Option<String> {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return field::is_token(value).then(|| value.to_owned());
    };
    let (mut text, mut is_escaped) = (String::new(), false);
    for character in inside.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => {
                is_escaped = true;
                continue;
            }
            '"' => return None,
            _ => {}
        }
        text.push(character);
    }
    (!is_escaped).then_some(text)
}

/// Reads a node (RFC 7239 §6): an IPv4 address, an IPv6 address in brackets, `unknown`, or a name that begins with an
/// underscore; each may have a port, and that may be such a name too. `None` for any other text.
fn node(text: &str) -> Option<Hop> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let named_port = text.split_once(":_").filter(|(_, name)| is_name(name));
    let host = Authority::parse(named_port.map_or(text, |(node, _)| node))?.host;
    let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    };
    let is_hidden = host.eq_ignore_ascii_case("unknown") || host.strip_prefix('_').is_some_and(is_name);
    address.map(|address| Hop::Address(address.to_canonical())).or(is_hidden.then_some(Hop::Hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUSTED: &str = "127.0.0.1, ::1,10.0.0.0/8,fd00::/8";

    fn proxies() -> Proxies {
        Proxies::parse(TRUSTED, true).expect("a good list")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// What is found for a request through 127.0.0.1 with these lines; with a star if the address is one for all.
    fn found(x_forwarded_for: &[&str], forwarded: &[&str]) -> String {
        let [one, other] = [x_forwarded_for, forwarded]
            .map(|lines| lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
        let (client, _) = proxies().find(ip("127.0.0.1"), &one, &other);
        format!("{}{}", client.address, if client.own().is_none() { "*" } else { "" })
    }

    #[test]
    fn finds_the_last_address_that_is_no_trusted_proxys() {
        for (line, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("6.6.6.6,203.0.113.9,10.1.1.1 ,\t10.255.0.1", "203.0.113.9"),
            ("203.0.113.9, fd12::1, ::1", "203.0.113.9"),
            ("203.0.113.9, 11.0.0.1", "11.0.0.1"),
            ("203.0.113.9, fe00::1", "fe00::1"),
            (", ,203.0.113.9,,", "203.0.113.9"),
            ("unknown, 203.0.113.9", "203.0.113.9"),
            // Only proxies that are trusted: the client is on one of their machines.
            ("10.1.1.1", "10.1.1.1"),
            ("10.1.1.1, 10.1.1.2, 10.1.1.1, 10.1.1.2", "10.1.1.1"),
            // The nearest proxy that doesn't say.
            ("203.0.113.9, unknown", "127.0.0.1*"),
            ("203.0.113.9, x, 10.1.1.1", "10.1.1.1*"),
            ("203.0.113.9:x", "127.0.0.1*"),
            ("203.0.113.9 6.6.6.6", "127.0.0.1*"),
            ("2001:db8::9:4711:x", "127.0.0.1*"),
            ("[203.0.113.9]", "127.0.0.1*"),
            ("fe80::1%eth0", "127.0.0.1*"),
            ("0x7f.1", "127.0.0.1*"),
            ("203.0.113.09", "127.0.0.1*"),
            ("é", "127.0.0.1*"),
            // A header that says nothing is no header.
            ("", "127.0.0.1*"),
            (" , ", "127.0.0.1*"),
        ] {
            assert_eq!(found(&[line], &[]), expected, "{line}");
        }
        assert_eq!(found(&[], &[]), "127.0.0.1*");
        assert_eq!(found(&["6.6.6.6", "203.0.113.9", "10.1.1.1"], &[]), "203.0.113.9", "line by line");
    }

    #[test]
    fn reads_forwarded_as_its_specification_says() {
        for (line, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"203.0.113.9:4711\"", "203.0.113.9"),
            ("for=\"[2001:db8::9]\"", "2001:db8::9"),
            ("FOR=\"[2001:db8::9]:4711\"", "2001:db8::9"),
            ("for=\"[2001:db8::9]:_port\"", "2001:db8::9"),
            ("for=\"\\2\\0\\3.0.113.9\"", "203.0.113.9"),
            ("for=203.0.113.9;proto=https;by=203.0.113.43", "203.0.113.9"),
            ("by=203.0.113.43; host=\"a,b;c=\\\"\" ;for=203.0.113.9;", "203.0.113.9"),
            ("for=6.6.6.6, for=203.0.113.9;by=10.1.1.1,for=10.1.1.1", "203.0.113.9"),
            ("for=6.6.6.6;x=\", for=1.1.1.1\", for=203.0.113.9", "203.0.113.9"),
            (", for=203.0.113.9 , ,", "203.0.113.9"),
            ("for=10.1.1.1", "10.1.1.1"),
            ("for=unknown", "127.0.0.1*"),
            ("for=203.0.113.9, for=_a.b-c_d, for=10.1.1.1", "10.1.1.1*"),
            ("for=203.0.113.9, for=\"_a:80\"", "127.0.0.1*"),
            ("for=203.0.113.9, proto=https", "127.0.0.1*"),
            ("", "127.0.0.1*"),
            // What isn't well-formed is nobody's address, and counts against the proxy's.
            ("for=203.0.113.9, for", "127.0.0.1"),
            ("for=203.0.113.9, for=", "127.0.0.1"),
            ("for=203.0.113.9, =x", "127.0.0.1"),
            ("for=203.0.113.9;for=203.0.113.9", "127.0.0.1"),
            ("for=203.0.113.9:80", "127.0.0.1"),
            ("for=2001:db8::9", "127.0.0.1"),
            ("for=\"2001:db8::9\"", "127.0.0.1"),
            ("for=\"203.0.113.9", "127.0.0.1"),
            ("for=\"203.0.113.9\\\"", "127.0.0.1"),
            ("for=\"203.0.113.9\"x", "127.0.0.1"),
            ("for=\"[2001:db8::9\"", "127.0.0.1"),
            ("for=\"203.0.113.9:123456\"", "127.0.0.1"),
            ("for = 203.0.113.9", "127.0.0.1"),
            ("for=_", "127.0.0.1"),
            ("for=x", "127.0.0.1"),
            ("for=é", "127.0.0.1"),
            ("x=\", for=203.0.113.9", "127.0.0.1"),
        ] {
            assert_eq!(found(&[], &[line]), expected, "{line}");
        }
        assert_eq!(found(&[], &["for=\"6.6.6.6", "for=203.0.113.9"]), "203.0.113.9", "line by line");
    }

    #[test]
    fn believes_neither_header_where_they_differ() {
        assert_eq!(found(&["203.0.113.9"], &["for=203.0.113.9"]), "203.0.113.9");
        assert_eq!(found(&["6.6.6.6, 203.0.113.9"], &["for=\"203.0.113.9:1\", for=10.1.1.1"]), "203.0.113.9");
        assert_eq!(found(&["203.0.113.9"], &[""]), "203.0.113.9", "one of them says nothing");
        for other in ["for=6.6.6.6", "for=\"", "for=unknown", "for=10.1.1.1"] {
            assert_eq!(found(&["203.0.113.9"], &[other]), "127.0.0.1", "{other}");
        }
        assert_eq!(found(&["6.6.6.6"], &["for=203.0.113.9"]), "127.0.0.1");
    }

    #[test]
    fn believes_nothing_of_a_stranger() {
        let spoofed: [&[u8]; 1] = [b"203.0.113.9"];
        for peer in ["192.0.2.1", "11.0.0.1", "::2", "fe00::1", "::ffff:192.0.2.1"] {
            let (client, why) = proxies().find(ip(peer), &spoofed, &[b"for=203.0.113.9"]);
            assert_eq!(why, Some(Unbelieved::Stranger));
            let peer = ip(peer).to_canonical();
            assert_eq!((client.peer, client.address, client.own()), (peer, peer, Some(peer)));
        }
        let (through, _) = proxies().find(ip("::ffff:10.0.0.1"), &spoofed, &[]);
        assert_eq!((through.peer, through.address), (ip("10.0.0.1"), ip("203.0.113.9")));
        // With no proxy named, the peer of a public server is a proxy, and that of any other is the client.
        for (is_public, own) in [(true, None), (false, Some(ip("127.0.0.1")))] {
            let none = Proxies::parse("", is_public).expect("no proxy");
            let (client, _) = none.find(ip("127.0.0.1"), &spoofed, &[]);
            assert_eq!((client.address, client.own()), (ip("127.0.0.1"), own));
        }
    }

    #[test]
    fn contains_the_addresses_of_a_network_and_no_other() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("128.0.0.0/1", "255.0.0.0", "127.255.255.255"),
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.0"),
            ("10.0.0.1", "10.0.0.1", "::a00:1"),
            ("fd00::/8", "fdff::", "fe00::"),
            ("2001:db8::8/125", "2001:db8::f", "2001:db8::10"),
            ("::1/128", "::1", "::"),
            ("::/1", "7fff::", "0.0.0.1"),
        ] {
            let network = Network::parse(network).expect("a good network");
            assert!(network.contains(ip(inside)) && !network.contains(ip(outside)), "{network:?}");
        }
    }

    #[test]
    fn refuses_a_list_with_a_mistake_and_names_it() {
        for item in [
            "",
            "localhost",
            "10.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0.0/-1",
            "fd00::/129",
            "10.0.0.1/8",
            "fd00::1/8",
            "0.0.0.0/0",
            "::/0",
            "[::1]",
            "127.0.0.1:80",
            "10.0.0.1 10.0.0.2",
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.0/104",
            "fe80::1%eth0",
            "*",
            "/8",
        ] {
            let refused = Proxies::parse(&format!("127.0.0.1,{item}"), false).err();
            assert_eq!(refused.map(|bad| bad.item), Some(item.to_owned()));
        }
        assert!(Proxies::parse("127.0.0.1,", false).is_err(), "a comma at the end");
    }
}
