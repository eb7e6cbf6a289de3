//! Compression of messages, RFC 7692 §7.2, over zlib-rs.

use zlib_rs::{DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

use crate::extensions::Deflate as Agreed;
use crate::violation::Violation;

/// What every compressed message ends with, and what is not sent: an empty stored block.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A shorter message fits into one packet anyway, and compressing it saves nobody anything.
const WORTH_COMPRESSING: usize = 128;

/// zlib's levels go to 9. Between speed and size the low ones win for messages.
const LEVEL: i32 = 3;

/// Half of the usual hash chains: messages are short.
const MEMORY_LEVEL: i32 = 5;

/// The most that is decompressed in one go, before the size of the message is looked at again.
const STEP: usize = 64 * 1024;

/// Both directions of a connection whose messages may be compressed.
///
/// Either side takes memory (about 170 KB to compress, 50 KB to decompress) from its first
/// compressed message on; [`Codec::forget`] gives back what a connection at rest can do without.
pub(crate) struct Codec {
    agreed: Agreed,
    inflate: Option<Inflate>,
    deflate: Option<zlib_rs::Deflate>,
}

impl Codec {
    pub(crate) fn new(agreed: Agreed) -> Self {
        Self {
            agreed,
            inflate: None,
            deflate: None,
        }
    }

    /// Is a message of this length worth it?
    pub(crate) fn wants(&self, len: usize) -> bool {
        len >= WORTH_COMPRESSING
    }

    /// Drops the compressor. The client keeps its window, and data that refers to nothing in it is
    /// as good as any: only the ratio of the next messages suffers.
    pub(crate) fn forget(&mut self) {
        self.deflate = None;
    }

    /// Appends the compressed form of a message.
    pub(crate) fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let deflate = self.deflate.get_or_insert_with(|| {
            zlib_rs::Deflate::new_with_config(DeflateConfig {
                level: LEVEL,
                // Below zero: without zlib's own head and checksum.
                window_bits: i32::from(self.agreed.server_window_bits).saturating_neg(),
                mem_level: MEMORY_LEVEL,
                ..DeflateConfig::default()
            })
        });
        let start = out.len();
        let mut rest = data;
        loop {
            let filled = out.len();
            out.resize(filled.saturating_add((rest.len() / 2).clamp(64, STEP)), 0);
            let room = out.get_mut(filled..).unwrap_or_default();
            let space = room.len();
            let (taken, made) = (deflate.total_in(), deflate.total_out());
            // Nothing but a broken state could fail, and the length of what was made says enough.
            let _ = deflate.compress(rest, room, DeflateFlush::SyncFlush);
            let taken = difference(deflate.total_in(), taken);
            let made = difference(deflate.total_out(), made);
            out.truncate(filled.saturating_add(made));
            rest = rest.get(taken..).unwrap_or_default();
            if made < space {
                break;
            }
        }
        if out.get(start..).is_some_and(|made| made.ends_with(&TAIL)) {
            out.truncate(out.len().saturating_sub(TAIL.len()));
        }
        if self.agreed.server_no_context_takeover {
            self.deflate = None;
        }
    }

    /// Appends what `data`, a piece of a compressed message, decompresses to.
    pub(crate) fn decompress(
        &mut self,
        data: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Violation> {
        // A larger window than the client's reads its data as well; zlib has none below 9.
        let bits = self.agreed.client_window_bits.max(9);
        let inflate = self
            .inflate
            .get_or_insert_with(|| Inflate::new(false, bits));
        let mut rest = data;
        loop {
            let filled = out.len();
            // One byte beyond the limit tells that there is more.
            let most = limit.saturating_sub(filled).saturating_add(1).min(STEP);
            let room = rest.len().saturating_mul(4).clamp(256, STEP).min(most);
            out.resize(filled.saturating_add(room), 0);
            let (taken, made) = (inflate.total_in(), inflate.total_out());
            let space = out.get_mut(filled..).unwrap_or_default();
            let status = inflate.decompress(rest, space, InflateFlush::SyncFlush);
            let taken = difference(inflate.total_in(), taken);
            let made = difference(inflate.total_out(), made);
            out.truncate(filled.saturating_add(made));
            rest = rest.get(taken..).unwrap_or_default();
            if out.len() > limit {
                return Err(Violation::TooBig(limit));
            }
            match status {
                // §7.2.3.5: a client may end its stream; what follows is a new one.
                Ok(Status::StreamEnd) => *inflate = Inflate::new(false, bits),
                Ok(_) if made < room && (rest.is_empty() || taken > 0) => {}
                Ok(_) if made == room => continue,
                Ok(_) | Err(_) => return Err(Violation::Compression),
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// The message is complete: appends what its missing tail stands for.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), Violation> {
        self.decompress(&TAIL, out, limit)?;
        if self.agreed.client_no_context_takeover {
            self.inflate = None;
        }
        Ok(())
    }
}

/// Between two readings of a counter; a step is far below what a usize holds.
fn difference(now: u64, before: u64) -> usize {
    usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(server: u8, client: u8, no_takeover: bool) -> Agreed {
        Agreed {
            server_window_bits: server,
            client_window_bits: client,
            server_no_context_takeover: no_takeover,
            client_no_context_takeover: no_takeover,
        }
    }

    fn inflate_message(codec: &mut Codec, data: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
        let mut out = Vec::new();
        codec.decompress(data, &mut out, limit)?;
        codec.finish(&mut out, limit)?;
        Ok(out)
    }

    /// Bytes that do not compress.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn what_was_compressed_comes_back_with_every_agreement() {
        let messages = [
            b"some words, ".repeat(1000),
            noise(200_000),
            vec![0; 1_000_000],
        ];
        for bits in 9..=15 {
            for no_takeover in [false, true] {
                let mut one = Codec::new(agreed(bits, bits, no_takeover));
                let mut two = Codec::new(agreed(bits, bits, no_takeover));
                for message in messages.iter().chain(&messages) {
                    let mut packed = Vec::new();
                    one.compress(message, &mut packed);
                    let back = inflate_message(&mut two, &packed, 1 << 20).unwrap();
                    assert!(back == *message, "{bits} bits");
                }
            }
        }
    }

    #[test]
    fn a_forgotten_compressor_is_not_noticed_by_the_client() {
        let mut one = Codec::new(agreed(12, 12, false));
        let mut two = Codec::new(agreed(12, 12, false));
        for _ in 0..3 {
            let mut packed = Vec::new();
            one.compress(&b"again and ".repeat(50), &mut packed);
            one.forget();
            assert!(inflate_message(&mut two, &packed, 4096).is_ok());
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let mut packed = Vec::new();
        Codec::new(agreed(15, 15, false)).compress(&vec![0; 50_000_000], &mut packed);
        assert!(packed.len() < 100_000);
        let mut codec = Codec::new(agreed(15, 15, false));
        let mut out = Vec::new();
        let result = codec.decompress(&packed, &mut out, 1000);
        assert_eq!(result, Err(Violation::TooBig(1000)));
        assert!(out.len() <= 1001 && out.capacity() < 2 * STEP);
    }

    #[test]
    fn a_message_at_the_limit_is_taken() {
        let mut packed = Vec::new();
        Codec::new(agreed(15, 15, false)).compress(&[7; 1000], &mut packed);
        let mut codec = Codec::new(agreed(15, 15, false));
        assert_eq!(
            inflate_message(&mut codec, &packed, 1000),
            Ok(vec![7; 1000])
        );
    }

    #[test]
    fn streams_that_the_client_ended_go_on_with_new_ones() {
        // RFC 7692 §7.2.3.4 and §7.2.3.5: a block with BFINAL, and its empty successor.
        let mut codec = Codec::new(agreed(15, 15, false));
        for _ in 0..2 {
            let data = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
            assert_eq!(inflate_message(&mut codec, &data, 100).unwrap(), b"Hello");
        }
    }

    #[test]
    fn examples_of_the_rfc() {
        // §7.2.3.1 and §7.2.3.2: the second refers to the first.
        let mut codec = Codec::new(agreed(15, 15, false));
        for data in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ] {
            assert_eq!(inflate_message(&mut codec, data, 100).unwrap(), b"Hello");
        }
        // §7.2.3.3: not compressed.
        let stored = [
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ];
        assert_eq!(inflate_message(&mut codec, &stored, 100).unwrap(), b"Hello");
        // §7.2.3.6: an empty message.
        assert_eq!(inflate_message(&mut codec, &[0x00], 100).unwrap(), b"");
    }

    #[test]
    fn what_is_no_deflate_stream_is_a_violation() {
        let mut codec = Codec::new(agreed(15, 15, false));
        let result = inflate_message(&mut codec, &[0xff; 20], 100);
        assert_eq!(result, Err(Violation::Compression));
    }
}
