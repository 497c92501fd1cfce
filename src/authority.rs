//! Splits `host:port`, as it is written in a `Host` field, in a URL and in an option. No other file does.
//!
//! Knows no scheme and no default port, and resolves no name. If two rooms split such a text differently, one could
//! check a host while the other connects to another host, or sends a code there. Known attacks use that: one program
//! reads the host of `http://good.example@evil.example/` as `good.example`, another as `evil.example`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Hosts that mean this machine, as they are written in a `Host` field.
pub(crate) const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// A host, and a port if there is one (RFC 3986 §3.2), both as they were written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Authority<'t> {
    /// A name or an IPv4 address, or an IPv6 address with its brackets. Letters have the case in which they were
    /// written.
    pub(crate) host: &'t str,
    /// Digits whose value fits a port. They stay text, because redirect URIs are compared byte for byte (OAuth 2.1
    /// §2.3.1): `h:443` and `h:0443` must not become equal.
    pub(crate) port: Option<&'t str>,
}

impl<'t> Authority<'t> {
    /// Reads `host[:port]`, where the host is of ASCII letters, digits, `.`, `-` and `_`, or a bracketed IPv6
    /// address.
    ///
    /// This is stricter than RFC 3986, which allows a user before the host, escapes within the host, and a colon
    /// without a port. Attackers have used each to make two programs see two hosts. No address needs them.
    pub(crate) fn parse(text: &'t str) -> Option<Authority<'t>> {
        let (host, port) = match text.bytes().rposition(|byte| byte == b':') {
            // The last colon of `[::1]` is a part of the address.
            Some(colon) if !text.ends_with(']') => (&text[..colon], Some(&text[colon + 1..])),
            _ => (text, None),
        };
        let host_fits = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
            }
        };
        // `parse` alone would take "+80".
        let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
        (host_fits && port.is_none_or(is_port)).then_some(Authority { host, port })
    }

    /// Returns the port as a number. Its digits were checked by `parse`, so `None` means that there is no port.
    pub(crate) fn port_number(&self) -> Option<u16> {
        self.port.and_then(|port| port.parse().ok())
    }

    /// Returns whether the host is one of the three usual names of the client's own machine. Case matters: a caller
    /// that wants to ignore it gives lower case. `localhost` is included although it is a name, because RFC 6761 §6.3
    /// has systems resolve it to their own machine.
    pub(crate) fn is_loopback(&self) -> bool {
        LOOPBACK_HOSTS.contains(&self.host)
    }

    /// Returns the host's addresses if they are certain to be on this machine: both families for `localhost` in lower
    /// case, as a client's system would try them, and a loopback address that is written out. Empty for every other
    /// host.
    pub(crate) fn loopback_addresses(&self) -> Vec<IpAddr> {
        match self.host.trim_start_matches('[').trim_end_matches(']') {
            "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            literal => literal.parse().into_iter().filter(IpAddr::is_loopback).collect(),
        }
    }
}

/// Parses `ADDRESS:PORT`, an address to listen on or to connect to. Names aren't resolved, because a name may lead to
/// another machine; only `localhost` is known.
pub(crate) fn socket_address(text: &str) -> Option<SocketAddr> {
    match Authority::parse(text) {
        Some(authority) if authority.host == "localhost" => {
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, authority.port_number()?)))
        }
        // std's parser also accepts the interface in `[fe80::1%2]:80`, which no URL can have.
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, Option<&str>)>) {
        let parsed = Authority::parse(text);
        assert_eq!(parsed.map(|authority| (authority.host, authority.port)), expected, "{text:?}");
    }

    #[test]
    fn takes_host_and_port_apart() {
        check("journal.example", Some(("journal.example", None)));
        check("Journal.Example:443", Some(("Journal.Example", Some("443"))));
        check("my_host-1:0", Some(("my_host-1", Some("0"))));
        check("h:0080", Some(("h", Some("0080"))));
        check("h:65535", Some(("h", Some("65535"))));
        check("127.0.0.1:80", Some(("127.0.0.1", Some("80"))));
        check("[::1]", Some(("[::1]", None)));
        check("[::1]:80", Some(("[::1]", Some("80"))));
        check("[::ffff:127.0.0.1]:80", Some(("[::ffff:127.0.0.1]", Some("80"))));
    }

    #[test]
    fn refuses_what_two_programs_could_read_differently() {
        for bad in [
            "",
            ":",
            ":80",
            "h:",
            "h:+80",
            "h:-1",
            "h: 80",
            "h:80 ",
            "h:65536",
            "h:8a",
            "h:80:80",
            "::1",
            "::1:80",
            "[::1",
            "::1]",
            "[]",
            "[]:80",
            "[h]",
            "[::1]80",
            "[::1]x:80",
            "[::1%1]",
            "[fe80::1%25eth0]",
            "[[::1]]",
            "u@h",
            "u:p@h:80",
            "h/",
            "h?",
            "h#",
            "h\\",
            "h%2e",
            "h,h",
            "h h",
            "h\u{fc}",
            "h\r\n",
            "h\0",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn tells_this_machine_by_the_three_names() {
        let is_loopback = |text| Authority::parse(text).is_some_and(|authority| authority.is_loopback());
        for own in ["localhost", "127.0.0.1:1", "[::1]:65535"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["LOCALHOST", "localhost.", "localhost.example", "127.0.0.2", "[::2]", "[0::1]", "1"] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn knows_the_addresses_of_this_machine_alone() {
        let addresses = |text| {
            let addresses = Authority::parse(text).map(|authority| authority.loopback_addresses());
            addresses.unwrap_or_default().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(addresses("localhost:9"), "127.0.0.1 ::1");
        assert_eq!(addresses("127.9.9.9"), "127.9.9.9");
        assert_eq!(addresses("[0:0::1]:9"), "::1");
        for other in ["10.0.0.1", "[::2]:9", "journal.example", "localhost.example"] {
            assert_eq!(addresses(other), "", "{other}");
        }
    }

    #[test]
    fn reads_addresses_and_resolves_no_name() {
        let read = |text| socket_address(text).map(|address| address.to_string());
        assert_eq!(read("localhost:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(read("0.0.0.0:0").as_deref(), Some("0.0.0.0:0"));
        assert_eq!(read("[::1]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(read("[fe80::1%2]:80").as_deref(), Some("[fe80::1%2]:80"));
        for bad in
            ["", "localhost", "127.0.0.1", "[::1]", "h:80", "LOCALHOST:80", "localhost:65536", "::1:80"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
