//! Chunked bodies: RFC 9112 §7.1.
//!
//! ```text
//! size [;extension]* CRLF ──size > 0──▶ data CRLF ──▶ size …
//!                         └─size = 0──▶ trailer fields, empty line ──▶ done
//! ```
//!
//! Size lines are read byte by byte by a small machine that keeps nothing but the number, so a cut
//! anywhere makes no difference and nothing has to be kept of extensions.

use crate::body::{Decoded, Eof, take};
use crate::grammar::{TOKEN, VALUE, class};
use crate::options::Options;
use crate::percent::nibble;
use crate::refused::{Quote, Refused};
use crate::trailers::Trailers;

/// Bytes that size lines may waste in one body beyond what chunks of a useful size need.
const WASTE: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes of the current size line.
    line: usize,
    max_line: usize,
    waste: usize,
    trailers: Trailers,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Line { at: At, size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers,
    Done,
}

/// Places in a size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Digits,
    /// Blanks: only before a semicolon.
    Blank,
    Semicolon,
    Name,
    AfterName,
    Equals,
    Value,
    Quoted,
    Escaped,
    QuoteEnd,
    Cr,
}

const NEXT_LINE: State = State::Line {
    at: At::Start,
    size: 0,
};

impl Chunked {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            state: NEXT_LINE,
            line: 0,
            max_line: options.field_size,
            waste: 0,
            trailers: Trailers::default(),
        }
    }

    pub(crate) fn decode<'a>(
        &mut self,
        input: &'a [u8],
        options: &Options,
    ) -> Result<(usize, Decoded<'a>), Refused> {
        let mut rest = input;
        let taken = |rest: &[u8]| input.len().saturating_sub(rest.len());
        loop {
            match &mut self.state {
                State::Data { left } => {
                    let data = take(rest, left);
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(if data.is_empty() {
                        (input.len(), Decoded::NeedMore)
                    } else {
                        (taken(rest).saturating_add(data.len()), Decoded::Data(data))
                    });
                }
                State::Trailers => {
                    let used = self.trailers.feed(rest, options)?;
                    rest = rest.get(used..).unwrap_or_default();
                    if !self.trailers.is_done() {
                        return Ok((input.len(), Decoded::NeedMore));
                    }
                    self.state = State::Done;
                }
                State::Done => return Ok((taken(rest), Decoded::End)),
                State::Line { .. } | State::DataCr | State::DataLf => {
                    let Some((&byte, after)) = rest.split_first() else {
                        return Ok((input.len(), Decoded::NeedMore));
                    };
                    rest = after;
                    self.state = self.framing_byte(byte)?;
                }
            }
        }
    }

    #[inline]
    fn framing_byte(&mut self, byte: u8) -> Result<State, Refused> {
        match (self.state, byte) {
            (State::Line { at: At::Cr, size }, b'\n') => self.end_line(size),
            (State::Line { at, size }, _) => {
                self.line = self.line.saturating_add(1);
                if self.line > self.max_line {
                    return Err(Refused::ChunkLineTooLong(self.max_line));
                }
                line_byte(at, size, byte)
            }
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(NEXT_LINE),
            _ => Err(Refused::ChunkEnd),
        }
    }

    /// Tiny chunks with long lines would make the work disproportionate to the data.
    fn end_line(&mut self, size: u64) -> Result<State, Refused> {
        let useful = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_mul(2)
            .saturating_add(16);
        self.waste = self.waste.saturating_add(self.line).saturating_sub(useful);
        self.line = 0;
        let most = self.max_line.max(WASTE);
        if self.waste > most {
            return Err(Refused::ChunkLineTooLong(most));
        }
        Ok(if size == 0 {
            State::Trailers
        } else {
            State::Data { left: size }
        })
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    pub(crate) fn at_eof(&self) -> Eof {
        match self.state {
            State::Done => Eof::Complete,
            State::Trailers => Eof::Refused(Refused::UnfinishedTrailers),
            _ => Eof::Broken,
        }
    }

    pub(crate) fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.trailers.iter()
    }
}

/// `chunk-size *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF`
#[inline]
fn line_byte(at: At, size: u64, byte: u8) -> Result<State, Refused> {
    use At::{
        AfterName, Blank, Cr, Digits, Equals, Escaped, Name, QuoteEnd, Quoted, Semicolon, Start,
        Value,
    };
    let is = |bits: u8| class(byte) & bits != 0;
    let next = match (at, byte) {
        (Start | Digits, _) if nibble(byte).is_some() => {
            let digit = u64::from(nibble(byte).unwrap_or(0));
            let size = size.checked_mul(16).ok_or(Refused::ChunkTooLarge)? | digit;
            return Ok(State::Line { at: Digits, size });
        }
        (Digits | Name | Value | QuoteEnd, b'\r') => Cr,
        (Digits | Blank | Name | AfterName | Value | QuoteEnd, b';') => Semicolon,
        (Digits | Blank | Value | QuoteEnd, b' ' | b'\t') => Blank,
        (Semicolon, b' ' | b'\t') => Semicolon,
        (Semicolon | Name, _) if is(TOKEN) => Name,
        (Name | AfterName, b' ' | b'\t') => AfterName,
        (Name | AfterName, b'=') => Equals,
        (Equals, b' ' | b'\t') => Equals,
        (Equals, b'"') => Quoted,
        (Equals | Value, _) if is(TOKEN) => Value,
        (Quoted, b'"') => QuoteEnd,
        (Quoted, b'\\') => Escaped,
        (Quoted | Escaped, _) if is(VALUE) => Quoted,
        (Start | Digits | Blank | Cr, _) => return Err(Refused::ChunkSize(Quote::new(&[byte]))),
        _ => return Err(Refused::ChunkExtension),
    };
    Ok(State::Line { at: next, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and the bytes left over, or how it ended instead.
    fn decode(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize), Result<Refused, Eof>> {
        let options = Options::default();
        let (mut chunked, mut body, mut at) = (Chunked::new(&options), Vec::new(), 0);
        loop {
            let end = (at + piece).min(input.len());
            let (taken, decoded) = chunked.decode(&input[at..end], &options).map_err(Ok)?;
            at += taken;
            match decoded {
                Decoded::Data(data) => body.extend_from_slice(data),
                Decoded::End => return Ok((body, input.len() - at)),
                Decoded::NeedMore if at == input.len() => return Err(Err(chunked.at_eof())),
                Decoded::NeedMore => assert_eq!(at, end),
            }
        }
    }

    fn refused(input: &[u8]) -> Refused {
        let whole = decode(input, usize::MAX >> 1).unwrap_err().unwrap();
        assert_eq!(decode(input, 1).unwrap_err().unwrap(), whole);
        whole
    }

    #[test]
    fn chunks_are_joined_and_the_next_message_is_left() {
        for piece in [1, 2, 3, 100] {
            let input = b"3\r\nabc\r\n2;name=value\r\nde\r\nA ;q=\"x \\\"y\"\r\n0123456789\r\n000\r\n\r\nGET";
            assert_eq!(decode(input, piece), Ok((b"abcde0123456789".to_vec(), 3)));
        }
    }

    #[test]
    fn extensions_follow_the_grammar() {
        for good in [
            "1",
            "1;a",
            "1 ;a",
            "1\t; a = b;c",
            "1;a=\"b;\t\u{e9}c\"",
            "1;a=\"\";b",
            "1;a=\"\\\"\" ;b",
            "1;a=b ;c",
        ] {
            assert!(
                decode(format!("{good}\r\nx\r\n0\r\n\r\n").as_bytes(), 9).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "1;",
            "1;;",
            "1;a=",
            "1 ",
            "1\t",
            "1;a b",
            "1;a ",
            "1;\"a",
            "1;a=\"b",
            "1;a=\"b\"c",
            "1;a\0",
            "1\r;a",
        ] {
            let message = format!("{bad}\r\nx\r\n0\r\n\r\n");
            assert_eq!(refused(message.as_bytes()).status(), 400, "{bad}");
        }
    }

    #[test]
    fn sizes_are_hex_digits_only() {
        for bad in [
            "", "x", "0x1", "+1", "-1", " 1", "1.", "1_0", "1 1", "\x0b1", "1\0", "\"1\"", "1h",
            "1\n",
        ] {
            assert!(
                matches!(
                    refused(format!("{bad}\r\nx").as_bytes()),
                    Refused::ChunkSize(_)
                ),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn chunk_size_overflow_is_refused() {
        assert_eq!(refused(b"10000000000000005\r\n"), Refused::ChunkTooLarge);
        assert_eq!(decode(b"fffffffffffffff5\r\nab", 99), Err(Err(Eof::Broken)));
        let zeros = [b"0".repeat(300).as_slice(), b"1\r\nx\r\n0\r\n\r\n"].concat();
        assert_eq!(decode(&zeros, 7), Ok((b"x".to_vec(), 0)));
    }

    #[test]
    fn data_ends_with_crlf() {
        for bad in [
            &b"3\r\nabcXX0\r\n\r\n"[..],
            b"3\r\nabc\n",
            b"3\r\nabc\rx",
            b"3\r\nabcd\r\n",
            b"3\r\nabc \r\n",
        ] {
            assert_eq!(refused(bad), Refused::ChunkEnd);
        }
    }

    #[test]
    fn long_size_lines_are_refused() {
        let line = [b"1;", b"x".repeat(9000).as_slice(), b"\r\n"].concat();
        assert_eq!(refused(&line), Refused::ChunkLineTooLong(8190));
        let many = [b"1;", b"x".repeat(200).as_slice(), b"\r\nx\r\n"]
            .concat()
            .repeat(100);
        assert_eq!(refused(&many), Refused::ChunkLineTooLong(16384));
    }

    #[test]
    fn many_small_chunks_are_fine() {
        let body = [b"1\r\nx\r\n".repeat(100_000).as_slice(), b"0\r\n\r\n"].concat();
        assert_eq!(decode(&body, 4096).unwrap().0.len(), 100_000);
    }

    #[test]
    fn the_end_of_input_is_judged_by_where_it_comes() {
        for broken in [
            &b""[..],
            b"5",
            b"5\r\n",
            b"5\r\nhel",
            b"5\r\nhello\r\n",
            b"0",
            b"0\r",
        ] {
            assert_eq!(decode(broken, 2), Err(Err(Eof::Broken)), "{broken:?}");
        }
        for unfinished in [&b"0\r\n"[..], b"0\r\n\r", b"0\r\nX: y\r\n"] {
            assert_eq!(
                decode(unfinished, 2),
                Err(Err(Eof::Refused(Refused::UnfinishedTrailers)))
            );
        }
    }
}
