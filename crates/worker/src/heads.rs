//! The head that was parsed last. Clients of one kind, and a client that asks again, send the same
//! head byte for byte: it is compared before it is parsed.

use oxicorn_http::Head;

/// Longer heads are not kept.
const LONGEST: usize = 1024;

/// One head, which is lent to the request that is being read: it is too large to be moved from hand to hand.
#[derive(Default)]
pub(crate) struct Heads {
    /// `None` while it is lent.
    head: Option<Box<Head>>,
    /// What it was parsed from; empty if it is worth nothing.
    bytes: Vec<u8>,
    /// The peer was one whose forwarded fields are believed, which the result depends on.
    trusted: bool,
}

impl Heads {
    /// The head that `received` begins with and its length, if it is the last one.
    #[inline]
    pub fn known(&mut self, received: &[u8], trusted: bool) -> Option<(Box<Head>, usize)> {
        let is_known =
            !self.bytes.is_empty() && self.trusted == trusted && received.starts_with(&self.bytes);
        if is_known {
            Some((self.head.take()?, self.bytes.len()))
        } else {
            None
        }
    }

    /// One to parse into.
    #[inline]
    pub fn blank(&mut self) -> Box<Head> {
        self.bytes.clear();
        self.head.take().unwrap_or_default()
    }

    /// Takes back what was parsed from `bytes` and was not changed since.
    #[inline]
    pub fn keep(&mut self, head: Box<Head>, bytes: &[u8], trusted: bool) {
        self.head = Some(head);
        self.trusted = trusted;
        // Another thread may have had the engine meanwhile.
        if self.bytes != bytes {
            self.bytes.clear();
            if bytes.len() <= LONGEST {
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    /// Takes back one that is worth nothing.
    pub fn put_back(&mut self, head: Box<Head>) {
        self.bytes.clear();
        self.head = Some(head);
    }

    /// What was lent may be lost.
    pub fn forget(&mut self) {
        *self = Heads::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    #[test]
    fn the_same_bytes_of_a_peer_as_trusted_are_known() {
        let mut heads = Heads::default();
        assert!(heads.known(BYTES, false).is_none());
        let head = heads.blank();
        heads.keep(head, BYTES, false);
        assert!(heads.known(b"GET /x HTTP/1.1\r\n\r\n", false).is_none());
        assert!(heads.known(&BYTES[..10], false).is_none());
        assert!(heads.known(BYTES, true).is_none());
        let (head, length) = heads.known(&[BYTES, BYTES].concat(), false).unwrap();
        assert_eq!(length, BYTES.len());
        // While it is lent there is none.
        assert!(heads.known(BYTES, false).is_none());
        heads.keep(head, BYTES, false);
        assert!(heads.known(BYTES, false).is_some());
    }

    #[test]
    fn another_head_takes_its_place() {
        let mut heads = Heads::default();
        let other = b"GET / HTTP/1.0\r\n\r\n";
        for bytes in [BYTES, other, BYTES] {
            let head = heads.blank();
            heads.keep(head, bytes, false);
            assert!(heads.known(bytes, false).is_some());
        }
        let head = heads.blank();
        heads.put_back(head);
        assert!(heads.known(BYTES, false).is_none());
    }
}
