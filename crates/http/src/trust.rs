//! Whose word counts: lists of addresses and networks.

use std::fmt;
use std::net::IpAddr;

/// The addresses of `forwarded_allow_ips` or `proxy_allow_ips`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    any: bool,
    networks: Vec<Network>,
}

/// An entry that is no address, no network and not `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNetwork(pub String);

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is no IP address, no network without host bits and not '*'",
            self.0
        )
    }
}

impl std::error::Error for BadNetwork {}

impl Networks {
    /// Read the entries of a list: addresses, networks in CIDR notation, or `*`.
    ///
    /// # Errors
    /// The first entry that is none of them.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, BadNetwork> {
        let mut list = Self::default();
        for entry in entries {
            match entry.as_ref().trim() {
                "*" => list.any = true,
                text => list
                    .networks
                    .push(Network::parse(text).ok_or_else(|| BadNetwork(text.to_owned()))?),
            }
        }
        Ok(list)
    }

    /// Is the address in one of the networks? An IPv4 address inside IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.any || {
            let address = address.to_canonical();
            self.networks
                .iter()
                .any(|network| network.contains(address))
        }
    }

    /// As [`contains`](Self::contains); a peer without an address is on this machine and trusted.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|address| self.contains(address))
    }
}

/// The leading `prefix` bits of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            None => (text.parse().ok()?, None),
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix)),
        };
        let width = width(address);
        let prefix = match prefix {
            None => width,
            Some(text) => prefix_length(text, address)?,
        };
        let network = Self { address, prefix };
        let host_bits = bits(address) & !network.mask();
        (prefix <= width && host_bits == 0).then(|| network.canonical())
    }

    /// `::ffff:0:0/96` and narrower are IPv4 networks, as the addresses in them are compared as IPv4.
    fn canonical(self) -> Self {
        match (self.address.to_canonical(), self.prefix.checked_sub(96)) {
            (address @ IpAddr::V4(_), Some(prefix)) if self.address.is_ipv6() => {
                Self { address, prefix }
            }
            _ => self,
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && bits(address) & self.mask() == bits(self.address)
    }

    fn mask(&self) -> u128 {
        let host_bits = width(self.address).saturating_sub(self.prefix);
        u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

/// `24`, or for IPv4 also `255.255.255.0`.
fn prefix_length(text: &str, address: IpAddr) -> Option<u32> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mask = u32::from(text.parse::<std::net::Ipv4Addr>().ok()?);
    let contiguous = mask.leading_ones().saturating_add(mask.trailing_zeros()) == 32;
    (address.is_ipv4() && contiguous).then(|| mask.leading_ones())
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(entries: &[&str], address: &str) -> bool {
        Networks::parse(entries)
            .unwrap()
            .contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_match() {
        assert!(contains(&["127.0.0.1", "::1"], "127.0.0.1"));
        assert!(contains(&["127.0.0.1", "::1"], "::1"));
        assert!(!contains(&["127.0.0.1", "::1"], "127.0.0.2"));
        assert!(contains(&["10.0.0.0/8"], "10.255.1.2"));
        assert!(!contains(&["10.0.0.0/8"], "11.0.0.0"));
        assert!(contains(&["10.1.0.0/255.255.0.0"], "10.1.2.3"));
        assert!(contains(&["2001:db8::/32"], "2001:db8:1::1"));
        assert!(!contains(&["2001:db8::/32"], "2001:db9::1"));
        assert!(contains(&["0.0.0.0/0"], "8.8.8.8"));
        assert!(!contains(&["0.0.0.0/0"], "::1"));
        assert!(contains(&["*"], "::1"));
        assert!(!contains(&[], "::1"));
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        assert!(contains(&["10.0.0.0/8"], "::ffff:10.0.0.1"));
        assert!(contains(&["::ffff:10.0.0.1"], "10.0.0.1"));
        assert!(contains(&["::ffff:10.0.0.0/104"], "10.2.3.4"));
        assert!(!contains(&["::ffff:10.0.0.0/104"], "11.2.3.4"));
    }

    #[test]
    fn host_bits_and_nonsense_are_errors() {
        for bad in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "host",
            "",
            "::/129",
            "10.0.0.0/255.0.255.0",
        ] {
            assert_eq!(Networks::parse(&[bad]), Err(BadNetwork(bad.to_owned())));
        }
    }

    #[test]
    fn peers_without_address_are_trusted() {
        assert!(Networks::default().trusts(None));
    }
}
