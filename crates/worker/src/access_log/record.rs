//! What is known about a request when its line is written.

use oxicorn_http::Head;

use crate::connection::Peer;

/// One request and what became of it.
pub struct Record<'a> {
    /// Who sent it.
    pub peer: &'a Peer,
    /// What was sent.
    pub message: Message<'a>,
    /// Status of the response.
    pub status: u16,
    /// Body bytes given to the client.
    pub body_sent: u64,
    /// The application's response fields, each with its line end.
    pub response_fields: &'a [u8],
    /// From before the environ was made to after the response, in microseconds.
    pub application: u64,
    /// From its arrival at the proxy in front to the call, as far as a trusted proxy says; in
    /// microseconds.
    pub queue: Option<u64>,
    /// Why there is no response of the application's, or not all of it.
    pub error: Option<&'static str>,
    /// The request as the application left it.
    pub environ: &'a dyn Environ,
}

/// The request message.
#[derive(Clone, Copy)]
pub enum Message<'a> {
    /// A parsed head, and the bytes that its spans index.
    Whole(&'a Head, &'a [u8]),
    /// As much of the first line as came; the rest is unknown or not to be believed.
    Torn(&'a [u8]),
}

/// Looks values up in the environ.
pub trait Environ {
    /// Adds the value called `name`, in whatever case, as it is; false if there is none.
    fn value(&self, name: &[u8], out: &mut Vec<u8>) -> bool;
}

/// There is no environ: the request did not come that far.
impl Environ for () {
    fn value(&self, _: &[u8], _: &mut Vec<u8>) -> bool {
        false
    }
}

/// Most of a line that was refused that is worth logging.
const LONGEST_TORN: usize = 2048;

impl<'a> Message<'a> {
    /// What can be told of a message that was refused or did not come to its end.
    pub fn torn(received: &'a [u8]) -> Message<'a> {
        let received = received.get(..LONGEST_TORN).unwrap_or(received);
        let line = received.split(|byte| matches!(byte, b'\r' | b'\n')).next();
        Message::Torn(line.unwrap_or_default())
    }

    /// The method, empty where nothing came.
    pub fn method(self) -> &'a [u8] {
        match self {
            Message::Whole(head, bytes) => head.method(bytes),
            Message::Torn(line) => words(line).0,
        }
    }

    /// The request target as it was sent.
    pub fn target(self) -> &'a [u8] {
        match self {
            Message::Whole(head, bytes) => head.target(bytes),
            Message::Torn(line) => words(line).1,
        }
    }

    /// `HTTP/1.1` or another version; a dash where none came.
    pub fn protocol(self) -> [u8; 8] {
        match self {
            Message::Whole(head, _) => head.version.as_bytes(),
            Message::Torn(line) => words(line).2.try_into().unwrap_or(*b"-       "),
        }
    }

    /// The path, still encoded.
    pub fn path(self) -> &'a [u8] {
        match self {
            Message::Whole(head, bytes) => head.path(bytes),
            Message::Torn(_) => self
                .target()
                .split(|byte| *byte == b'?')
                .next()
                .unwrap_or_default(),
        }
    }

    /// The query.
    pub fn query(self) -> &'a [u8] {
        match self {
            Message::Whole(head, bytes) => head.query(bytes),
            Message::Torn(_) => self
                .target()
                .splitn(2, |byte| *byte == b'?')
                .nth(1)
                .unwrap_or_default(),
        }
    }

    /// Values of the fields of this name, in whatever case.
    pub fn fields(self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        let whole = match self {
            Message::Whole(head, bytes) => Some((head, bytes)),
            Message::Torn(_) => None,
        };
        whole.into_iter().flat_map(move |(head, bytes)| {
            let same = move |found: &[u8]| found.eq_ignore_ascii_case(name);
            let fields = head
                .fields
                .iter()
                .filter(move |field| same(head.name(bytes, field)));
            fields.map(move |field| head.value(bytes, field))
        })
    }
}

/// Method, target and protocol of what should be a request line.
fn words(line: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let mut next = || words.next().unwrap_or_default();
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_torn_message_the_first_line_is_told() {
        let message = Message::torn(b"POST /a?b=c HTTP/1.1\r\nHost: x\r\n");
        assert_eq!(message.method(), b"POST");
        assert_eq!(message.target(), b"/a?b=c");
        assert_eq!((message.path(), message.query()), (&b"/a"[..], &b"b=c"[..]));
        assert_eq!(&message.protocol(), b"HTTP/1.1");
        assert_eq!(message.fields(b"host").count(), 0);
    }

    #[test]
    fn a_torn_message_may_be_anything() {
        for bytes in [
            &b""[..],
            b"\r\n",
            b"bad",
            b"\x16\x03\x01\x02",
            b"GET  ",
            &[b'A'; 5000],
        ] {
            let message = Message::torn(bytes);
            assert!(message.target().len() <= LONGEST_TORN);
            assert_eq!(message.query(), b"");
        }
    }
}
