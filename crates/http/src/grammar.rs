//! The character classes of RFC 9110, one table look-up a byte.

/// May be part of a token.
pub(crate) const TOKEN: u8 = 1;
/// An underscore: what `header_map` is about.
pub(crate) const UNDERSCORE: u8 = 2;
/// A lower-case letter or `#`: not in a conventional method.
pub(crate) const UNCONVENTIONAL: u8 = 4;
/// Printable ASCII without blanks: may be in a request target.
pub(crate) const VISIBLE: u8 = 8;
/// May be in a field value: VCHAR, obs-text, SP, HTAB.
pub(crate) const VALUE: u8 = 16;

static CLASSES: [u8; 256] = classes();

/// The classes of a byte.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a u8 cannot leave a table of 256")]
pub(crate) fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// Only bytes that a field value may have? Written as a fold so that it becomes vector code.
#[inline]
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    let bad = |b: u8| (b < b' ' && b != b'\t') || b == 0x7f;
    bytes.iter().fold(false, |any, &b| any | bad(b)).eq(&false)
}

/// Without the blanks around it.
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Decimal digits and nothing else, as a number.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |number, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The members of a comma-separated list, trimmed; empty ones included.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim)
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler"
)]
const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut bits = 0;
        if b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            )
        {
            bits |= TOKEN;
        }
        if b == b'_' {
            bits |= UNDERSCORE;
        }
        if b.is_ascii_lowercase() || b == b'#' {
            bits |= UNCONVENTIONAL;
        }
        if b.is_ascii_graphic() {
            bits |= VISIBLE;
        }
        if b.is_ascii_graphic() || b == b' ' || b == b'\t' || b >= 0x80 {
            bits |= VALUE;
        }
        table[byte] = bits;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_table_and_vector_test_agree() {
        for b in 0..=255u8 {
            assert_eq!(is_value(&[b]), class(b) & VALUE != 0, "{b:#x}");
        }
    }

    #[test]
    fn tokens_have_no_delimiters() {
        for b in b"\"(),/:;<=>?@[\\]{} \t\x7f\x80\xff\0" {
            assert!(class(*b) & TOKEN == 0, "{b:#x}");
        }
    }

    #[test]
    fn decimal_takes_digits_only_and_does_not_wrap() {
        assert_eq!(decimal(b"0018446744073709551615"), Some(u64::MAX));
        for bad in [
            &b""[..],
            b"18446744073709551616",
            b"+1",
            b"-1",
            b"1 ",
            b"0x1",
            b"1_0",
            b"\xd9\xa5",
        ] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }
}
