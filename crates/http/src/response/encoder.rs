//! Response bodies: the framing put on.

/// How the body of a response is delimited; counts what the head promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEncoder {
    /// Content-Length: this many bytes are still to come, more are cut off.
    Known {
        /// Bytes not yet sent.
        left: u64,
    },
    /// Every piece is a chunk.
    Chunked,
    /// The end of the connection is the end of the body.
    UntilClose,
    /// There is no body, whatever the application returns.
    Discard,
}

/// What goes around a piece of data, so that large data need not be copied.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    prefix: [u8; 18],
    prefix_len: u8,
    /// Number of bytes of the data to send.
    pub take: usize,
    /// Bytes to send after the data.
    pub suffix: &'static [u8],
}

impl Frame {
    /// Bytes to send before the data.
    #[inline]
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        self.prefix
            .get(..usize::from(self.prefix_len))
            .unwrap_or_default()
    }

    fn plain(take: usize) -> Self {
        Self {
            prefix: [0; 18],
            prefix_len: 0,
            take,
            suffix: b"",
        }
    }

    /// The chunk-size line, upper-case hex as Gunicorn writes it.
    fn chunk(take: usize) -> Self {
        let mut prefix = [0; 18];
        let digits = (usize::BITS.saturating_sub(take.leading_zeros()))
            .div_ceil(4)
            .max(1);
        let mut bytes = prefix.iter_mut();
        for digit in (0..digits).rev() {
            let nibble = take.checked_shr(digit.saturating_mul(4)).unwrap_or(0) as u8 & 15;
            let letter = if nibble < 10 {
                b'0'
            } else {
                b'A'.wrapping_sub(10)
            };
            if let Some(byte) = bytes.next() {
                *byte = letter.wrapping_add(nibble);
            }
        }
        for (byte, end) in bytes.zip(*b"\r\n") {
            *byte = end;
        }
        Self {
            prefix,
            prefix_len: (digits as u8).saturating_add(2),
            take,
            suffix: b"\r\n",
        }
    }
}

/// Was the response as long as its head said?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Finish {
    /// Yes; the connection may go on.
    Complete,
    /// This many bytes are missing: only closing tells the client.
    Short(u64),
}

impl BodyEncoder {
    /// What to send for a piece of `len` bytes.
    #[inline]
    #[must_use]
    pub fn frame(&mut self, len: usize) -> Frame {
        match self {
            Self::Known { left } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(len);
                *left = left.saturating_sub(take as u64);
                Frame::plain(take)
            }
            // An empty chunk would be the last one.
            Self::Chunked if len > 0 => Frame::chunk(len),
            Self::UntilClose => Frame::plain(len),
            Self::Chunked | Self::Discard => Frame::plain(0),
        }
    }

    /// Append a piece with its framing.
    pub fn encode(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let frame = self.frame(data.len());
        let data = data.get(..frame.take).unwrap_or(data);
        out.reserve(data.len().saturating_add(24));
        out.extend_from_slice(frame.prefix());
        out.extend_from_slice(data);
        out.extend_from_slice(frame.suffix);
    }

    /// Append what ends the body, with these finished trailer lines where the framing has a place for them.
    pub fn finish_with_trailers(&mut self, trailers: &[u8], out: &mut Vec<u8>) -> Finish {
        if *self == Self::Chunked && !trailers.is_empty() {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
            *self = Self::Discard;
        }
        self.finish(out)
    }

    /// Append what ends the body.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Finish {
        match *self {
            Self::Known { left } if left > 0 => Finish::Short(left),
            Self::Chunked => {
                out.extend_from_slice(b"0\r\n\r\n");
                *self = Self::Discard;
                Finish::Complete
            }
            _ => Finish::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_are_upper_case_hex() {
        for len in [1, 9, 10, 15, 16, 255, 256, 0xABCDE, usize::MAX] {
            assert_eq!(
                Frame::chunk(len).prefix(),
                format!("{len:X}\r\n").as_bytes()
            );
        }
    }

    #[test]
    fn empty_pieces_do_not_end_a_chunked_body() {
        let (mut body, mut out) = (BodyEncoder::Chunked, Vec::new());
        body.encode(b"", &mut out);
        body.encode(b"hello world", &mut out);
        assert_eq!(body.finish(&mut out), Finish::Complete);
        assert_eq!(body.finish(&mut out), Finish::Complete);
        assert_eq!(out, b"B\r\nhello world\r\n0\r\n\r\n");
    }

    #[test]
    fn trailers_come_behind_the_last_chunk_and_nowhere_else() {
        let mut out = Vec::new();
        let finish = BodyEncoder::Chunked.finish_with_trailers(b"A: b\r\n", &mut out);
        assert_eq!(finish, Finish::Complete);
        assert_eq!(out, b"0\r\nA: b\r\n\r\n");
        let finish = BodyEncoder::Known { left: 0 }.finish_with_trailers(b"A: b\r\n", &mut out);
        assert_eq!(finish, Finish::Complete);
        assert_eq!(out.len(), 11);
    }

    #[test]
    fn a_body_is_cut_to_its_content_length() {
        let (mut body, mut out) = (BodyEncoder::Known { left: 3 }, Vec::new());
        body.encode(b"ab", &mut out);
        assert_eq!(body.finish(&mut out), Finish::Short(1));
        body.encode(b"cd", &mut out);
        body.encode(b"e", &mut out);
        assert_eq!(body.finish(&mut out), Finish::Complete);
        assert_eq!(out, b"abc");
    }

    #[test]
    fn discarded_bodies_send_nothing() {
        let (mut body, mut out) = (BodyEncoder::Discard, Vec::new());
        body.encode(b"ab", &mut out);
        assert_eq!(body.finish(&mut out), Finish::Complete);
        assert!(out.is_empty());
    }
}
