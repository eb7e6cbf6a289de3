//! Status lines as applications give them.

use super::Misuse;
use crate::grammar::is_value;
use crate::refused::Quote;

/// The code of `200 OK`: three digits, optionally a blank and text.
///
/// # Errors
/// It has another form or holds a control byte.
pub fn status_code(status: &[u8]) -> Result<u16, Misuse> {
    let digit = |b: u8| b.is_ascii_digit().then(|| u16::from(b.wrapping_sub(b'0')));
    let code = match status {
        [a, b, c, rest @ ..] if matches!(rest, [] | [b' ', ..]) && is_value(rest) => {
            match (digit(*a), digit(*b), digit(*c)) {
                (Some(a), Some(b), Some(c)) => a
                    .wrapping_mul(100)
                    .wrapping_add(b.wrapping_mul(10))
                    .wrapping_add(c),
                _ => 0,
            }
        }
        _ => 0,
    };
    if code < 100 {
        return Err(Misuse::Status(Quote::new(status)));
    }
    Ok(code)
}

/// Do responses with this code never have a body? (RFC 9110 §6.4.1)
#[inline]
#[must_use]
pub fn has_no_body(code: u16) -> bool {
    code < 200 || code == 204 || code == 304
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_three_digits_and_optional_text() {
        assert_eq!(status_code(b"200 OK"), Ok(200));
        assert_eq!(status_code(b"404"), Ok(404));
        assert_eq!(status_code(b"299 "), Ok(299));
        assert_eq!(status_code("418 th\u{e9}".as_bytes()), Ok(418));
    }

    #[test]
    fn anything_else_is_misuse() {
        for bad in [
            "",
            "20",
            "2000",
            "OK",
            "200OK",
            "200\tOK",
            "200 O\r\nX: y",
            "-20 x",
            "099 x",
            "200 \0",
        ] {
            assert!(status_code(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
