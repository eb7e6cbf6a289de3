//! What `receive` has to tell of a request: its body as it comes, and the end of the client.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Unread bytes of a body from which on no more is taken from the client.
const ENOUGH: usize = 64 * 1024;

/// What has come and was not asked for yet.
pub struct Inbox {
    /// All of a body that had come with its head.
    first: Option<Py<PyBytes>>,
    /// What came later.
    pending: Vec<u8>,
    body: Body,
    /// `http.disconnect` is due when the body has been told.
    is_over: bool,
    /// Not because the response is complete.
    has_left: bool,
    is_sated: bool,
}

/// How much of the body there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// More is to come.
    Coming,
    /// All of it has come.
    Whole,
    /// The last piece was told.
    Told,
}

/// The next message.
pub enum Next {
    /// A piece of the body, and whether more follows.
    Piece(Piece, bool),
    /// The client has gone, or has got its answer.
    Disconnect,
    /// Nothing yet.
    Wait,
}

/// A piece of the body.
pub enum Piece {
    /// As Python has it already.
    Object(Py<PyBytes>),
    /// To be made an object.
    Bytes(Vec<u8>),
}

impl Inbox {
    /// Of a request whose body begins with this piece.
    pub fn new(py: Python<'_>, first: &[u8], is_coming: bool) -> Inbox {
        Inbox {
            first: (!first.is_empty()).then(|| PyBytes::new(py, first).unbind()),
            pending: Vec::new(),
            body: if is_coming { Body::Coming } else { Body::Whole },
            is_over: false,
            has_left: false,
            is_sated: false,
        }
    }

    /// Adds to the body; true if that is enough for now.
    pub fn push(&mut self, data: &[u8]) -> bool {
        self.pending.extend_from_slice(data);
        self.is_sated = self.pending.len() >= ENOUGH;
        self.is_sated
    }

    /// The body has come whole.
    pub fn body_ended(&mut self) {
        if self.body == Body::Coming {
            self.body = Body::Whole;
        }
    }

    /// From now on there is nothing more to wait for.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// The same, because the client has gone or is to be treated so.
    pub fn leave(&mut self) {
        self.is_over = true;
        self.has_left = true;
    }

    /// The client went before it had its answer.
    pub fn has_left(&self) -> bool {
        self.has_left
    }

    /// The client has gone, or has got its answer.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The body is still on its way.
    pub fn is_coming(&self) -> bool {
        self.body == Body::Coming
    }

    /// Takes the next message.
    pub fn next(&mut self) -> Next {
        match self.body {
            Body::Told if self.is_over => Next::Disconnect,
            Body::Told => Next::Wait,
            Body::Coming if self.first.is_none() && self.pending.is_empty() => {
                if self.is_over {
                    Next::Disconnect
                } else {
                    Next::Wait
                }
            }
            Body::Coming => Next::Piece(self.take(), true),
            Body::Whole => {
                let piece = self.take();
                let has_more = !self.pending.is_empty();
                if !has_more {
                    self.body = Body::Told;
                }
                Next::Piece(piece, has_more)
            }
        }
    }

    fn take(&mut self) -> Piece {
        match self.first.take() {
            Some(first) => Piece::Object(first),
            None => Piece::Bytes(std::mem::take(&mut self.pending)),
        }
    }

    /// Whether there is room again, where it was said that there was none.
    pub fn wants_more(&mut self) -> bool {
        self.pending.is_empty() && self.body == Body::Coming && std::mem::take(&mut self.is_sated)
    }
}
