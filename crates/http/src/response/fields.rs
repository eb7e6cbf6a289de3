//! The fields of a response, checked one by one and kept the way they are sent.

use super::Misuse;
use crate::grammar::{TOKEN, class, decimal, is_value, members, trim};
use crate::head::Span;
use crate::refused::Quote;

/// The two ways in which responses are written, as Gunicorn's WSGI workers and its ASGI worker do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `Server` and `Date` are the server's, and `Connection` is always there.
    #[default]
    Wsgi,
    /// `Server` and `Date` are the application's if it sends them, it may ask for
    /// `Connection: close`, and a connection that stays open is not announced.
    Asgi,
}

/// What an application says about its response, serialised as it comes. One is kept and reused.
#[derive(Debug, Default)]
pub struct Fields {
    lines: Vec<u8>,
    content_length: Option<(u64, Span)>,
    upgrade: bool,
    dialect: Dialect,
    has_server: bool,
    has_date: bool,
    closes: bool,
}

impl Fields {
    /// For responses written in this way.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }

    /// Forget the response, keep the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.lines.clear();
        self.content_length = None;
        self.upgrade = false;
        self.has_server = false;
        self.has_date = false;
        self.closes = false;
    }

    /// Add a field. What concerns the connection is the server's: such fields are dropped, except
    /// that `Connection: upgrade` and `Upgrade: websocket` are kept.
    ///
    /// # Errors
    /// The name is no token, the value has a control byte, or a second length differs.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), Misuse> {
        // Nearly every response has it, spelt like this, and digits are a valid value.
        if name == b"Content-Length" && decimal(value).is_some() {
            return self.push_length(name, value);
        }
        let token = name.iter().fold(TOKEN, |all, &b| all & class(b)) == TOKEN;
        if !token || name.is_empty() {
            return Err(Misuse::FieldName(Quote::new(name)));
        }
        if !is_value(value) {
            return Err(Misuse::FieldValue {
                name: Quote::new(name),
                value: Quote::new(value),
            });
        }
        let value = trim(value);
        match special(name) {
            None => self.write(name, value),
            Some(Special::Dropped) => {}
            Some(Special::Server | Special::Date) if self.dialect == Dialect::Wsgi => {}
            Some(Special::Server) => {
                self.has_server = true;
                self.write(name, value);
            }
            Some(Special::Date) => {
                self.has_date = true;
                self.write(name, value);
            }
            Some(Special::Connection) => {
                self.upgrade |= members(value).any(|m| m.eq_ignore_ascii_case(b"upgrade"));
                self.closes |= self.dialect == Dialect::Asgi
                    && members(value).any(|m| m.eq_ignore_ascii_case(b"close"));
            }
            Some(Special::Upgrade) => {
                if value.eq_ignore_ascii_case(b"websocket") {
                    self.write(name, value);
                }
            }
            Some(Special::ContentLength) => self.push_length(name, value)?,
        }
        Ok(())
    }

    /// Add a line that an earlier [`push`](Self::push) of the same field wrote, without checking it again.
    /// False: it is a second length, which has to be pushed.
    #[inline]
    #[must_use]
    pub fn push_line(&mut self, line: &Line) -> bool {
        if let Some(length) = line.content_length {
            if self.content_length.is_some() {
                return false;
            }
            let start = self.lines.len();
            let end = start.saturating_add(line.bytes.len());
            self.content_length = Some((length, Span::new(start, end)));
        }
        self.lines.extend_from_slice(&line.bytes);
        true
    }

    /// The line that the last [`push`](Self::push) wrote, if it began at `start` and is one that can be written
    /// again at any time: an ordinary field's, which says nothing about the connection, or a length.
    #[must_use]
    pub fn line_from(&self, start: usize) -> Option<Line> {
        let length = self
            .content_length
            .filter(|(_, line)| line.start as usize >= start);
        if self.has_server || self.has_date {
            // Which line it is does not show any more.
            return None;
        }
        let line = self.lines.get(start..)?;
        (!line.is_empty()).then(|| Line {
            bytes: line.into(),
            content_length: length.map(|(length, _)| length),
        })
    }

    fn push_length(&mut self, name: &[u8], value: &[u8]) -> Result<(), Misuse> {
        let Some(length) = decimal(value) else {
            return Err(Misuse::ContentLength(Quote::new(value)));
        };
        match self.content_length {
            // Said twice is sent once: a repeated length is something recipients disagree on.
            Some((known, _)) if known == length => {}
            Some(_) => return Err(Misuse::TwoContentLengths),
            None => {
                let start = self.lines.len();
                self.write(name, value);
                self.content_length = Some((length, Span::new(start, self.lines.len())));
            }
        }
        Ok(())
    }

    #[inline]
    fn write(&mut self, name: &[u8], value: &[u8]) {
        let more = name.len().saturating_add(value.len()).saturating_add(4);
        self.lines.reserve(more);
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
    }

    /// The length the application announced.
    #[inline]
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length.map(|(length, _)| length)
    }

    /// Did the application answer with `Connection: upgrade`?
    #[inline]
    #[must_use]
    pub fn upgrades(&self) -> bool {
        self.upgrade
    }

    /// How the head is to be written.
    #[inline]
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The application sends a Server field of its own.
    #[inline]
    pub(crate) fn has_server(&self) -> bool {
        self.has_server
    }

    /// The application sends a Date field of its own.
    #[inline]
    pub(crate) fn has_date(&self) -> bool {
        self.has_date
    }

    /// The application wants the connection to end.
    #[inline]
    #[must_use]
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// All lines with their CRLF.
    #[inline]
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The lines before and after the Content-Length line.
    pub(crate) fn lines_without_length(&self) -> (&[u8], &[u8]) {
        match self.content_length {
            None => (&self.lines, &[]),
            Some((_, line)) => (
                self.lines.get(..line.start as usize).unwrap_or_default(),
                self.lines.get(line.end as usize..).unwrap_or_default(),
            ),
        }
    }
}

/// A checked field line with its CRLF, from [`Fields::line_from`].
#[derive(Clone, Debug)]
pub struct Line {
    bytes: Box<[u8]>,
    /// What it says, if it is a `Content-Length`.
    content_length: Option<u64>,
}

enum Special {
    Dropped,
    Server,
    Date,
    Connection,
    Upgrade,
    ContentLength,
}

#[inline]
fn special(name: &[u8]) -> Option<Special> {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    let found = match name.len() {
        2 if is(b"te") => Special::Dropped,
        4 if is(b"date") => Special::Date,
        6 if is(b"server") => Special::Server,
        7 if is(b"upgrade") => Special::Upgrade,
        8 if is(b"trailers") => Special::Dropped,
        10 if is(b"connection") => Special::Connection,
        10 if is(b"keep-alive") => Special::Dropped,
        14 if is(b"content-length") => Special::ContentLength,
        17 if is(b"transfer-encoding") => Special::Dropped,
        18 if is(b"proxy-authenticate") => Special::Dropped,
        19 if is(b"proxy-authorization") => Special::Dropped,
        _ => return None,
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(fields: &[(&str, &str)]) -> Result<Fields, Misuse> {
        let mut out = Fields::default();
        for (name, value) in fields {
            out.push(name.as_bytes(), value.as_bytes())?;
        }
        Ok(out)
    }

    #[test]
    fn fields_keep_order_and_case_and_are_trimmed() {
        let fields = pushed(&[("x-B", " 1\t"), ("Content-TYPE", "a/b"), ("x-B", "")]).unwrap();
        assert_eq!(fields.lines(), b"x-B: 1\r\nContent-TYPE: a/b\r\nx-B: \r\n");
    }

    #[test]
    fn connection_fields_of_the_application_are_dropped() {
        for name in [
            "Connection",
            "Keep-Alive",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "TE",
            "Trailers",
            "Transfer-Encoding",
            "Upgrade",
            "Server",
            "DATE",
        ] {
            assert_eq!(pushed(&[(name, "x")]).unwrap().lines(), b"", "{name}");
        }
    }

    #[test]
    fn asgi_applications_may_say_who_they_are_and_that_they_close() {
        let mut fields = Fields::new(Dialect::Asgi);
        fields.push(b"server", b"app").unwrap();
        fields.push(b"Date", b"now").unwrap();
        assert!(fields.line_from(0).is_none());
        assert!(!fields.closes());
        fields.push(b"connection", b"x, Close").unwrap();
        assert!(fields.has_server() && fields.has_date() && fields.closes());
        assert_eq!(fields.lines(), b"server: app\r\nDate: now\r\n");
        fields.clear();
        assert!(!(fields.has_server() || fields.has_date() || fields.closes()));
        assert_eq!(fields.dialect(), Dialect::Asgi);
    }

    #[test]
    fn only_lines_without_consequences_are_kept() {
        let mut fields = Fields::default();
        fields.push(b"X", b"y").unwrap();
        let line = fields.line_from(0).unwrap();
        for (name, value) in [("Connection", "upgrade"), ("Date", "now")] {
            let start = fields.lines().len();
            fields.push(name.as_bytes(), value.as_bytes()).unwrap();
            assert!(fields.line_from(start).is_none(), "{name}");
        }
        fields.clear();
        assert!(fields.push_line(&line));
        assert_eq!(fields.lines(), b"X: y\r\n");
    }

    #[test]
    fn a_kept_length_is_a_length_and_counts_once() {
        let mut fields = pushed(&[("X", "y"), ("content-length", " 5")]).unwrap();
        let line = fields.line_from(6).unwrap();
        assert!(!fields.push_line(&line), "the first one is there");
        fields.clear();
        fields.push(b"A", b"b").unwrap();
        assert!(fields.push_line(&line));
        fields.push(b"C", b"d").unwrap();
        assert_eq!(fields.content_length(), Some(5));
        let without = fields.lines_without_length();
        assert_eq!(without, (&b"A: b\r\n"[..], &b"C: d\r\n"[..]));
        assert_eq!(fields.lines(), b"A: b\r\ncontent-length: 5\r\nC: d\r\n");
        assert!(fields.push(b"Content-Length", b"6").is_err());
    }

    #[test]
    fn websocket_upgrade_passes() {
        let fields = pushed(&[("Connection", "Upgrade"), ("Upgrade", "WebSocket")]).unwrap();
        assert!(fields.upgrades());
        assert_eq!(fields.lines(), b"Upgrade: WebSocket\r\n");
    }

    #[test]
    fn line_ends_cannot_be_injected() {
        for (name, value) in [
            ("X", "a\r\nSet-Cookie: b"),
            ("X", "a\nb"),
            ("X", "a\rb"),
            ("X", "a\0"),
            ("X", "\x7f"),
            ("X\r\nY", "a"),
            ("X:", "a"),
            ("X Y", "a"),
            ("", "a"),
            ("\u{e9}", "a"),
        ] {
            assert!(pushed(&[(name, value)]).is_err(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn two_lengths_must_agree_and_are_sent_once() {
        let same = pushed(&[
            ("Content-Length", "5"),
            ("A", "b"),
            ("content-length", "05"),
        ])
        .unwrap();
        assert_eq!(same.lines(), b"Content-Length: 5\r\nA: b\r\n");
        assert_eq!(same.lines_without_length(), (&b""[..], &b"A: b\r\n"[..]));
        let differ = pushed(&[("Content-Length", "5"), ("content-length", "6")]);
        assert_eq!(differ.unwrap_err(), Misuse::TwoContentLengths);
        assert!(pushed(&[("Content-Length", "five")]).is_err());
    }
}
