//! Response heads: what the server adds, and the framing that follows from it.

use super::{BodyEncoder, Dialect, Fields, has_no_body};
use crate::head::Version;

/// The whole answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The Server field, finished.
pub const SERVER: &[u8] = b"Server: oxicorn\r\n";

/// What the head of a response depends on besides the application.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Version of the request; the response has the same, but none above HTTP/1.1.
    pub version: Version,
    /// The request was HEAD.
    pub is_head: bool,
    /// The request, the settings and the state of the worker all allow another request.
    pub keep_alive: bool,
}

/// What the head has promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Sent {
    /// Puts the framing on the body.
    pub body: BodyEncoder,
    /// The connection stays open, and the head says so.
    pub keep_alive: bool,
}

/// Append the response head. `status` has passed [`status_code`](super::status_code), which gave
/// `code`; `date` is a finished `Date: …` line with its CRLF.
pub fn write_head(
    out: &mut Vec<u8>,
    facts: &Facts,
    status: &[u8],
    code: u16,
    date: &[u8],
    fields: &Fields,
) -> Sent {
    let body = framing(facts, code, fields);
    let keep_alive = facts.keep_alive && body != BodyEncoder::UntilClose && !fields.closes();

    out.reserve(
        status
            .len()
            .saturating_add(fields.lines().len())
            .saturating_add(192),
    );
    write_status_line(out, facts.version, status);
    if !fields.has_server() {
        out.extend_from_slice(SERVER);
    }
    if !fields.has_date() {
        out.extend_from_slice(date);
    }
    let is_understood = fields.dialect() == Dialect::Asgi && facts.version > Version::HTTP_10;
    out.extend_from_slice(match (fields.upgrades(), keep_alive) {
        (true, _) => b"Connection: upgrade\r\n".as_slice(),
        (false, true) if is_understood => b"",
        (false, true) => b"Connection: keep-alive\r\n",
        (false, false) => b"Connection: close\r\n",
    });
    if body == BodyEncoder::Chunked {
        out.extend_from_slice(match fields.dialect() {
            Dialect::Wsgi => b"Transfer-Encoding: chunked\r\n",
            Dialect::Asgi => b"transfer-encoding: chunked\r\n",
        });
    }
    // RFC 9110 §8.6: no Content-Length in a 1xx or 204.
    if code < 200 || code == 204 {
        write_lines_without_length(out, fields);
    } else {
        out.extend_from_slice(fields.lines());
    }
    out.extend_from_slice(b"\r\n");
    Sent { body, keep_alive }
}

/// Append a `103 Early Hints`. Not for HTTP/1.0, nor after the response head.
pub fn write_early_hints(out: &mut Vec<u8>, version: Version, hints: &Fields) {
    write_interim(out, version, b"103 Early Hints", hints);
}

/// Append a response with a 1xx status. Not for HTTP/1.0, nor after the response head.
pub fn write_interim(out: &mut Vec<u8>, version: Version, status: &[u8], fields: &Fields) {
    write_status_line(out, version, status);
    write_lines_without_length(out, fields);
    out.extend_from_slice(b"\r\n");
}

fn framing(facts: &Facts, code: u16, fields: &Fields) -> BodyEncoder {
    if facts.is_head || has_no_body(code) {
        BodyEncoder::Discard
    } else if let Some(left) = fields.content_length() {
        BodyEncoder::Known { left }
    } else if facts.version > Version::HTTP_10 {
        BodyEncoder::Chunked
    } else {
        BodyEncoder::UntilClose
    }
}

/// RFC 9110 §2.5: the version of the answer is the highest that we speak and the client understands.
fn write_status_line(out: &mut Vec<u8>, version: Version, status: &[u8]) {
    let version = version.min(Version::HTTP_11);
    out.extend_from_slice(&version.as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status);
    // RFC 9112 §4: the blank after the code is there even without a reason.
    out.extend_from_slice(if status.len() == 3 { b" \r\n" } else { b"\r\n" });
}

fn write_lines_without_length(out: &mut Vec<u8>, fields: &Fields) {
    let (before, after) = fields.lines_without_length();
    out.extend_from_slice(before);
    out.extend_from_slice(after);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8] = b"Date: D\r\n";
    const FACTS: Facts = Facts {
        version: Version::HTTP_11,
        is_head: false,
        keep_alive: true,
    };

    fn head(facts: Facts, status: &str, fields: &[(&str, &str)]) -> (String, Sent) {
        let (mut out, mut pushed) = (Vec::new(), Fields::default());
        for (name, value) in fields {
            pushed.push(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let code = super::super::status_code(status.as_bytes()).unwrap();
        let sent = write_head(&mut out, &facts, status.as_bytes(), code, DATE, &pushed);
        (String::from_utf8(out).unwrap(), sent)
    }

    #[test]
    fn server_fields_come_before_those_of_the_application() {
        let (head, sent) = head(FACTS, "200 OK", &[("Content-Length", "5"), ("X", "y")]);
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nServer: oxicorn\r\nDate: D\r\nConnection: keep-alive\r\n\
             Content-Length: 5\r\nX: y\r\n\r\n"
        );
        assert_eq!(
            sent,
            Sent {
                body: BodyEncoder::Known { left: 5 },
                keep_alive: true
            }
        );
    }

    #[test]
    fn asgi_heads_announce_only_what_is_not_understood_by_itself() {
        let (mut out, mut fields) = (Vec::new(), Fields::new(Dialect::Asgi));
        let sent = write_head(&mut out, &FACTS, b"200 OK", 200, DATE, &fields);
        assert!(sent.keep_alive);
        assert_eq!(
            out,
            b"HTTP/1.1 200 OK\r\nServer: oxicorn\r\nDate: D\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        out.clear();
        for (name, value) in [("server", "a"), ("date", "d"), ("connection", "close")] {
            fields.push(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let sent = write_head(&mut out, &FACTS, b"204 No Content", 204, DATE, &fields);
        assert!(!sent.keep_alive);
        assert_eq!(
            out,
            b"HTTP/1.1 204 No Content\r\nConnection: close\r\nserver: a\r\ndate: d\r\n\r\n"
        );
    }

    #[test]
    fn unknown_length_is_chunked_above_http_10() {
        let (text, sent) = head(FACTS, "200 OK", &[]);
        assert!(text.contains("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert_eq!(sent.body, BodyEncoder::Chunked);
    }

    #[test]
    fn unknown_length_closes_in_http_10() {
        let facts = Facts {
            version: Version::HTTP_10,
            ..FACTS
        };
        let (text, sent) = head(facts, "200 OK", &[]);
        assert!(text.starts_with("HTTP/1.0 200 OK\r\n"));
        assert!(text.contains("Connection: close\r\n") && !text.contains("Transfer-Encoding"));
        assert_eq!(
            sent,
            Sent {
                body: BodyEncoder::UntilClose,
                keep_alive: false
            }
        );
    }

    #[test]
    fn no_answer_claims_a_version_above_ours() {
        let facts = Facts {
            version: Version { major: 1, minor: 9 },
            ..FACTS
        };
        assert!(
            head(facts, "200 OK", &[])
                .0
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
    }

    #[test]
    fn head_and_304_keep_the_length_and_send_no_body() {
        for (is_head, status) in [(true, "200 OK"), (false, "304 Not Modified")] {
            let (text, sent) = head(
                Facts { is_head, ..FACTS },
                status,
                &[("Content-Length", "5")],
            );
            assert!(text.contains("Content-Length: 5\r\n"));
            assert_eq!(
                sent,
                Sent {
                    body: BodyEncoder::Discard,
                    keep_alive: true
                }
            );
        }
    }

    #[test]
    fn informational_and_204_lose_the_length() {
        for status in ["204 No Content", "101 Switching Protocols"] {
            let (text, sent) = head(
                FACTS,
                status,
                &[("A", "b"), ("Content-Length", "5"), ("C", "d")],
            );
            assert!(
                text.ends_with("\r\nA: b\r\nC: d\r\n\r\n") && !text.contains("Transfer-Encoding")
            );
            assert_eq!(sent.body, BodyEncoder::Discard);
        }
    }

    #[test]
    fn upgrade_is_answered_with_upgrade() {
        let fields = [("Upgrade", "websocket"), ("Connection", "Upgrade")];
        let (text, _) = head(FACTS, "101 Switching Protocols", &fields);
        assert!(text.contains("Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
    }

    #[test]
    fn reason_may_be_absent_but_its_blank_is_not() {
        assert!(head(FACTS, "200", &[]).0.starts_with("HTTP/1.1 200 \r\n"));
    }

    #[test]
    fn early_hints_are_a_head_of_their_own() {
        let (mut out, mut hints) = (Vec::new(), Fields::default());
        hints.push(b"Link", b"</a.css>; rel=preload").unwrap();
        write_early_hints(&mut out, Version::HTTP_11, &hints);
        assert_eq!(
            out,
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        );
    }
}
