//! Paths: below what they are, and what their percent signs stand for.

use memchr::memchr;

use crate::refused::{Quote, Refused};

/// Decode `%XX`. Anything else that begins with a percent sign stays as it is. A path without one is
/// returned as it came; `scratch` is only used for the others.
#[must_use]
pub fn decode_path<'a>(path: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let Some(mut percent) = memchr(b'%', path) else {
        return path;
    };
    scratch.clear();
    scratch.reserve(path.len());
    let mut rest = path;
    loop {
        let (plain, tail) = rest.split_at_checked(percent).unwrap_or((rest, b""));
        scratch.extend_from_slice(plain);
        rest = match tail {
            [b'%', high, low, after @ ..] => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    scratch.push(high << 4 | low);
                    after
                }
                _ => {
                    scratch.push(b'%');
                    tail.get(1..).unwrap_or_default()
                }
            },
            _ => {
                scratch.extend_from_slice(tail);
                return scratch;
            }
        };
        percent = memchr(b'%', rest).unwrap_or(rest.len());
    }
}

/// `path` without the prefix `script_name`, a plain comparison of bytes.
///
/// # Errors
/// It has another prefix.
pub fn path_below<'a>(path: &'a [u8], script_name: &[u8]) -> Result<&'a [u8], Refused> {
    path.strip_prefix(script_name)
        .ok_or_else(|| Refused::OutsideScriptName {
            path: Quote::new(path),
            script_name: Quote::new(script_name),
        })
}

pub(crate) fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        for (path, decoded) in [
            (&b"/plain"[..], &b"/plain"[..]),
            (b"/a%20b%2fc%2F", b"/a b/c/"),
            (b"/a%2520b", b"/a%20b"),
            (b"/caf%C3%a9", b"/caf\xc3\xa9"),
            (b"/%00", b"/\0"),
            (b"%41", b"A"),
            (b"/a+b", b"/a+b"),
        ] {
            assert_eq!(decode_path(path, &mut Vec::new()), decoded);
        }
    }

    #[test]
    fn broken_escapes_stay() {
        for path in [&b"/%"[..], b"/%4", b"/%zz", b"/%4g%", b"/%%", b"/% 41"] {
            assert_eq!(decode_path(path, &mut Vec::new()), path);
        }
        assert_eq!(decode_path(b"/%%41", &mut Vec::new()), b"/%A");
    }

    #[test]
    fn script_name_is_a_plain_prefix() {
        assert_eq!(path_below(b"/app/x", b"/app"), Ok(&b"/x"[..]));
        assert_eq!(path_below(b"/apple", b"/app"), Ok(&b"le"[..]));
        assert_eq!(path_below(b"/x", b"/app").unwrap_err().status(), 500);
    }
}
