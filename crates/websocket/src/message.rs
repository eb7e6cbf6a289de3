//! A message that comes in pieces: collected, decompressed, bounded, its text checked as it comes.

use crate::deflate::Codec;
use crate::violation::Violation;

/// A larger buffer is not kept for the next message.
const KEPT: usize = 16 * 1024;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// The message that is being received.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    under_way: Option<UnderWay>,
    content: Vec<u8>,
    /// So much of the content is known to be whole characters.
    checked: usize,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    kind: Kind,
    compressed: bool,
}

impl Assembly {
    /// Between the first frame of a message and the end of its last?
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Gives back the memory of a large message that has been handed out.
    pub(crate) fn release(&mut self) {
        if self.under_way.is_none() && self.content.capacity() > KEPT {
            self.content = Vec::new();
        }
    }

    /// A message begins; what was there has been handed out.
    pub(crate) fn begin(&mut self, kind: Kind, compressed: bool) {
        self.content.clear();
        self.checked = 0;
        self.under_way = Some(UnderWay { kind, compressed });
    }

    /// A frame of so many bytes is about to come: too many for a message?
    pub(crate) fn announce(&self, len: u64, limit: usize) -> Result<(), Violation> {
        // What a compressed frame holds is not known before it is decompressed.
        let compressed = self.under_way.is_some_and(|message| message.compressed);
        let room = limit.saturating_sub(self.content.len()) as u64;
        if !compressed && len > room {
            return Err(Violation::TooBig(limit));
        }
        Ok(())
    }

    /// More of it.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        codec: Option<&mut Codec>,
        limit: usize,
    ) -> Result<(), Violation> {
        let taken = match (self.under_way, codec) {
            (
                Some(UnderWay {
                    compressed: true, ..
                }),
                Some(codec),
            ) => codec.decompress(piece, &mut self.content, limit),
            _ => {
                self.content.extend_from_slice(piece);
                Ok(())
            }
        };
        // Bad text comes first: which of two faults is named must not depend on the cuts.
        self.check_text(false)?;
        taken
    }

    /// It is complete.
    pub(crate) fn finish(
        &mut self,
        codec: Option<&mut Codec>,
        limit: usize,
    ) -> Result<Kind, Violation> {
        let message = self.under_way.take();
        if let (
            Some(UnderWay {
                compressed: true, ..
            }),
            Some(codec),
        ) = (message, codec)
        {
            codec.finish(&mut self.content, limit)?;
        }
        let kind = message.map_or(Kind::Binary, |message| message.kind);
        if kind == Kind::Text {
            self.under_way = message;
            self.check_text(true)?;
            self.under_way = None;
        }
        Ok(kind)
    }

    /// What was collected; complete after [`Assembly::finish`].
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Fails as soon as there is a byte that no text could have (RFC 6455 §8.1).
    fn check_text(&mut self, complete: bool) -> Result<(), Violation> {
        if !matches!(
            self.under_way,
            Some(UnderWay {
                kind: Kind::Text,
                ..
            })
        ) {
            return Ok(());
        }
        match str::from_utf8(self.content.get(self.checked..).unwrap_or_default()) {
            Ok(_) => self.checked = self.content.len(),
            Err(error) if error.error_len().is_none() && !complete => {
                self.checked = self.checked.saturating_add(error.valid_up_to());
            }
            Err(_) => return Err(Violation::Utf8),
        }
        Ok(())
    }
}
