//! Close frames: codes and reasons, RFC 6455 §5.5.1 and §7.4.

use crate::frame::{LONGEST_CONTROL, Opcode, write_head};
use crate::violation::Violation;

/// Why a connection ends, as a close frame says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    /// The code; a close frame need not have one.
    pub code: Option<u16>,
    /// For people; may be empty.
    pub reason: String,
}

/// May a close frame carry this code? The others are reserved, or not on the wire (1005, 1006, 1015).
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads the payload of a client's close frame.
pub(crate) fn read(payload: &[u8]) -> Result<Close, Violation> {
    let Some((&code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Close::default())
        } else {
            Err(Violation::ShortClose)
        };
    };
    let code = u16::from_be_bytes(code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode(code));
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::Utf8)?;
    Ok(Close {
        code: Some(code),
        reason: reason.to_owned(),
    })
}

/// Writes a close frame. A reason that is too long is cut between two characters.
pub(crate) fn write(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else {
        write_head(Opcode::Close, false, 0, out);
        return;
    };
    let mut end = reason.len().min(LONGEST_CONTROL.saturating_sub(2));
    while !reason.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let reason = reason.get(..end).unwrap_or_default().as_bytes();
    write_head(Opcode::Close, false, reason.len().saturating_add(2), out);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_reserved_or_not_for_the_wire_are_refused() {
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            assert!(!may_be_sent(code), "{code}");
            assert_eq!(
                read(&u16::to_be_bytes(code)),
                Err(Violation::CloseCode(code))
            );
        }
        for code in [
            1000, 1001, 1002, 1003, 1007, 1012, 1014, 3000, 3999, 4000, 4999,
        ] {
            assert!(may_be_sent(code), "{code}");
        }
    }

    #[test]
    fn payloads_are_empty_or_have_a_code_and_text() {
        assert_eq!(read(b""), Ok(Close::default()));
        assert_eq!(read(b"\x03"), Err(Violation::ShortClose));
        assert_eq!(read(b"\x03\xe8\xff"), Err(Violation::Utf8));
        let close = read(b"\x03\xe8bye").unwrap();
        assert_eq!((close.code, close.reason.as_str()), (Some(1000), "bye"));
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let mut out = Vec::new();
        write(Some(1000), &"é".repeat(100), &mut out);
        assert_eq!(out[..2], [0x88, 2 + 122]);
        assert_eq!(read(&out[2..]).unwrap().reason, "é".repeat(61));
    }
}
