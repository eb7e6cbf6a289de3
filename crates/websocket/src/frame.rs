//! The heads of frames, RFC 6455 §5.2.

use crate::violation::Violation;

/// The most that a head of a client's frame takes: two bytes, eight of length, four of mask.
pub(crate) const LONGEST_HEAD: usize = 14;

/// The most that a control frame carries.
pub(crate) const LONGEST_CONTROL: usize = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// More of the message before it.
    Continuation,
    /// A message of text begins.
    Text,
    /// A message of bytes begins.
    Binary,
    /// The end.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

impl TryFrom<u8> for Opcode {
    type Error = Violation;

    fn try_from(number: u8) -> Result<Self, Violation> {
        Ok(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => return Err(Violation::ReservedOpcode(other)),
        })
    }
}

/// The head of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last frame of its message.
    pub(crate) fin: bool,
    /// RSV1: the message is compressed, if that was negotiated.
    pub(crate) compressed: bool,
    /// What it is.
    pub(crate) opcode: Opcode,
    /// How many bytes follow.
    pub(crate) len: u64,
    /// What they are masked with.
    pub(crate) key: [u8; 4],
}

/// Reads the head at the start of `bytes`, and says how long it is. `Ok(None)`: more bytes needed.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Violation> {
    let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    if first & 0x30 != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = Opcode::try_from(first & 0x0f)?;
    let (fin, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    let short = second & 0x7f;
    if opcode.is_control() {
        if compressed {
            return Err(Violation::ReservedBits);
        }
        if !fin {
            return Err(Violation::FragmentedControl);
        }
        if short > 125 {
            return Err(Violation::LongControl);
        }
    }
    let Some((len, rest)) = read_len(short, rest)? else {
        return Ok(None);
    };
    let Some((&key, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let head = Head {
        fin,
        compressed,
        opcode,
        len,
        key,
    };
    Ok(Some((head, bytes.len().saturating_sub(rest.len()))))
}

/// The length, which has to be written in the shortest way, and the bytes after it.
fn read_len(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (len, rest, least) = match short {
        126 => {
            let Some((&len, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(len)), rest, 126)
        }
        127 => {
            let Some((&len, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(len), rest, 0x1_0000)
        }
        short => (u64::from(short), rest, 0),
    };
    if len < least || len > i64::MAX as u64 {
        return Err(Violation::LengthEncoding);
    }
    Ok(Some((len, rest)))
}

/// Writes the head of one of our frames: whole, not masked.
pub(crate) fn write_head(opcode: Opcode, compressed: bool, len: usize, out: &mut Vec<u8>) {
    let (head, used) = head(opcode, compressed, len);
    out.extend_from_slice(head.get(..used).unwrap_or_default());
}

/// The same as an array and how much of it is used.
fn head(opcode: Opcode, compressed: bool, len: usize) -> ([u8; 10], usize) {
    let first = 0x80 | (u8::from(compressed) << 6) | opcode.number();
    if let Ok(short @ 0..126) = u8::try_from(len) {
        ([first, short, 0, 0, 0, 0, 0, 0, 0, 0], 2)
    } else if let Ok(len) = u16::try_from(len) {
        let [a, b] = len.to_be_bytes();
        ([first, 126, a, b, 0, 0, 0, 0, 0, 0], 4)
    } else {
        let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
        ([first, 127, a, b, c, d, e, f, g, h], 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_they_are_written() {
        for len in [0usize, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
            let mut bytes = Vec::new();
            write_head(Opcode::Binary, true, len, &mut bytes);
            bytes[1] |= 0x80;
            bytes.extend([1, 2, 3, 4]);
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Ok(None), "{len} cut at {cut}");
            }
            let head = Head {
                fin: true,
                compressed: true,
                opcode: Opcode::Binary,
                len: len as u64,
                key: [1, 2, 3, 4],
            };
            assert_eq!(read(&bytes), Ok(Some((head, bytes.len()))));
        }
    }

    #[test]
    fn heads_that_break_a_rule_name_it() {
        use Violation::*;
        for (bytes, violation) in [
            (&b"\x81\x00"[..], Unmasked),
            (b"\xa1\x80", ReservedBits),
            (b"\x91\x80", ReservedBits),
            (b"\xc9\x80", ReservedBits),
            (b"\x83\x80", ReservedOpcode(3)),
            (b"\x8f\x80", ReservedOpcode(15)),
            (b"\x09\x80", FragmentedControl),
            (b"\x89\xfe", LongControl),
            (b"\x82\xfe\x00\x7d", LengthEncoding),
            (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", LengthEncoding),
            (b"\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00", LengthEncoding),
        ] {
            assert_eq!(read(bytes), Err(violation), "{bytes:x?}");
        }
    }
}
