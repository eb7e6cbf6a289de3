//! The PROXY header that a load balancer puts in front of a connection's first request.

mod v1;
mod v2;

use std::net::SocketAddr;

use crate::refused::Refused;

/// Versions that are looked for (`proxy_protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// None: a PROXY header is malformed HTTP.
    #[default]
    Off,
    /// The text form.
    V1,
    /// The binary form.
    V2,
    /// Either.
    Auto,
}

/// What the header says about the connection of the client to the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyInfo {
    /// The client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

impl ProxyInfo {
    /// `TCP4` or `TCP6`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        if self.source.is_ipv4() {
            "TCP4"
        } else {
            "TCP6"
        }
    }
}

/// What the start of a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Too few bytes to tell.
    NeedMore,
    /// No PROXY header: the first byte is HTTP's.
    NotProxy,
    /// A header; HTTP begins after it.
    Header {
        /// Its length in bytes.
        len: usize,
        /// None if the load balancer speaks for itself (a health check) or does not know.
        info: Option<ProxyInfo>,
    },
}

/// Look at the first bytes of a connection. `allowed`: the peer is in `proxy_allow_ips`.
///
/// # Errors
/// It is a PROXY header, but malformed or from the wrong peer.
pub fn parse(mode: Mode, allowed: bool, buf: &[u8]) -> Result<Outcome, Refused> {
    let looks_for = |version, signature: &[u8]| {
        (mode == version || mode == Mode::Auto) && buf.iter().zip(signature).all(|(a, b)| a == b)
    };
    let (signature, read): (&[u8], fn(&[u8]) -> _) = if looks_for(Mode::V1, v1::SIGNATURE) {
        (v1::SIGNATURE, v1::read)
    } else if looks_for(Mode::V2, v2::SIGNATURE) {
        (v2::SIGNATURE, v2::read)
    } else {
        return Ok(Outcome::NotProxy);
    };
    if buf.len() < signature.len() {
        return Ok(Outcome::NeedMore);
    }
    if !allowed {
        return Err(Refused::ProxyNotAllowed);
    }
    Ok(match read(buf)? {
        None => Outcome::NeedMore,
        Some((len, info)) => Outcome::Header { len, info },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_recognised_by_its_first_bytes() {
        assert_eq!(parse(Mode::Auto, true, b""), Ok(Outcome::NeedMore));
        assert_eq!(parse(Mode::Auto, true, b"P"), Ok(Outcome::NeedMore));
        assert_eq!(parse(Mode::Auto, true, b"PU"), Ok(Outcome::NotProxy));
        assert_eq!(parse(Mode::Auto, true, b"G"), Ok(Outcome::NotProxy));
        assert_eq!(parse(Mode::V2, true, b"\r\n"), Ok(Outcome::NeedMore));
        assert_eq!(parse(Mode::V2, true, b"\r\nG"), Ok(Outcome::NotProxy));
        assert_eq!(parse(Mode::Off, true, b""), Ok(Outcome::NotProxy));
    }

    #[test]
    fn only_the_enabled_version_is_looked_for() {
        assert_eq!(parse(Mode::V2, true, b"PROXY TCP4"), Ok(Outcome::NotProxy));
        assert_eq!(parse(Mode::V1, true, v2::SIGNATURE), Ok(Outcome::NotProxy));
        assert_eq!(parse(Mode::Off, true, v2::SIGNATURE), Ok(Outcome::NotProxy));
    }

    #[test]
    fn other_peers_are_forbidden() {
        for start in [v1::SIGNATURE, v2::SIGNATURE] {
            let refused = parse(Mode::Auto, false, start).unwrap_err();
            assert_eq!((refused.status(), refused.reason()), (403, "Forbidden"));
        }
        assert_eq!(parse(Mode::Auto, false, b"GET /"), Ok(Outcome::NotProxy));
    }
}
