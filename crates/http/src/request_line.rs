//! `GET /path?query HTTP/1.1`

use memchr::{memchr, memchr2, memmem};

use crate::grammar::{TOKEN, UNCONVENTIONAL, VISIBLE, class};
use crate::head::{Head, Span, Version};
use crate::options::Options;
use crate::refused::{Quote, Refused};

/// Read the request line that begins at `at` of the buffer and is given without its line end.
#[inline]
pub(crate) fn parse(
    line: &[u8],
    at: usize,
    options: &Options,
    head: &mut Head,
) -> Result<(), Refused> {
    let (method_end, bits) = scan_method(line);
    let after_method = line.get(method_end..).unwrap_or_default();
    let Some(after_method) = after_method.strip_prefix(b" ") else {
        return Err(refused_method(line));
    };
    let method = line.get(..method_end).unwrap_or_default();
    if !is_acceptable(method, bits, options) {
        return Err(refused_method(line));
    }

    let visible = after_method.iter().position(|&b| class(b) & VISIBLE == 0);
    let Some((target, version)) = visible.and_then(|end| after_method.split_at_checked(end)) else {
        return Err(Refused::RequestLine(Quote::new(line)));
    };
    let Some(version) = version.strip_prefix(b" ") else {
        return Err(Refused::Target(Quote::new(after_method)));
    };
    head.version = parse_version(version, options)?;

    let start = at.saturating_add(method_end);
    head.method = Span::new(at, start);
    let start = start.saturating_add(1);
    head.target = Span::new(start, start.saturating_add(target.len()));
    split_target(method, target, start, head)?;
    if options.casefold_method {
        head.folded_method
            .extend(method.iter().map(u8::to_ascii_uppercase));
    }
    Ok(())
}

/// The end of the token at the start of the line, and the classes that all or any of it has.
#[inline]
fn scan_method(line: &[u8]) -> (usize, u8) {
    let mut any = 0;
    for (at, &b) in line.iter().enumerate() {
        if class(b) & TOKEN == 0 {
            return (at, any);
        }
        any |= class(b);
    }
    (line.len(), any)
}

#[inline]
fn is_acceptable(method: &[u8], bits: u8, options: &Options) -> bool {
    !method.is_empty()
        && (options.any_method || ((3..=20).contains(&method.len()) && bits & UNCONVENTIONAL == 0))
}

/// Blame the method only if there is something after it.
#[cold]
fn refused_method(line: &[u8]) -> Refused {
    match memchr(b' ', line).and_then(|end| line.get(..end)) {
        Some(method) => Refused::Method(Quote::new(method)),
        None => Refused::RequestLine(Quote::new(line)),
    }
}

#[inline]
fn parse_version(text: &[u8], options: &Options) -> Result<Version, Refused> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major @ b'0'..=b'9',
            b'.',
            minor @ b'0'..=b'9',
        ] if *major == b'1' || options.any_version => Ok(Version {
            major: major & 15,
            minor: minor & 15,
        }),
        _ => Err(Refused::Version(Quote::new(text))),
    }
}

/// RFC 9112 §3.2: the four forms of a target. `start` is its place in the buffer.
#[inline]
fn split_target(
    method: &[u8],
    target: &[u8],
    start: usize,
    head: &mut Head,
) -> Result<(), Refused> {
    let refused = || Refused::Target(Quote::new(target));
    let path = match target {
        [b'/', ..] => 0,
        b"*" if method == b"OPTIONS" => 0,
        b"*" | [] => return Err(refused()),
        _ => match memmem::find(target, b"://") {
            Some(colon) => absolute_path(target, colon).ok_or_else(refused)?,
            // authority-form: there is no path.
            None if method == b"CONNECT" => target.len(),
            None => return Err(refused()),
        },
    };
    let place =
        |from: usize, to: usize| Span::new(start.saturating_add(from), start.saturating_add(to));
    let rest = target.get(path..).unwrap_or_default();
    let path_end = memchr2(b'?', b'#', rest).map_or(target.len(), |end| path.saturating_add(end));
    head.path = place(path, path_end);
    head.query = match target.get(path_end..) {
        Some([b'?', query @ ..]) => {
            let from = path_end.saturating_add(1);
            let len = memchr(b'#', query).unwrap_or(query.len());
            place(from, from.saturating_add(len))
        }
        _ => place(path_end, path_end),
    };
    Ok(())
}

/// Where the path of an absolute URI begins, if scheme and authority are possible ones.
fn absolute_path(target: &[u8], colon: usize) -> Option<usize> {
    let (scheme, rest) = target.split_at_checked(colon)?;
    let authority_at = colon.checked_add(3)?;
    let rest = rest.get(3..)?;
    let len = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let authority = rest.get(..len)?;

    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    // RFC 9110 §4.2.1: an http URI without a host is invalid.
    let possible = is_scheme && is_authority(authority) && !(is_http && authority.is_empty());
    possible.then(|| authority_at.saturating_add(len))
}

/// Brackets only around an IP literal.
fn is_authority(authority: &[u8]) -> bool {
    let host = memchr(b'@', authority)
        .and_then(|at| authority.get(at.checked_add(1)?..))
        .unwrap_or(authority);
    let bracket = |bytes: &[u8]| memchr2(b'[', b']', bytes).is_some();
    match host {
        [b'[', rest @ ..] => match memchr(b']', rest).and_then(|end| rest.split_at_checked(end)) {
            Some((literal, [b']', after @ ..])) => {
                !literal.is_empty()
                    && !bracket(literal)
                    && matches!(after, [] | [b':', ..])
                    && !bracket(after)
            }
            _ => false,
        },
        _ => !bracket(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Settings;

    fn parsed(line: &str) -> Result<(String, String, String), Refused> {
        parsed_with(line, &Options::default()).map(|(_, target, path, query)| (target, path, query))
    }

    fn parsed_with(
        line: &str,
        options: &Options,
    ) -> Result<(String, String, String, String), Refused> {
        let mut head = Head::default();
        let buf = line.as_bytes();
        parse(buf, 0, options, &mut head)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok((
            text(head.method(buf)),
            text(head.target(buf)),
            text(head.path(buf)),
            text(head.query(buf)),
        ))
    }

    fn split(target: &str) -> Option<(String, String)> {
        parsed(&format!("GET {target} HTTP/1.1"))
            .ok()
            .map(|(_, path, query)| (path, query))
    }

    fn pair(path: &str, query: &str) -> Option<(String, String)> {
        Some((path.into(), query.into()))
    }

    #[test]
    fn targets_are_split_into_path_and_query() {
        assert_eq!(split("/"), pair("/", ""));
        assert_eq!(split("/a?b?c=/d"), pair("/a", "b?c=/d"));
        assert_eq!(split("/a?q#f?g"), pair("/a", "q"));
        assert_eq!(split("/a#f?q"), pair("/a", ""));
        assert_eq!(split("//evil.example/p?q"), pair("//evil.example/p", "q"));
        assert_eq!(split("/go?to=http://x/y"), pair("/go", "to=http://x/y"));
    }

    #[test]
    fn absolute_targets_contribute_their_path() {
        assert_eq!(split("http://a.example/x?q=1#f"), pair("/x", "q=1"));
        assert_eq!(split("HTTP://u:p@a.example:80/x"), pair("/x", ""));
        assert_eq!(split("http://a.example?q=1"), pair("", "q=1"));
        assert_eq!(split("http://[::1]:80/x"), pair("/x", ""));
        for bad in [
            "s://]ufd/:",
            "http://[::1/x",
            "http://a]b/",
            "http:///x",
            "foo?x=http://a",
            "1a://x/",
            "http://[]/",
        ] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn asterisk_and_authority_need_their_method() {
        assert_eq!(parsed("OPTIONS * HTTP/1.1").unwrap().1, "*");
        assert_eq!(
            parsed("CONNECT x:80 HTTP/1.1").unwrap(),
            ("x:80".into(), "".into(), "".into())
        );
        for bad in [
            "GET * HTTP/1.1",
            "GET x:80 HTTP/1.1",
            "GET x HTTP/1.1",
            "CONNECT * HTTP/1.1",
        ] {
            assert!(matches!(parsed(bad), Err(Refused::Target(_))), "{bad}");
        }
    }

    #[test]
    fn three_parts_and_single_blanks() {
        for bad in [
            "",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /\tHTTP/1.1",
            "GET HTTP/1.1",
        ] {
            assert_eq!(parsed(bad).unwrap_err().status(), 400, "{bad:?}");
        }
    }

    #[test]
    fn methods_are_three_to_twenty_characters_without_lower_case() {
        for good in ["GET", "M-SEARCH", "-BLARGH", "ABCDEFGHIJKLMNOPQRST"] {
            assert!(parsed(&format!("{good} / HTTP/1.1")).is_ok(), "{good}");
        }
        for bad in [
            "GE",
            "get",
            "GE#T",
            "G@ET",
            "ABCDEFGHIJKLMNOPQRSTU",
            "GET:",
            "GE(T",
            "GET\0",
        ] {
            assert!(
                matches!(
                    parsed(&format!("{bad} / HTTP/1.1")),
                    Err(Refused::Method(_))
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_http_1() {
        for bad in [
            "http/1.1",
            "HTTP/01.1",
            "HTTP/1.10",
            "HTTP/1.",
            "HTTP/1",
            "HTTP/2.0",
            "HTTP/0.9",
            "HTTP/1,1",
            "HTTPS/1.1",
            "HTTP/+1.1",
        ] {
            assert!(
                matches!(parsed(&format!("GET / {bad}")), Err(Refused::Version(_))),
                "{bad}"
            );
        }
        assert!(parsed("GET / HTTP/1.9").is_ok());
    }

    #[test]
    fn unconventional_forms_can_be_permitted() {
        let options = Options::new(&Settings {
            permit_unconventional_http_method: true,
            permit_unconventional_http_version: true,
            casefold_http_method: true,
            ..Settings::default()
        });
        assert_eq!(parsed_with("get / HTTP/0.9", &options).unwrap().0, "GET");
        assert_eq!(parsed_with("G / HTTP/2.0", &options).unwrap().0, "G");
        assert!(parsed_with("G@ET / HTTP/1.1", &options).is_err());
    }

    #[test]
    fn targets_are_printable_ascii() {
        for bad in ["/\u{e9}", "/\x01", "/\x7f", "/a\0b", "/a\x0cb"] {
            assert!(parsed(&format!("GET {bad} HTTP/1.1")).is_err(), "{bad:?}");
        }
    }
}
