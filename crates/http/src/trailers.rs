//! The fields after the last chunk. They are kept apart from those of the head: RFC 9110 §6.5.

use memchr::memchr;

use crate::field_line::{self, FieldLine};
use crate::head::{FieldKind, Span};
use crate::options::Options;
use crate::refused::{Quote, Refused};

/// What would change the meaning of a message that was already acted on. RFC 9110 §6.5.1.
const FORBIDDEN: u32 = FieldKind::Host.bit()
    | FieldKind::ContentLength.bit()
    | FieldKind::TransferEncoding.bit()
    | FieldKind::Trailer.bit()
    | FieldKind::Authorization.bit()
    | FieldKind::Te.bit();

/// Collects the trailer section. Allocates nothing for the usual one, which is empty.
#[derive(Debug, Default)]
pub(crate) struct Trailers {
    text: Vec<u8>,
    /// First byte in `text` of the line that is being waited for.
    line: usize,
    fields: Vec<(Span, Span)>,
    done: bool,
}

impl Trailers {
    /// Take bytes until the section is done; the number of those taken.
    pub(crate) fn feed(&mut self, input: &[u8], options: &Options) -> Result<usize, Refused> {
        let mut used = 0usize;
        while !self.done {
            let rest = input.get(used..).unwrap_or_default();
            let Some(lf) = memchr(b'\n', rest) else {
                self.append(rest, 1, options)?;
                return Ok(input.len());
            };
            let next = lf.saturating_add(1);
            used = used.saturating_add(next);
            if self.text.len() == self.line && rest.starts_with(b"\r\n") {
                self.done = true;
                break;
            }
            self.append(rest.get(..next).unwrap_or_default(), 0, options)?;
            self.end_line(options)?;
        }
        Ok(used)
    }

    /// Keep a piece of a line that will have at least `to_come` bytes more.
    fn append(&mut self, piece: &[u8], to_come: usize, options: &Options) -> Result<(), Refused> {
        let line = self
            .text
            .len()
            .saturating_sub(self.line)
            .saturating_add(piece.len());
        if !piece.is_empty() && line.saturating_add(to_come) > options.field_size {
            return Err(Refused::FieldTooLong(options.field_size));
        }
        self.text.extend_from_slice(piece);
        Ok(())
    }

    fn end_line(&mut self, options: &Options) -> Result<(), Refused> {
        let (start, end) = (self.line, self.text.len());
        let line = self.text.get(start..).unwrap_or_default();
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err(Refused::LineEnd(Quote::new(
                line.strip_suffix(b"\n").unwrap_or(line),
            )));
        };
        if line.is_empty() {
            self.done = true;
            return Ok(());
        }
        let FieldLine {
            name_end,
            value_start,
            value_end,
            underscore,
        } = field_line::split(line, options)?;
        let name = line.get(..name_end).unwrap_or_default();
        if underscore && !field_line::keeps_underscore(name, false, options)? {
            // Dropped ones count as well, as they take memory until the end of the body.
            self.text.truncate(start);
            self.fields
                .push((Span::new(start, start), Span::new(start, start)));
        } else if field_line::kind(name).bit() & FORBIDDEN != 0 {
            return Err(Refused::ForbiddenTrailer(Quote::new(name)));
        } else {
            let place = |from: usize, to: usize| {
                Span::new(start.saturating_add(from), start.saturating_add(to))
            };
            self.fields
                .push((place(0, name_end), place(value_start, value_end)));
            self.line = end;
        }
        if self.fields.len() > options.fields {
            return Err(Refused::TooManyFields(options.fields));
        }
        Ok(())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (name.of(&self.text), value.of(&self.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(input: &[u8], piece: usize) -> Result<(Trailers, usize), Refused> {
        let (mut trailers, mut used) = (Trailers::default(), 0);
        for piece in input.chunks(piece) {
            used += trailers.feed(piece, &Options::default())?;
        }
        Ok((trailers, used))
    }

    #[test]
    fn trailers_are_collected_however_they_are_cut() {
        let input = b"X-Sum: 1 \r\nX_Dropped: 2\r\nVary:*\r\n\r\nGET";
        for piece in 1..=input.len() {
            let (trailers, used) = collect(input, piece).unwrap();
            assert!(trailers.is_done());
            assert_eq!(used, input.len() - 3);
            let pairs: Vec<_> = trailers.iter().collect();
            assert_eq!(pairs, [(&b"X-Sum"[..], &b"1"[..]), (b"Vary", b"*")]);
        }
    }

    #[test]
    fn fields_that_frame_or_route_are_forbidden() {
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "TRAILER",
            "Authorization",
            "TE",
        ] {
            let refused = collect(format!("{name}: x\r\n\r\n").as_bytes(), 4).unwrap_err();
            assert!(matches!(refused, Refused::ForbiddenTrailer(_)), "{name}");
        }
    }

    #[test]
    fn trailers_are_checked_like_fields() {
        for bad in [
            &b"no colon\r\n"[..],
            b": 1\r\n",
            b"X : 1\r\n",
            b"X\0: 1\r\n",
            b"X: a\rb\r\n",
            b"X: 1\n",
            b"\n",
            b" X: 1\r\n",
        ] {
            assert_eq!(collect(bad, 1).unwrap_err().status(), 400, "{bad:?}");
            assert_eq!(collect(bad, 1).unwrap_err(), collect(bad, 99).unwrap_err());
        }
    }

    #[test]
    fn trailers_are_bounded() {
        let long = [b"X: ", b"v".repeat(9000).as_slice()].concat();
        assert_eq!(
            collect(&long, 100).unwrap_err(),
            Refused::FieldTooLong(8190)
        );
        for field in [&b"X: 1\r\n"[..], b"X_Y: 1\r\n"] {
            assert_eq!(
                collect(&field.repeat(101), 7).unwrap_err(),
                Refused::TooManyFields(100)
            );
        }
    }
}
