//! Request bodies: the framing taken off, whatever it is.

use crate::chunked::Chunked;
use crate::head::BodyLength;
use crate::options::Options;
use crate::refused::Refused;

/// What a piece of input was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Bytes of the body, never empty.
    Data(&'a [u8]),
    /// Framing, or nothing; all input was taken and the body goes on.
    NeedMore,
    /// The body is complete; input that was not taken belongs to the next message.
    End,
}

/// What it means that the peer sends no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eof {
    /// Nothing: the body is complete.
    Complete,
    /// Fewer bytes than announced; the application reads what there is.
    Short,
    /// A chunked body broke off. There is no telling what is missing: close without an answer.
    Broken,
    /// It broke off where an answer still makes sense.
    Refused(Refused),
}

/// Takes the framing off a request body. Made for one message; gets every byte once.
#[derive(Debug)]
pub struct BodyDecoder(Kind);

#[derive(Debug)]
enum Kind {
    Known { left: u64 },
    Chunked(Chunked),
}

impl BodyDecoder {
    /// The decoder for a body with this framing.
    #[must_use]
    pub fn new(body: BodyLength, options: &Options) -> Self {
        Self(match body {
            BodyLength::None => Kind::Known { left: 0 },
            BodyLength::Known(left) => Kind::Known { left },
            BodyLength::Chunked => Kind::Chunked(Chunked::new(options)),
        })
    }

    /// Look at the next input: how many of its bytes were taken, and what they were. Call again with
    /// the rest until it says `NeedMore` or `End`. `options` must be those it was made with.
    ///
    /// # Errors
    /// The framing is wrong. The decoder is of no use after that.
    pub fn decode<'a>(
        &mut self,
        input: &'a [u8],
        options: &Options,
    ) -> Result<(usize, Decoded<'a>), Refused> {
        match &mut self.0 {
            Kind::Known { left: 0 } => Ok((0, Decoded::End)),
            Kind::Known { left } => Ok(match take(input, left) {
                [] => (0, Decoded::NeedMore),
                data => (data.len(), Decoded::Data(data)),
            }),
            Kind::Chunked(chunked) => chunked.decode(input, options),
        }
    }

    /// Is the body complete?
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Kind::Known { left } => *left == 0,
            Kind::Chunked(chunked) => chunked.is_done(),
        }
    }

    /// The peer sends no more.
    #[must_use]
    pub fn at_eof(&self) -> Eof {
        match &self.0 {
            Kind::Known { left: 0 } => Eof::Complete,
            Kind::Known { .. } => Eof::Short,
            Kind::Chunked(chunked) => chunked.at_eof(),
        }
    }

    /// Names and values of the trailer fields, once the body is complete.
    pub fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        match &self.0 {
            Kind::Known { .. } => None,
            Kind::Chunked(chunked) => Some(chunked.trailers()),
        }
        .into_iter()
        .flatten()
    }
}

/// The part of `input` that is still within `left`, which shrinks by it.
pub(crate) fn take<'a>(input: &'a [u8], left: &mut u64) -> &'a [u8] {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let data = input.get(..most).unwrap_or(input);
    *left = left.saturating_sub(data.len() as u64);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_length_takes_no_byte_of_the_next_message() {
        let options = Options::default();
        let mut body = BodyDecoder::new(BodyLength::Known(5), &options);
        assert_eq!(body.decode(b"", &options), Ok((0, Decoded::NeedMore)));
        assert_eq!(body.decode(b"he", &options), Ok((2, Decoded::Data(b"he"))));
        assert_eq!(body.at_eof(), Eof::Short);
        assert_eq!(
            body.decode(b"lloGET", &options),
            Ok((3, Decoded::Data(b"llo")))
        );
        assert_eq!(body.decode(b"GET", &options), Ok((0, Decoded::End)));
        assert_eq!(body.at_eof(), Eof::Complete);
    }

    #[test]
    fn no_framing_means_no_body() {
        let options = Options::default();
        let mut body = BodyDecoder::new(BodyLength::None, &options);
        assert!(body.is_done());
        assert_eq!(body.decode(b"GET", &options), Ok((0, Decoded::End)));
    }
}
