//! Bytes of a client's in a line of text.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// May stand in a quoted value as it is: printable ASCII but the quote and the escape character.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_plain(byte as u8);
        byte += 1;
    }
    table
};

/// The part of `value` that may stand in quotes as it is, and the rest.
#[inline]
pub fn split_plain(value: &[u8]) -> (&[u8], &[u8]) {
    let unsafe_byte = value.iter().position(|byte| !PLAIN[usize::from(*byte)]);
    value.split_at(unsafe_byte.unwrap_or(value.len()))
}

/// Adds `value`, with `\"` and `\\` for the two that would end it, and `\xNN` for every byte that is
/// not printable ASCII.
#[inline]
pub fn push_escaped(line: &mut Vec<u8>, value: &[u8]) {
    let (mut plain, mut rest) = split_plain(value);
    line.extend_from_slice(plain);
    while let Some((byte, behind)) = rest.split_first() {
        push_byte(line, *byte);
        (plain, rest) = split_plain(behind);
        line.extend_from_slice(plain);
    }
}

#[cold]
fn push_byte(line: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
        _ => {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            line.extend_from_slice(&[b'\\', b'x', high, low]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &[u8]) -> String {
        let mut line = Vec::new();
        push_escaped(&mut line, value);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn quotes_and_backslashes_cannot_end_a_value() {
        assert_eq!(escaped(br#"cu"rl\"#), r#"cu\"rl\\"#);
    }

    #[test]
    fn no_byte_but_printable_ascii_comes_through() {
        assert_eq!(
            escaped(b"a\r\n\x00\x1b[31m\x7f\xc3\xa9z"),
            r"a\x0d\x0a\x00\x1b[31m\x7f\xc3\xa9z"
        );
        let all: Vec<u8> = (0..=255).collect();
        assert!(
            escaped(&all)
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte))
        );
    }
}
