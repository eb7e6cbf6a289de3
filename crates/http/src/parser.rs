//! From bytes to a [`Head`], line by line.
//!
//! ```text
//! Start ──empty line──▶ AfterBlank ──request line──▶ Fields ──empty line──▶ done
//!   └───────────────────request line───────────────────▲ │ ▲
//!                                                        └─┘ field line
//! ```
//!
//! A line is looked at when its LF is there, and the search for the LF goes on where it stopped. So a
//! byte is passed over twice, once by the search and once with its line, however small the
//! pieces in which it comes. All checks are made on whole lines, or on lengths that can only grow:
//! that makes the outcome the same for every way of cutting the input.

use memchr::memchr;

use crate::field_line::{self, FieldLine};
use crate::framing;
use crate::grammar::{is_value, trim};
use crate::head::{Field, FieldKind, Head, Span};
use crate::options::Options;
use crate::refused::{Quote, Refused};
use crate::request_line;

/// Kinds of which a head may have one. (Content-Length has its say in framing.)
const SINGLE: u32 = FieldKind::Host.bit() | FieldKind::ContentType.bit();

/// Parses the heads of one connection, one after the other.
#[derive(Debug, Default)]
pub struct HeadParser {
    stage: Stage,
    /// First byte of the line that is being waited for.
    line: usize,
    /// There is no LF between `line` and here.
    searched: usize,
    /// First byte of the first field line.
    fields: usize,
    /// First byte of the latest field, which may go on with a folded line.
    field: usize,
    latest: Latest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    AfterBlank,
    Fields,
}

/// What a continuation line would continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Latest {
    #[default]
    Nothing,
    Kept,
    Dropped,
}

impl HeadParser {
    /// A parser that waits for a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has it seen no byte of the message it waits for?
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.searched == 0
    }

    /// Go on with `buf`, which begins with the first byte of the message and is longer than, or equal
    /// to, what it was the last time. `head` is cleared at the start of a message and must be the same
    /// until its end. Answers with the length of the head, its final CRLF included, or `None` for
    /// "more bytes". `trusted_peer`: the peer is in `forwarded_allow_ips`.
    ///
    /// # Errors
    /// The request is refused; nothing that follows on this connection means anything.
    #[inline]
    pub fn parse(
        &mut self,
        buf: &[u8],
        options: &Options,
        trusted_peer: bool,
        head: &mut Head,
    ) -> Result<Option<usize>, Refused> {
        if self.is_fresh() {
            head.clear();
        }
        let outcome = self.advance(buf, options, trusted_peer, head);
        if !matches!(outcome, Ok(None)) {
            *self = Self::new();
        }
        outcome
    }

    fn advance(
        &mut self,
        buf: &[u8],
        options: &Options,
        trusted_peer: bool,
        head: &mut Head,
    ) -> Result<Option<usize>, Refused> {
        while let Some(offset) = memchr(b'\n', buf.get(self.searched..).unwrap_or_default()) {
            let lf = self.searched.saturating_add(offset);
            let line = buf.get(self.line..lf).unwrap_or_default();
            self.check_lengths(line, lf.saturating_add(1), options)?;
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Refused::LineEnd(Quote::new(line)));
            };
            let next = lf.saturating_add(1);
            match (self.stage, line) {
                (Stage::Fields, []) => {
                    framing::settle(head, buf, options)?;
                    return Ok(Some(next));
                }
                (Stage::Fields, [b' ' | b'\t', ..]) => self.fold(line, buf, options, head)?,
                (Stage::Fields, _) => self.field(line, options, trusted_peer, head)?,
                // RFC 9112 §2.2: one empty line before the request line is ignored.
                (Stage::Start, []) => self.stage = Stage::AfterBlank,
                (Stage::Start | Stage::AfterBlank, _) => {
                    request_line::parse(line, self.line, options, head)?;
                    self.stage = Stage::Fields;
                    self.fields = next;
                }
            }
            self.line = next;
            self.searched = next;
        }
        self.searched = buf.len();
        let unfinished = buf.get(self.line..).unwrap_or_default();
        if !unfinished.is_empty() {
            // Its LF is still to come, so the line is at least one byte longer.
            self.check_lengths(unfinished, buf.len().saturating_add(1), options)?;
        }
        Ok(None)
    }

    /// Is a line, given up to its LF, within the limits if it ends at `end`?
    #[inline]
    fn check_lengths(&self, line: &[u8], end: usize, options: &Options) -> Result<(), Refused> {
        if self.stage != Stage::Fields {
            // The limit is on the line without CR and LF.
            return if line.len() > options.request_line.saturating_add(1) {
                Err(Refused::RequestLineTooLong(options.request_line))
            } else {
                Ok(())
            };
        }
        let continues = options.obsolete_folding
            && self.latest != Latest::Nothing
            && matches!(line, [b' ' | b'\t', ..]);
        let field = if continues { self.field } else { self.line };
        let field_limit = field.saturating_add(options.field_size);
        let head_limit = self.fields.saturating_add(options.head_size);
        if end <= field_limit && end <= head_limit {
            Ok(())
        } else if field_limit <= head_limit {
            Err(Refused::FieldTooLong(options.field_size))
        } else {
            Err(Refused::HeadTooLong(options.head_size))
        }
    }

    #[inline]
    fn field(
        &mut self,
        line: &[u8],
        options: &Options,
        trusted_peer: bool,
        head: &mut Head,
    ) -> Result<(), Refused> {
        let FieldLine {
            name_end,
            value_start,
            value_end,
            underscore,
        } = field_line::split(line, options)?;
        let name = line.get(..name_end).unwrap_or_default();
        self.field = self.line;
        if underscore && !field_line::keeps_underscore(name, trusted_peer, options)? {
            self.latest = Latest::Dropped;
            return Ok(());
        }
        let kind = if trusted_peer && options.secure_value(name).is_some() {
            FieldKind::Scheme
        } else {
            field_line::kind(name)
        };
        if kind.bit() & head.kinds & SINGLE != 0 {
            return Err(Refused::Repeated(Quote::new(name)));
        }
        if head.fields.len() >= options.fields {
            return Err(Refused::TooManyFields(options.fields));
        }
        let place = |from: usize, to: usize| {
            Span::new(self.line.saturating_add(from), self.line.saturating_add(to))
        };
        head.kinds |= kind.bit();
        head.fields.push(Field {
            name: place(0, name_end),
            value: place(value_start, value_end),
            kind,
            joined: false,
        });
        self.latest = Latest::Kept;
        Ok(())
    }

    /// A continuation line: RFC 9112 §5.2. Joined with one blank, as Gunicorn does.
    #[cold]
    fn fold(
        &mut self,
        line: &[u8],
        buf: &[u8],
        options: &Options,
        head: &mut Head,
    ) -> Result<(), Refused> {
        if !options.obsolete_folding || self.latest == Latest::Nothing {
            return Err(Refused::Folding(Quote::new(line)));
        }
        let more = trim(line);
        let Some(field) = head
            .fields
            .last_mut()
            .filter(|_| self.latest == Latest::Kept)
        else {
            return if is_value(more) {
                Ok(())
            } else {
                Err(Refused::Folding(Quote::new(line)))
            };
        };
        if !is_value(more) {
            let name = Quote::new(field.name.of(buf));
            return Err(Refused::FieldValue {
                name,
                value: Quote::new(more),
            });
        }
        if !field.joined {
            let start = head.joined.len();
            head.joined.extend_from_slice(field.value.of(buf));
            field.value = Span::new(start, head.joined.len());
            field.joined = true;
        }
        // The value is the last one in `joined`, and blanks around it never count.
        if !field.value.is_empty() && !more.is_empty() {
            head.joined.push(b' ');
        }
        head.joined.extend_from_slice(more);
        field.value.end = Span::new(0, head.joined.len()).end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\nX: c\r\n\r\n";

    #[test]
    fn parser_is_fresh_until_a_byte_comes_and_after_each_head() {
        let (options, mut parser, mut head) =
            (Options::default(), HeadParser::new(), Head::default());
        for _ in 0..2 {
            assert_eq!(parser.parse(b"", &options, false, &mut head), Ok(None));
            assert!(parser.is_fresh());
            assert_eq!(parser.parse(b"\r", &options, false, &mut head), Ok(None));
            assert!(!parser.is_fresh());
            let message = [b"\r\n", MESSAGE].concat();
            let parsed = parser.parse(&message, &options, false, &mut head);
            assert_eq!(parsed, Ok(Some(message.len())));
            assert!(parser.is_fresh());
        }
    }

    #[test]
    fn what_follows_the_head_is_left_alone() {
        let (options, mut head) = (Options::default(), Head::default());
        let buf = [MESSAGE, b"\0\n"].concat();
        let parsed = HeadParser::new().parse(&buf, &options, false, &mut head);
        assert_eq!(parsed, Ok(Some(MESSAGE.len())));
        assert_eq!(head.target(&buf), b"/a");
        assert_eq!(
            head.first(FieldKind::Host)
                .map(|host| head.value(&buf, host)),
            Some(&b"b"[..])
        );
        assert_eq!(head.first(FieldKind::ContentLength), None);
    }

    #[test]
    fn a_reused_head_forgets_the_message_before() {
        let options = Options::default();
        let (mut parser, mut head) = (HeadParser::new(), Head::default());
        let first = b"POST / HTTP/1.0\r\nContent-Length: 5\r\nX-Forwarded-Proto: https\r\n\r\n";
        assert!(parser.parse(first, &options, true, &mut head).is_ok());
        assert_eq!(
            (head.body, head.scheme),
            (crate::BodyLength::Known(5), crate::Scheme::Https)
        );
        assert!(parser.parse(MESSAGE, &options, true, &mut head).is_ok());
        assert_eq!(
            (head.body, head.scheme),
            (crate::BodyLength::None, crate::Scheme::Http)
        );
        assert_eq!(head.fields.len(), 2);
        assert!(head.keep_alive && !head.has(FieldKind::ContentLength));
    }

    #[test]
    fn a_line_is_refused_before_its_end_if_it_is_too_long() {
        let (options, mut parser, mut head) =
            (Options::default(), HeadParser::new(), Head::default());
        let line = [b'A'; 5000];
        assert_eq!(
            parser.parse(&line[..4095], &options, false, &mut head),
            Ok(None)
        );
        let refused = parser.parse(&line[..4096], &options, false, &mut head);
        assert_eq!(refused, Err(Refused::RequestLineTooLong(4094)));
    }
}
