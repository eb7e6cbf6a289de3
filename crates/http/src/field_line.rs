//! `Name: value`, in heads and in trailers.

use crate::grammar::{TOKEN, UNDERSCORE, class, is_value};
use crate::head::FieldKind;
use crate::options::{HeaderMap, Options};
use crate::refused::{Quote, Refused};

/// A field line taken apart; the places are within the line.
#[derive(Clone, Copy)]
pub(crate) struct FieldLine {
    pub name_end: usize,
    pub value_start: usize,
    pub value_end: usize,
    pub underscore: bool,
}

/// Take apart a line, given without its line end.
#[inline]
pub(crate) fn split(line: &[u8], options: &Options) -> Result<FieldLine, Refused> {
    let (name_end, underscore) = scan_name(line);
    let colon = if options.strip_header_spaces {
        skip_blanks(line, name_end)
    } else {
        name_end
    };
    if name_end == 0 || line.get(colon) != Some(&b':') {
        return Err(refused_name(line));
    }
    let value_start = skip_blanks(line, colon.saturating_add(1));
    let mut value = line.get(value_start..).unwrap_or_default();
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    if !is_value(value) {
        return Err(refused_value(line, name_end, value));
    }
    Ok(FieldLine {
        name_end,
        value_start,
        value_end: value_start.saturating_add(value.len()),
        underscore,
    })
}

/// The end of the name and whether it has an underscore.
#[inline]
fn scan_name(line: &[u8]) -> (usize, bool) {
    let mut any = 0;
    for (at, &b) in line.iter().enumerate() {
        if class(b) & TOKEN == 0 {
            return (at, any & UNDERSCORE != 0);
        }
        any |= class(b);
    }
    (line.len(), any & UNDERSCORE != 0)
}

#[inline]
fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = line.get(at) {
        at = at.saturating_add(1);
    }
    at
}

#[cold]
fn refused_name(line: &[u8]) -> Refused {
    match line {
        [b' ' | b'\t', ..] => Refused::Folding(Quote::new(line)),
        _ => Refused::FieldName(Quote::new(line)),
    }
}

#[cold]
fn refused_value(line: &[u8], name_end: usize, value: &[u8]) -> Refused {
    let name = line.get(..name_end).unwrap_or_default();
    Refused::FieldValue {
        name: Quote::new(name),
        value: Quote::new(value),
    }
}

/// What `header_map` makes of a name with an underscore: keep it?
#[cold]
pub(crate) fn keeps_underscore(
    name: &[u8],
    trusted_peer: bool,
    options: &Options,
) -> Result<bool, Refused> {
    if trusted_peer && options.is_forwarder_header(name) {
        return Ok(true);
    }
    match options.header_map {
        HeaderMap::Drop => Ok(false),
        HeaderMap::Dangerous => Ok(true),
        HeaderMap::Refuse => Err(Refused::UnderscoreInName(Quote::new(name))),
    }
}

/// What a name means to the server, apart from the settings.
#[inline]
pub(crate) fn kind(name: &[u8]) -> FieldKind {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is(b"te") => FieldKind::Te,
        4 if is(b"host") => FieldKind::Host,
        6 if is(b"expect") => FieldKind::Expect,
        7 if is(b"upgrade") => FieldKind::Upgrade,
        7 if is(b"trailer") => FieldKind::Trailer,
        10 if is(b"connection") => FieldKind::Connection,
        11 if is(b"script_name") => FieldKind::ScriptName,
        12 if is(b"content-type") => FieldKind::ContentType,
        13 if is(b"authorization") => FieldKind::Authorization,
        14 if is(b"content-length") => FieldKind::ContentLength,
        17 if is(b"transfer-encoding") => FieldKind::TransferEncoding,
        _ => FieldKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Settings;

    fn pair(line: &[u8], options: &Options) -> Result<(Vec<u8>, Vec<u8>), Refused> {
        let found = split(line, options)?;
        Ok((
            line[..found.name_end].to_vec(),
            line[found.value_start..found.value_end].to_vec(),
        ))
    }

    #[test]
    fn values_are_trimmed_of_blanks_only() {
        let options = Options::default();
        for (line, value) in [
            (&b"X:a"[..], &b"a"[..]),
            (b"X: \t a\tb \t", b"a\tb"),
            (b"X:", b""),
            (b"X:  ", b""),
            (b"X: :a:b:", b":a:b:"),
            (b"X: \x85a\xa0", b"\x85a\xa0"),
        ] {
            assert_eq!(pair(line, &options), Ok((b"X".to_vec(), value.to_vec())));
        }
    }

    #[test]
    fn names_are_tokens_directly_before_the_colon() {
        let options = Options::default();
        for bad in [
            &b""[..],
            b":",
            b": v",
            b"X",
            b"X : v",
            b"X\t: v",
            b"X(: v",
            b"X\0: v",
            b"X\x80: v",
            b"X Y: v",
        ] {
            assert!(
                matches!(split(bad, &options), Err(Refused::FieldName(_))),
                "{bad:?}"
            );
        }
        assert!(matches!(
            split(b" X: v", &options),
            Err(Refused::Folding(_))
        ));
        assert!(split(b"X!#$%&'*+-.^`|~9: 1", &options).is_ok());
    }

    #[test]
    fn control_bytes_in_values_are_refused() {
        for bad in [
            &b"X: a\0b"[..],
            b"X: a\rb",
            b"X: \x0b",
            b"X: a\x7f",
            b"X: a\r",
        ] {
            assert!(
                matches!(
                    split(bad, &Options::default()),
                    Err(Refused::FieldValue { .. })
                ),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn blanks_before_the_colon_can_be_stripped() {
        let options = Options::new(&Settings {
            strip_header_spaces: true,
            ..Settings::default()
        });
        assert_eq!(
            pair(b"X \t: a", &options),
            Ok((b"X".to_vec(), b"a".to_vec()))
        );
        assert!(split(b" : a", &options).is_err());
        assert!(split(b"X Y: a", &options).is_err());
    }

    #[test]
    fn kinds_ignore_case() {
        assert_eq!(kind(b"cOnTeNt-LeNgTh"), FieldKind::ContentLength);
        assert_eq!(kind(b"Content_Length"), FieldKind::Other);
    }
}
