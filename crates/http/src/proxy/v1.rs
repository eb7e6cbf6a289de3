//! `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`

use std::net::{IpAddr, SocketAddr};

use memchr::memchr;

use super::ProxyInfo;
use crate::grammar::decimal;
use crate::refused::{Quote, Refused};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line that the protocol can produce, with CRLF.
const LONGEST: usize = 107;

pub(super) fn read(buf: &[u8]) -> Result<Option<(usize, Option<ProxyInfo>)>, Refused> {
    let start = buf.get(..LONGEST).unwrap_or(buf);
    let Some(lf) = memchr(b'\n', start) else {
        let refused = || Err(Refused::Proxy(Quote::new(start)));
        return if buf.len() < LONGEST {
            Ok(None)
        } else {
            refused()
        };
    };
    let line = buf.get(..lf).unwrap_or_default();
    let info = line.strip_suffix(b"\r").and_then(parse_line);
    let info = info.ok_or_else(|| Refused::Proxy(Quote::new(line)))?;
    Ok(Some((lf.saturating_add(1), Some(info))))
}

fn parse_line(line: &[u8]) -> Option<ProxyInfo> {
    let mut parts = std::str::from_utf8(line).ok()?.split(' ');
    let mut part = || parts.next();
    let (_proxy, protocol) = (part()?, part()?);
    let (source, destination) = (part()?, part()?);
    let (source_port, destination_port) = (part()?, part()?);
    let address = |text: &str, port: &str| -> Option<SocketAddr> {
        let address: IpAddr = match protocol {
            "TCP4" => IpAddr::V4(text.parse().ok()?),
            "TCP6" => IpAddr::V6(text.parse().ok()?),
            _ => return None,
        };
        let port = u16::try_from(decimal(port.as_bytes())?).ok()?;
        Some(SocketAddr::new(address, port))
    };
    let info = ProxyInfo {
        source: address(source, source_port)?,
        destination: address(destination, destination_port)?,
    };
    parts.next().is_none().then_some(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports_are_read() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET";
        let (len, info) = read(line).unwrap().unwrap();
        let info = info.unwrap();
        assert_eq!(len, line.len() - 3);
        assert_eq!(info.protocol(), "TCP4");
        assert_eq!(info.source, "192.0.2.1:56324".parse().unwrap());
        assert_eq!(info.destination, "192.0.2.2:443".parse().unwrap());
        for cut in 0..line.len() - 3 {
            assert_eq!(read(&line[..cut]), Ok(None), "{cut}");
        }
        assert!(
            read(b"PROXY TCP6 ::1 2001:db8::2 1 65535\r\n")
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "UNKNOWN",
            "UNKNOWN ::1 ::1 1 2",
            "TCP4 1.2.3.4 5.6.7.8 70000 2",
            "TCP4 1.2.3.4 5.6.7.8 1",
            "TCP4 1.2.3.4 5.6.7.8 1 2 3",
            "TCP4 ::1 ::1 1 2",
            "TCP6 1.2.3.4 1.2.3.4 1 2",
            "TCP4  1.2.3.4 5.6.7.8 1 2",
            "TCP4 not-an-ip 5.6.7.8 1 2",
            "TCP4 1.2.3.4 5.6.7.8 +1 2",
            "UDP4 1.2.3.4 5.6.7.8 1 2",
            "TCP4 1.2.3.4 5.6...",
        ] {
            let line = format!("PROXY {bad}\r\n");
            assert!(
                matches!(read(line.as_bytes()), Err(Refused::Proxy(_))),
                "{bad}"
            );
        }
        assert!(read(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n").is_err());
        assert!(read(&[b"PROXY ".as_slice(), &[b'x'; 101]].concat()).is_err());
    }
}
