//! The opening handshake, RFC 6455 §4.2.

use std::fmt;

use data_encoding::BASE64;

use crate::extensions::{self, Deflate, Windows, is_token};

/// What the key of a client is joined with before it is hashed (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// More subprotocols than this, and somebody is up to no good.
const MOST_SUBPROTOCOLS: usize = 128;

/// What a request head says that matters here. Names are compared without case.
pub struct Head<'a, F> {
    /// As it was sent.
    pub method: &'a [u8],
    /// `HTTP/1.1` or later.
    pub at_least_http_11: bool,
    /// Does a body follow?
    pub has_body: bool,
    /// Names and values of the fields, in order; the values without blanks around them.
    pub fields: F,
}

/// A request that opens a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    accept: String,
    /// What the client can speak, most wanted first.
    pub subprotocols: Vec<String>,
    compression: Option<(Deflate, String)>,
}

/// Why a request that wants a WebSocket does not get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A version other than 13.
    Version,
    /// No key, several, or not 16 bytes.
    Key,
    /// Not exactly one `Host`.
    Host,
    /// The request has a body.
    Body,
    /// Names that are no tokens, twice the same, or too many.
    Subprotocols,
    /// A field that breaks its grammar.
    Extensions,
}

impl Refusal {
    /// What the client is answered with; with 426 goes `Sec-WebSocket-Version: 13`.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 426,
            _ => 400,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "Sec-WebSocket-Version is not 13",
            Self::Key => "Sec-WebSocket-Key is not 16 bytes in base64",
            Self::Host => "a WebSocket handshake needs one Host field",
            Self::Body => "a WebSocket handshake cannot have a body",
            Self::Subprotocols => "Sec-WebSocket-Protocol is not a list of different tokens",
            Self::Extensions => "Sec-WebSocket-Extensions is malformed",
        })
    }
}

/// Does this request open a WebSocket? `Ok(None)`: no, it is like any other.
///
/// `windows`: compression may be agreed upon, with these at most.
pub fn read<'a, F>(head: &Head<'a, F>, windows: Option<Windows>) -> Result<Option<Opening>, Refusal>
where
    F: Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
{
    let values = |name: &'static str| {
        let fields = head.fields.clone();
        fields.filter_map(move |(field, value)| {
            field.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
        })
    };
    let names = |name, wanted: &[u8]| values(name).any(|value| lists(value, wanted));
    // RFC 9110 §7.8: Upgrade means nothing before 1.1, and counts only if Connection names it.
    if head.method != b"GET"
        || !head.at_least_http_11
        || !names("upgrade", b"websocket")
        || !names("connection", b"upgrade")
    {
        return Ok(None);
    }
    if only(values("sec-websocket-version")) != Some(b"13") {
        return Err(Refusal::Version);
    }
    if only(values("host")).is_none() {
        return Err(Refusal::Host);
    }
    if head.has_body {
        return Err(Refusal::Body);
    }
    let key = only(values("sec-websocket-key")).ok_or(Refusal::Key)?;
    let compression = match windows {
        Some(windows) => extensions::negotiate(values("sec-websocket-extensions"), windows)?,
        None => None,
    };
    Ok(Some(Opening {
        accept: accept(key)?,
        subprotocols: subprotocols(values("sec-websocket-protocol"))?,
        compression,
    }))
}

impl Opening {
    /// The compression that will be used.
    #[must_use]
    pub fn deflate(&self) -> Option<Deflate> {
        self.compression.as_ref().map(|(deflate, _)| *deflate)
    }

    /// Writes the head of the answer, up to the fields of the application and the empty line.
    pub fn write_head(&self, subprotocol: Option<&str>, out: &mut Vec<u8>) {
        let mut field = |name: &str, value: &str| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        field("HTTP/1.1 101 Switching Protocols", "");
        field("Upgrade: ", "websocket");
        field("Connection: ", "Upgrade");
        if let Some(subprotocol) = subprotocol {
            field("Sec-WebSocket-Protocol: ", subprotocol);
        }
        if let Some((_, answer)) = &self.compression {
            field("Sec-WebSocket-Extensions: ", answer);
        }
        field("Sec-WebSocket-Accept: ", &self.accept);
    }
}

/// Is `wanted` a member of this list, whatever its case?
fn lists(value: &[u8], wanted: &[u8]) -> bool {
    value
        .split(|&byte| byte == b',')
        .any(|member| member.trim_ascii().eq_ignore_ascii_case(wanted))
}

/// The only one of these, if there is exactly one.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// `Sec-WebSocket-Accept` for a key (§4.2.2).
fn accept(key: &[u8]) -> Result<String, Refusal> {
    match BASE64.decode(key) {
        Ok(bytes) if bytes.len() == 16 => {}
        _ => return Err(Refusal::Key),
    }
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(GUID);
    Ok(BASE64.encode(&hash.digest().bytes()))
}

fn subprotocols<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Vec<String>, Refusal> {
    let mut names: Vec<String> = Vec::new();
    for member in values.flat_map(|value| value.split(|&byte| byte == b',')) {
        let name = str::from_utf8(member.trim_ascii()).map_err(|_| Refusal::Subprotocols)?;
        // A list may have empty members.
        if name.is_empty() {
            continue;
        }
        let valid = name.bytes().all(is_token);
        if !valid || names.len() >= MOST_SUBPROTOCOLS || names.iter().any(|one| one == name) {
            return Err(Refusal::Subprotocols);
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = Vec<(&'static str, &'static str)>;

    fn fields() -> Fields {
        vec![
            ("Host", "example.com"),
            ("Upgrade", "WebSocket"),
            ("Connection", "keep-alive, Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ]
    }

    fn with(name: &'static str, value: &'static str) -> Fields {
        let mut fields = without(name);
        fields.push((name, value));
        fields
    }

    fn without(name: &str) -> Fields {
        fields()
            .into_iter()
            .filter(|field| field.0 != name)
            .collect()
    }

    fn request(method: &str, fields: &Fields) -> Result<Option<Opening>, Refusal> {
        let bytes = |field: &(&'static str, &'static str)| (field.0.as_bytes(), field.1.as_bytes());
        let head = Head {
            method: method.as_bytes(),
            at_least_http_11: true,
            has_body: false,
            fields: fields.iter().map(bytes),
        };
        read(&head, Some(Windows::default()))
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let opening = request("GET", &fields()).unwrap().unwrap();
        let mut out = Vec::new();
        opening.write_head(Some("chat"), &mut out);
        assert_eq!(
            out.as_slice(),
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Protocol: chat\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        );
    }

    #[test]
    fn requests_that_ask_for_no_websocket_are_like_any_other() {
        assert_eq!(request("POST", &fields()), Ok(None));
        assert_eq!(request("GET", &without("Upgrade")), Ok(None));
        assert_eq!(request("GET", &without("Connection")), Ok(None));
        assert_eq!(request("GET", &with("Upgrade", "h2c")), Ok(None));
        assert_eq!(request("GET", &with("Connection", "close")), Ok(None));
    }

    #[test]
    fn each_thing_that_is_wrong_is_named() {
        for (fields, refusal) in [
            (with("Sec-WebSocket-Version", "8"), Refusal::Version),
            (with("Sec-WebSocket-Version", "13, 8"), Refusal::Version),
            (without("Sec-WebSocket-Version"), Refusal::Version),
            (with("Sec-WebSocket-Key", "abc"), Refusal::Key),
            (
                with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"),
                Refusal::Key,
            ),
            (with("Sec-WebSocket-Key", "AAAA"), Refusal::Key),
            (without("Sec-WebSocket-Key"), Refusal::Key),
            (without("Host"), Refusal::Host),
            (
                with("Sec-WebSocket-Protocol", "a, a"),
                Refusal::Subprotocols,
            ),
            (with("Sec-WebSocket-Protocol", "a b"), Refusal::Subprotocols),
            (with("Sec-WebSocket-Extensions", "a;"), Refusal::Extensions),
        ] {
            assert_eq!(request("GET", &fields), Err(refusal), "{fields:?}");
        }
        let mut twice = fields();
        twice.push(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(request("GET", &twice), Err(Refusal::Key));
        assert_eq!(
            (Refusal::Version.status(), Refusal::Key.status()),
            (426, 400)
        );
    }

    #[test]
    fn subprotocols_keep_their_order_over_several_fields() {
        let mut fields = with("Sec-WebSocket-Protocol", "chat, superchat");
        fields.push(("sec-websocket-protocol", "graphql-ws"));
        let opening = request("GET", &fields).unwrap().unwrap();
        assert_eq!(opening.subprotocols, ["chat", "superchat", "graphql-ws"]);
    }

    #[test]
    fn compression_is_agreed_upon_only_where_it_is_on() {
        let fields = with("Sec-WebSocket-Extensions", "permessage-deflate");
        let opening = request("GET", &fields).unwrap().unwrap();
        let mut out = Vec::new();
        opening.write_head(None, &mut out);
        assert!(opening.deflate().is_some());
        let answer = b"\r\nSec-WebSocket-Extensions: permessage-deflate";
        assert!(out.windows(answer.len()).any(|part| part == answer));
        let head = Head {
            method: b"GET",
            at_least_http_11: true,
            has_body: false,
            fields: fields
                .iter()
                .map(|field| (field.0.as_bytes(), field.1.as_bytes())),
        };
        assert_eq!(read(&head, None).unwrap().unwrap().deflate(), None);
    }
}
