//! What a client can do wrong, and the close code that it gets for it.

use std::fmt;

/// A client's violation of the protocol. [`fmt::Display`] is the reason in our close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// RFC 6455 §5.1: every frame from a client is masked.
    Unmasked,
    /// A reserved bit that no negotiated extension uses, or not on this frame.
    ReservedBits,
    /// An opcode without a meaning.
    ReservedOpcode(u8),
    /// A length that was not written in the shortest way, or has its highest bit set.
    LengthEncoding,
    /// A control frame with more than 125 bytes.
    LongControl,
    /// A control frame in pieces.
    FragmentedControl,
    /// A continuation without a message to continue.
    UnexpectedContinuation,
    /// A new message within a fragmented one.
    ExpectedContinuation,
    /// A close frame with one byte.
    ShortClose,
    /// A close code that must not be on the wire.
    CloseCode(u16),
    /// Compressed data that cannot be decompressed.
    Compression,
    /// Text, or the reason of a close, that is not UTF-8.
    Utf8,
    /// A message beyond this many bytes.
    TooBig(usize),
}

impl Violation {
    /// The code of the close frame, RFC 6455 §7.4.1.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Utf8 => 1007,
            Self::TooBig(_) => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmasked => f.write_str("Frame not masked"),
            Self::ReservedBits => f.write_str("Reserved bits set"),
            Self::ReservedOpcode(opcode) => write!(f, "Reserved opcode {opcode}"),
            Self::LengthEncoding => f.write_str("Invalid length encoding"),
            Self::LongControl => f.write_str("Control frame too long"),
            Self::FragmentedControl => f.write_str("Fragmented control frame"),
            Self::UnexpectedContinuation => f.write_str("Unexpected continuation frame"),
            Self::ExpectedContinuation => f.write_str("Expected continuation frame"),
            Self::ShortClose => f.write_str("Close frame too short"),
            Self::CloseCode(code) => write!(f, "Invalid close code {code}"),
            Self::Compression => f.write_str("Invalid compressed data"),
            Self::Utf8 => f.write_str("Invalid UTF-8"),
            Self::TooBig(limit) => write!(f, "Message exceeds {limit} bytes"),
        }
    }
}
