//! A connection as one worker tells another about it: the message that goes along with its
//! descriptor.
//!
//! Both are forks of one arbiter, so the form needs no versions. A message that cannot be read is a fault of
//! ours; its connection is closed and nothing else happens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use oxicorn_http::proxy::ProxyInfo;

use crate::clock::Moment;

/// What the next worker has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    /// Which listener took the connection: the two may have them in another order.
    pub listener: u64,
    /// Requests called so far.
    pub requests: u32,
    /// Since when a request waits; `None`: none does yet, as far as the sender knows.
    pub waits_since: Option<Moment>,
    /// `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// A PROXY header may still come.
    pub in_preface: bool,
    /// It waited in a worker that is about to be killed.
    pub is_rescued: bool,
    /// What a PROXY header said.
    pub proxy: Option<ProxyInfo>,
}

impl Parcel {
    /// Appends the message, behind which what was received from the client follows.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.listener.to_le_bytes());
        out.extend_from_slice(&self.requests.to_le_bytes());
        let since = self.waits_since.map_or(0, Moment::micros);
        out.extend_from_slice(&since.to_le_bytes());
        out.push(u8::from(self.in_preface));
        out.push(u8::from(self.is_rescued));
        write_address(out, self.address);
        write_address(out, self.proxy.map(|proxy| proxy.source));
        write_address(out, self.proxy.map(|proxy| proxy.destination));
    }

    /// Reads a message; gives also what follows it.
    pub fn read(message: &[u8]) -> Option<(Parcel, &[u8])> {
        let mut reader = Reader(message);
        let listener = reader.u64()?;
        let requests = reader.u32()?;
        let since = reader.u64()?;
        let in_preface = reader.u8()? != 0;
        let is_rescued = reader.u8()? != 0;
        let address = reader.address()?;
        let (source, destination) = (reader.address()?, reader.address()?);
        let parcel = Parcel {
            listener,
            requests,
            waits_since: (since != 0).then(|| Moment::from_micros(since)),
            address,
            in_preface,
            is_rescued,
            proxy: source
                .zip(destination)
                .map(|(source, destination)| ProxyInfo {
                    source,
                    destination,
                }),
        };
        Some((parcel, reader.0))
    }
}

const NO_ADDRESS: u8 = 0;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

fn write_address(out: &mut Vec<u8>, address: Option<SocketAddr>) {
    match address {
        None => out.push(NO_ADDRESS),
        Some(SocketAddr::V4(address)) => {
            out.push(IPV4);
            out.extend_from_slice(&address.ip().octets());
            out.extend_from_slice(&address.port().to_le_bytes());
        }
        Some(SocketAddr::V6(address)) => {
            out.push(IPV6);
            out.extend_from_slice(&address.ip().octets());
            out.extend_from_slice(&address.port().to_le_bytes());
            out.extend_from_slice(&address.flowinfo().to_le_bytes());
            out.extend_from_slice(&address.scope_id().to_le_bytes());
        }
    }
}

/// Takes values off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*value)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// `Some(None)`: there is none.
    fn address(&mut self) -> Option<Option<SocketAddr>> {
        Some(match self.u8()? {
            NO_ADDRESS => None,
            IPV4 => {
                let ip = IpAddr::from(Ipv4Addr::from(self.array::<4>()?));
                Some(SocketAddr::new(ip, self.u16()?))
            }
            IPV6 => {
                let ip = Ipv6Addr::from(self.array::<16>()?);
                let (port, flow, scope) = (self.u16()?, self.u32()?, self.u32()?);
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcels() -> Vec<Parcel> {
        let v4: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let v6: SocketAddr = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 1, 2).into();
        let plain = Parcel {
            listener: u64::MAX,
            requests: 3,
            waits_since: None,
            address: Some(v4),
            in_preface: true,
            is_rescued: true,
            proxy: None,
        };
        let proxied = Parcel {
            waits_since: Some(Moment::from_micros(12)),
            address: Some(v6),
            in_preface: false,
            is_rescued: true,
            proxy: Some(ProxyInfo {
                source: v4,
                destination: v6,
            }),
            ..plain.clone()
        };
        let local = Parcel {
            address: None,
            ..plain.clone()
        };
        vec![plain, proxied, local]
    }

    #[test]
    fn what_is_written_is_read_again() {
        for parcel in parcels() {
            let mut message = Vec::new();
            parcel.write(&mut message);
            message.extend_from_slice(b"GET / HT");
            assert_eq!(
                Parcel::read(&message),
                Some((parcel, b"GET / HT".as_slice()))
            );
        }
    }

    #[test]
    fn a_torn_message_is_no_parcel() {
        for parcel in parcels() {
            let mut message = Vec::new();
            parcel.write(&mut message);
            for length in 0..message.len() {
                assert_eq!(Parcel::read(&message[..length]), None);
            }
        }
    }
}
