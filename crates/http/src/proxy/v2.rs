//! The binary form: a signature, four bytes that say what follows, addresses, extensions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::ProxyInfo;
use crate::refused::{Quote, Refused};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(super) fn read(buf: &[u8]) -> Result<Option<(usize, Option<ProxyInfo>)>, Refused> {
    let rest = buf.get(SIGNATURE.len()..).unwrap_or_default();
    let Some((&[command, family, high, low], rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let refused = || Refused::Proxy(Quote::new(&[command, family, high, low]));
    let length = usize::from(u16::from_be_bytes([high, low]));
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(refused()),
    };
    let addresses = match family {
        _ if local => 0,
        0x11 => 12,
        0x21 => 36,
        // Unspecified: the load balancer cannot say, and its addresses are to be skipped.
        0x00 | 0x01 => 0,
        _ => return Err(refused()),
    };
    if length < addresses {
        return Err(refused());
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let info = match addresses {
        12 => Some(inet(payload).ok_or_else(refused)?),
        36 => Some(inet6(payload).ok_or_else(refused)?),
        _ => None,
    };
    let len = SIGNATURE.len().saturating_add(4).saturating_add(length);
    Ok(Some((len, info)))
}

fn inet(payload: &[u8]) -> Option<ProxyInfo> {
    let (source, rest) = payload.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    info(
        IpAddr::V4(Ipv4Addr::from(*source)),
        IpAddr::V4(Ipv4Addr::from(*destination)),
        rest,
    )
}

fn inet6(payload: &[u8]) -> Option<ProxyInfo> {
    let (source, rest) = payload.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    info(
        IpAddr::V6(Ipv6Addr::from(*source)),
        IpAddr::V6(Ipv6Addr::from(*destination)),
        rest,
    )
}

/// The ports follow the addresses; the extensions after them are skipped.
fn info(source: IpAddr, destination: IpAddr, rest: &[u8]) -> Option<ProxyInfo> {
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(ProxyInfo {
        source: SocketAddr::new(source, u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(destination, u16::from_be_bytes(*destination_port)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, payload].concat()
    }

    const INET: &[u8] = &[9, 8, 7, 6, 5, 4, 3, 2, 0, 99, 0, 100];

    #[test]
    fn addresses_are_read_and_extensions_skipped() {
        let bytes = header(0x21, 0x11, &[INET, b"\x03\0\x01x"].concat());
        let (len, info) = read(&bytes).unwrap().unwrap();
        let info = info.unwrap();
        assert_eq!((len, info.protocol()), (bytes.len(), "TCP4"));
        assert_eq!(info.source, "9.8.7.6:99".parse().unwrap());
        assert_eq!(info.destination, "5.4.3.2:100".parse().unwrap());
        for cut in SIGNATURE.len()..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn ipv6_addresses_are_read() {
        let mut payload = [0; 36];
        (payload[15], payload[31], payload[33], payload[35]) = (1, 2, 80, 81);
        let (_, info) = read(&header(0x21, 0x21, &payload)).unwrap().unwrap();
        let info = info.unwrap();
        assert_eq!(info.protocol(), "TCP6");
        assert_eq!(info.source, "[::1]:80".parse().unwrap());
        assert_eq!(info.destination, "[::2]:81".parse().unwrap());
    }

    #[test]
    fn local_and_unspecified_keep_the_real_peer() {
        for bytes in [
            header(0x20, 0x00, b""),
            header(0x20, 0x11, INET),
            header(0x21, 0x00, b"abc"),
        ] {
            assert_eq!(read(&bytes), Ok(Some((bytes.len(), None))));
        }
    }

    #[test]
    fn other_versions_commands_families_and_short_lengths_are_refused() {
        for bytes in [
            header(0x11, 0x11, INET),
            header(0x22, 0x11, INET),
            header(0x21, 0x12, INET),
            header(0x21, 0x31, INET),
            header(0x21, 0x11, &INET[..11]),
            header(0x21, 0x21, INET),
        ] {
            assert!(matches!(read(&bytes), Err(Refused::Proxy(_))), "{bytes:?}");
        }
    }
}
