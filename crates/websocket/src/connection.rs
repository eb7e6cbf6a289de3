//! A WebSocket after its handshake.
//!
//! ```text
//!          close() is called       the client's close frame, or a violation
//!   Open ───────────────────▶ Closing ──────────────────────────────▶ Closed
//!     ├───────────────────────────────────────────────────────────────▲  ▲
//!     │                  the client's close frame                        │
//!     └─────────────────▶ Broken ────────────────────────────────────────┘
//!          a violation               fail() or close() is called
//! ```
//!
//! Broken nothing is read any more, and what came before the violation can still be answered.

use std::ops::Range;

use crate::close::{self, Close};
use crate::deflate::Codec;
use crate::extensions::Deflate;
use crate::frame::{self, Head, LONGEST_HEAD, Opcode};
use crate::mask;
use crate::message::{Assembly, Kind};
use crate::violation::Violation;

/// What an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest message in bytes, after decompression.
    pub max_message_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_message_size: 16 * 1024 * 1024,
        }
    }
}

/// What the client did.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message of text.
    Text(&'a str),
    /// A message of bytes.
    Binary(&'a [u8]),
    /// The end: the client's close frame has come, and ours has been written. Send what there is,
    /// then end the connection.
    Closed(Close),
    /// The client broke the protocol, and nothing more is read. Answer what came before, then call
    /// [`Connection::fail`]; after a close frame of ours there is nothing left to do.
    Failed(Violation),
}

/// A close frame has been sent or received: nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpen;

/// The server's side of a WebSocket: bytes in, events and bytes out.
pub struct Connection {
    max_message_size: usize,
    codec: Option<Box<Codec>>,
    phase: Phase,
    /// The start of a frame's head whose rest has not come.
    partial: Partial<LONGEST_HEAD>,
    frame: Option<Frame>,
    message: Assembly,
    control: Vec<u8>,
}

/// As in the picture above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Broken(Violation),
    Closing,
    Closed,
}

/// A frame whose head has come.
#[derive(Clone, Copy, Debug)]
struct Frame {
    head: Head,
    received: u64,
}

/// What one step of reading led to.
enum Step {
    /// All bytes are used up.
    NeedMore,
    /// Something that is nobody's business, such as a ping.
    Nothing,
    /// A message that lies whole in the input.
    Whole(Kind, Range<usize>),
    /// A message that had to be put together.
    Assembled(Kind),
    /// The client's close frame.
    Closed(Close),
}

impl Connection {
    /// After the answer to the handshake, with what was agreed upon there.
    #[must_use]
    pub fn new(options: Options, deflate: Option<Deflate>) -> Self {
        Self {
            max_message_size: options.max_message_size,
            codec: deflate.map(|agreed| Box::new(Codec::new(agreed))),
            phase: Phase::Open,
            partial: Partial::new(),
            frame: None,
            message: Assembly::default(),
            control: Vec::new(),
        }
    }

    /// Can messages still be sent?
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Broken(_))
    }

    /// What the client did wrong, until [`Connection::fail`] says so.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        match self.phase {
            Phase::Broken(violation) => Some(violation),
            Phase::Open | Phase::Closing | Phase::Closed => None,
        }
    }

    /// Is everything said, by both sides?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Reads up to the next event, and says how many bytes of the input that took. Those belong to
    /// the connection from now on: they are unmasked in place. Answers are appended to `out`.
    ///
    /// Without an event all of the input has been taken.
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Option<Event<'a>>) {
        self.message.release();
        let mut at = 0;
        let step = loop {
            if matches!(self.phase, Phase::Broken(_) | Phase::Closed) {
                // RFC 6455 §1.4: what comes after the close is ignored.
                return (input.len(), None);
            }
            match self.step(input, &mut at, out) {
                Ok(Step::NeedMore) => return (input.len(), None),
                Ok(Step::Nothing) => {}
                // Having said goodbye we only wait for the client's.
                Ok(Step::Whole(..) | Step::Assembled(_)) if self.phase == Phase::Closing => {}
                Ok(step) => break step,
                Err(violation) => {
                    self.break_off(violation);
                    return (input.len(), Some(Event::Failed(violation)));
                }
            }
        };
        let (kind, content) = match step {
            Step::Whole(kind, range) => (kind, input.get(range).unwrap_or_default()),
            Step::Assembled(kind) => (kind, self.message.content()),
            Step::Closed(close) => return (at, Some(Event::Closed(close))),
            Step::NeedMore | Step::Nothing => return (at, None),
        };
        let event = match kind {
            Kind::Binary => Event::Binary(content),
            // Assembled text has been checked already, piece by piece.
            Kind::Text => match str::from_utf8(content) {
                Ok(text) => Event::Text(text),
                Err(_) => {
                    self.phase = Phase::Broken(Violation::Utf8);
                    Event::Failed(Violation::Utf8)
                }
            },
        };
        (at, Some(event))
    }

    /// Appends a message of text.
    pub fn send_text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), NotOpen> {
        self.send(Opcode::Text, text.as_bytes(), out)
    }

    /// Appends a message of bytes.
    pub fn send_binary(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotOpen> {
        self.send(Opcode::Binary, bytes, out)
    }

    /// Appends a ping; [`Keepalive`](crate::Keepalive) says when.
    pub fn ping(&mut self, out: &mut Vec<u8>) -> Result<(), NotOpen> {
        if self.phase != Phase::Open {
            // Also where the answer would not be read.
            return Err(NotOpen);
        }
        frame::write_head(Opcode::Ping, false, 0, out);
        Ok(())
    }

    /// Appends a close frame, after which the client's is waited for; `None` for one without code.
    /// A client that broke the protocol gets the code for that, and is not waited for.
    ///
    /// The code has to be one that [`may_be_sent`](crate::may_be_sent).
    pub fn close(
        &mut self,
        code: Option<u16>,
        reason: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), NotOpen> {
        match self.phase {
            Phase::Open => {
                close::write(code, reason, out);
                self.phase = Phase::Closing;
                Ok(())
            }
            Phase::Broken(_) => {
                self.fail(out);
                Ok(())
            }
            Phase::Closing | Phase::Closed => Err(NotOpen),
        }
    }

    /// Says what the client did wrong, RFC 6455 §7.1.7, if that is still to be said; `None` if not.
    pub fn fail(&mut self, out: &mut Vec<u8>) -> Option<Violation> {
        let violation = self.violation()?;
        close::write(Some(violation.code()), &violation.to_string(), out);
        self.phase = Phase::Closed;
        Some(violation)
    }

    /// The connection is at rest: gives back the memory that it can do without.
    pub fn rest(&mut self) {
        self.message.release();
        if let Some(codec) = &mut self.codec {
            codec.forget();
        }
    }

    fn send(&mut self, opcode: Opcode, content: &[u8], out: &mut Vec<u8>) -> Result<(), NotOpen> {
        if !self.is_open() {
            return Err(NotOpen);
        }
        match &mut self.codec {
            Some(codec) if codec.wants(content.len()) => {
                let mut packed = Vec::new();
                codec.compress(content, &mut packed);
                frame::write_head(opcode, true, packed.len(), out);
                out.extend_from_slice(&packed);
            }
            _ => {
                frame::write_head(opcode, false, content.len(), out);
                out.extend_from_slice(content);
            }
        }
        Ok(())
    }

    /// One frame's head, or as much of its payload as there is.
    fn step(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let Some(mut frame) = self.frame.take() else {
            let Some(head) = self.read_head(input, at)? else {
                return Ok(Step::NeedMore);
            };
            return self.begin(head, input, at, out);
        };
        let left = frame.head.len.saturating_sub(frame.received);
        let rest = input.get_mut(*at..).unwrap_or_default();
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let piece = rest.get_mut(..take).unwrap_or_default();
        mask::apply(piece, frame.head.key, frame.received);
        *at = at.saturating_add(take);
        frame.received = frame.received.saturating_add(take as u64);
        if frame.head.opcode.is_control() {
            self.control.extend_from_slice(piece);
        } else if take > 0 {
            let codec = self.codec.as_deref_mut();
            self.message.push(piece, codec, self.max_message_size)?;
        }
        if frame.received == frame.head.len {
            return self.end(frame.head, out);
        }
        self.frame = Some(frame);
        Ok(Step::NeedMore)
    }

    /// The next head, from the input and what was left of the one before.
    fn read_head(&mut self, input: &[u8], at: &mut usize) -> Result<Option<Head>, Violation> {
        let rest = input.get(*at..).unwrap_or_default();
        let before = self.partial.len();
        if before == 0
            && let Some((head, used)) = frame::read(rest)?
        {
            *at = at.saturating_add(used);
            return Ok(Some(head));
        }
        let taken = self.partial.fill(rest);
        match frame::read(self.partial.bytes())? {
            Some((head, used)) => {
                self.partial = Partial::new();
                *at = at.saturating_add(used.saturating_sub(before));
                Ok(Some(head))
            }
            None => {
                *at = at.saturating_add(taken);
                Ok(None)
            }
        }
    }

    /// A head has come: is the frame in its place?
    fn begin(
        &mut self,
        head: Head,
        input: &mut [u8],
        at: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let kind = match head.opcode {
            Opcode::Continuation => None,
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.control.clear();
                return self.enter(head, out);
            }
        };
        match (kind, self.message.is_under_way()) {
            (None, false) => return Err(Violation::UnexpectedContinuation),
            (Some(_), true) => return Err(Violation::ExpectedContinuation),
            // RFC 7692 §6.1: the bit is that of the message, on its first frame.
            (None, true) if head.compressed => return Err(Violation::ReservedBits),
            (Some(_), false) if head.compressed && self.codec.is_none() => {
                return Err(Violation::ReservedBits);
            }
            _ => {}
        }
        if let Some(kind) = kind {
            if let Some(range) = self.whole(&head, input, *at) {
                let content = input.get_mut(range.clone()).unwrap_or_default();
                mask::apply(content, head.key, 0);
                *at = range.end;
                return Ok(Step::Whole(kind, range));
            }
            self.message.begin(kind, head.compressed);
        }
        self.message.announce(head.len, self.max_message_size)?;
        self.enter(head, out)
    }

    /// Where the message of this frame lies, if it is all of the message, and needs nothing done.
    fn whole(&self, head: &Head, input: &[u8], at: usize) -> Option<Range<usize>> {
        let len = usize::try_from(head.len).ok()?;
        let end = at.checked_add(len)?;
        let plain = head.fin && !head.compressed && len <= self.max_message_size;
        (plain && end <= input.len()).then_some(at..end)
    }

    /// The payload follows, unless there is none.
    fn enter(&mut self, head: Head, out: &mut Vec<u8>) -> Result<Step, Violation> {
        if head.len == 0 {
            return self.end(head, out);
        }
        self.frame = Some(Frame { head, received: 0 });
        Ok(Step::Nothing)
    }

    /// The last byte of a frame has come.
    fn end(&mut self, head: Head, out: &mut Vec<u8>) -> Result<Step, Violation> {
        match head.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                if !head.fin {
                    return Ok(Step::Nothing);
                }
                let codec = self.codec.as_deref_mut();
                let kind = self.message.finish(codec, self.max_message_size)?;
                Ok(Step::Assembled(kind))
            }
            Opcode::Ping => {
                // RFC 6455 §5.5.2: unless a close frame has been sent.
                if self.phase == Phase::Open {
                    frame::write_head(Opcode::Pong, false, self.control.len(), out);
                    out.extend_from_slice(&self.control);
                }
                Ok(Step::Nothing)
            }
            Opcode::Pong => Ok(Step::Nothing),
            Opcode::Close => {
                let close = close::read(&self.control)?;
                if self.phase == Phase::Open {
                    close::write(close.code, "", out);
                }
                self.phase = Phase::Closed;
                Ok(Step::Closed(close))
            }
        }
    }

    /// Reads nothing more.
    fn break_off(&mut self, violation: Violation) {
        self.phase = match self.phase {
            Phase::Open => Phase::Broken(violation),
            // Our close frame is out, and who broke the protocol need not be waited for.
            _ => Phase::Closed,
        };
        // What of the message came is of no use.
        self.message = Assembly::default();
    }
}

/// A few bytes that wait for the rest.
struct Partial<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Partial<N> {
    const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Takes as much as fits, and says how much that was.
    fn fill(&mut self, from: &[u8]) -> usize {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let taken = room.len().min(from.len());
        for (to, byte) in room.iter_mut().zip(from) {
            *to = *byte;
        }
        self.len = self.len.saturating_add(taken);
        taken
    }
}
