//! `access_log_format`, parsed once.

/// What a line is made of.
#[derive(Debug, PartialEq, Eq)]
pub struct Format(pub(super) Style);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The word `json`: one object a line.
    Json,
    /// A format string of Python's.
    Text(Vec<Piece>),
}

/// A part of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<[u8]>),
    Atom(Atom),
}

/// What the format names, with the letter of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Atom {
    /// h
    RemoteAddress,
    /// u
    User,
    /// t
    Time,
    /// r
    RequestLine,
    /// m
    Method,
    /// U
    Path,
    /// q
    Query,
    /// H
    Protocol,
    /// s
    Status,
    /// B, b
    BodySize,
    /// f, a: values joined, as the environ has them
    Joined(&'static [u8]),
    /// T
    Seconds,
    /// M
    Millis,
    /// D
    Micros,
    /// L
    DecimalSeconds,
    /// p
    Process,
    /// {name}i
    RequestField(Box<[u8]>),
    /// {name}o
    ResponseField(Box<[u8]>),
    /// {name}e
    Environ(Box<[u8]>),
}

impl Format {
    /// `None` for what only Python's own formatting does justice to: widths, precisions, conversions
    /// of other kinds, and errors.
    pub fn parse(text: &str) -> Option<Format> {
        if text == "json" {
            return Some(Format(Style::Json));
        }
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            literal.extend_from_slice(before.as_bytes());
            if let Some(behind) = behind.strip_prefix('%') {
                literal.push(b'%');
                rest = behind;
                continue;
            }
            let (name, behind) = behind.strip_prefix('(')?.split_once(')')?;
            let mut behind = behind.chars();
            let conversion = behind.next()?;
            rest = behind.as_str();
            match atom(name, conversion)? {
                Some(atom) => {
                    end_literal(&mut literal, &mut pieces);
                    pieces.push(Piece::Atom(atom));
                }
                None => literal.push(b'-'),
            }
        }
        literal.extend_from_slice(rest.as_bytes());
        end_literal(&mut literal, &mut pieces);
        Some(Format(Style::Text(pieces)))
    }

    /// Some part of it says how long the request took.
    pub fn needs_duration(&self) -> bool {
        let is_duration = |piece: &Piece| {
            let Piece::Atom(atom) = piece else {
                return false;
            };
            matches!(
                atom,
                Atom::Seconds | Atom::Millis | Atom::Micros | Atom::DecimalSeconds
            )
        };
        match &self.0 {
            Style::Json => true,
            Style::Text(pieces) => pieces.iter().any(is_duration),
        }
    }

    /// Whether it is the word `json`.
    pub fn is_json(&self) -> bool {
        self.0 == Style::Json
    }
}

fn end_literal(literal: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Text(std::mem::take(literal).into()));
    }
}

/// The atom of this name; inside, `None` for those that print as `-`.
fn atom(name: &str, conversion: char) -> Option<Option<Atom>> {
    let is_number = matches!(name, "T" | "M" | "D" | "B");
    let understood = conversion == 's' || (conversion == 'd' && is_number);
    if !understood || name.contains('(') {
        return None;
    }
    Some(Some(match name {
        "h" => Atom::RemoteAddress,
        "u" => Atom::User,
        "t" => Atom::Time,
        "r" => Atom::RequestLine,
        "m" => Atom::Method,
        "U" => Atom::Path,
        "q" => Atom::Query,
        "H" => Atom::Protocol,
        "s" => Atom::Status,
        "B" | "b" => Atom::BodySize,
        "f" => Atom::Joined(b"referer"),
        "a" => Atom::Joined(b"user-agent"),
        "T" => Atom::Seconds,
        "M" => Atom::Millis,
        "D" => Atom::Micros,
        "L" => Atom::DecimalSeconds,
        "p" => Atom::Process,
        _ => match named(name) {
            Some(atom) => atom,
            None => return Some(None),
        },
    }))
}

/// `{name}i`, `{name}o`, `{name}e`.
fn named(name: &str) -> Option<Atom> {
    let (inner, kind) = name.strip_prefix('{')?.rsplit_once('}')?;
    let inner = inner.as_bytes().into();
    match kind {
        "i" | "I" => Some(Atom::RequestField(inner)),
        "o" | "O" => Some(Atom::ResponseField(inner)),
        "e" | "E" => Some(Atom::Environ(inner)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        match Format::parse(text) {
            Some(Format(Style::Text(pieces))) => pieces,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn literal(text: &str) -> Piece {
        Piece::Text(text.as_bytes().into())
    }

    #[test]
    fn atoms_and_text_alternate() {
        assert_eq!(
            pieces("%(h)s \"%(r)s\" 100%%"),
            [
                Piece::Atom(Atom::RemoteAddress),
                literal(" \""),
                Piece::Atom(Atom::RequestLine),
                literal("\" 100%"),
            ]
        );
        assert_eq!(
            pieces("%({X-Foo}i)s%({a.b}e)s"),
            [
                Piece::Atom(Atom::RequestField(b"X-Foo"[..].into())),
                Piece::Atom(Atom::Environ(b"a.b"[..].into())),
            ]
        );
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn what_is_unknown_prints_as_a_dash() {
        assert_eq!(pieces("%(l)s %(zz)s %({x}z)s"), [literal("- - -")]);
    }

    #[test]
    fn what_python_has_to_format_is_left_to_it() {
        for text in [
            "%",
            "%(h)",
            "%(h",
            "%h",
            "%(h)10s",
            "%(s)d",
            "%(h)r",
            "%(T).2f",
            "%(a(b)c)s",
        ] {
            assert_eq!(Format::parse(text), None, "{text}");
        }
        assert!(Format::parse("%(D)d").is_some_and(|format| format.needs_duration()));
    }
}
