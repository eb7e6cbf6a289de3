//! Addresses to listen on, as `bind` writes them.

use std::fmt;

use crate::{ConfigError, Origin, Value};

/// One item of `bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`. The host is a name, an IPv4 address or an IPv6 address without its brackets.
    Tcp {
        /// Lower case, never empty.
        host: String,
        /// 0 lets the system choose.
        port: u16,
    },
    /// A path; a leading NUL byte means the abstract namespace of Linux.
    Unix(String),
    /// A socket that was opened by whoever started the server.
    Fd(i32),
}

const ANY_HOST: &str = "0.0.0.0";
const DEFAULT_PORT: u16 = 8000;

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `:PORT`, `[V6]:PORT`, `tcp://HOST:PORT`, `unix:PATH`,
    /// `unix://PATH` or `fd://N`.
    pub fn parse(text: &str) -> Result<Address, ConfigError> {
        Self::read(text).map_err(|expected| ConfigError {
            setting: "bind",
            value: Value::Str(text.to_owned()).to_string(),
            origin: Origin::Named("address".into()),
            expected,
        })
    }

    fn read(text: &str) -> Result<Address, String> {
        if let Some(number) = text.strip_prefix("fd://") {
            let descriptor = number.parse().ok().filter(|number| *number >= 0);
            return descriptor
                .map(Address::Fd)
                .ok_or_else(|| "a number after fd://".into());
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("a path after unix:".into())
            } else {
                Ok(Address::Unix(path.into()))
            };
        }
        let (host, port) = host_and_port(text.strip_prefix("tcp://").unwrap_or(text))?;
        let host = if host.is_empty() {
            ANY_HOST.to_owned()
        } else {
            host.to_lowercase()
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().map_err(|_| "a port from 0 to 65535")?
            }
            Some(port) => {
                return Err(format!(
                    "HOST:PORT, and '{port}' is not a valid port number"
                ));
            }
        };
        Ok(Address::Tcp { host, port })
    }
}

fn host_and_port(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a ']' after the IPv6 address")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("[V6]:PORT".into()),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, port)) if port.contains(':') => {
            Err("an IPv6 address to be in brackets: [V6]:PORT".into())
        }
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// Writes the address so that [`Address::parse`] reads it back.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{path}"),
            Address::Fd(descriptor) => write!(f, "fd://{descriptor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp {
            host: host.into(),
            port,
        }
    }

    #[test]
    fn every_form_is_read() {
        for (text, address) in [
            ("", tcp("0.0.0.0", 8000)),
            (":9000", tcp("0.0.0.0", 9000)),
            ("LocalHost", tcp("localhost", 8000)),
            ("127.0.0.1:0", tcp("127.0.0.1", 0)),
            ("[::1]:80", tcp("::1", 80)),
            ("[::1]", tcp("::1", 8000)),
            ("tcp://example.org:81", tcp("example.org", 81)),
            ("unix:/run/App.sock", Address::Unix("/run/App.sock".into())),
            (
                "unix:///run/app.sock",
                Address::Unix("/run/app.sock".into()),
            ),
            ("unix:app.sock", Address::Unix("app.sock".into())),
            ("unix:\0name", Address::Unix("\0name".into())),
            ("fd://3", Address::Fd(3)),
        ] {
            assert_eq!(Address::parse(text), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for text in [
            "host:http",
            "host:",
            "host:65536",
            "::1:80",
            "[::1",
            "[::1]80",
            "fd://x",
            "fd://-1",
            "unix:",
            "h:+1",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_prints_as_it_is_written() {
        for text in ["[::1]:80", "localhost:8000", "unix:/run/app.sock", "fd://3"] {
            assert_eq!(Address::parse(text).expect("valid").to_string(), text);
        }
    }
}
