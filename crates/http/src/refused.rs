//! Everything a peer can do wrong, what it is answered, and how the log tells it.

use std::fmt;

/// Bytes of the peer's in a message: cut short and printable, so that a log line stays one line.
#[derive(Clone, PartialEq, Eq)]
pub struct Quote(Box<[u8]>);

impl Quote {
    const LONGEST: usize = 120;

    #[cold]
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.get(..Self::LONGEST).unwrap_or(bytes).into())
    }

    /// The bytes themselves, at most the first 120.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.escape_ascii())
    }
}

impl fmt::Debug for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request that is not served, one variant a violation. The connection is closed after the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A line that ends in LF without CR, or has a CR elsewhere.
    LineEnd(Quote),
    /// Not `method SP target SP version`.
    RequestLine(Quote),
    /// The method is no token, or not one of the usual form.
    Method(Quote),
    /// The target has none of the four forms, or not the one this method needs.
    Target(Quote),
    /// Not `HTTP/1.x`.
    Version(Quote),
    /// The request line is longer than `limit_request_line`.
    RequestLineTooLong(usize),
    /// More than `limit_request_fields`.
    TooManyFields(usize),
    /// A field line is longer than `limit_request_field_size`.
    FieldTooLong(usize),
    /// All field lines together are longer than any number of permitted ones can be.
    HeadTooLong(usize),
    /// A line without colon, or with something other than a token before it.
    FieldName(Quote),
    /// A control byte in a field value.
    FieldValue {
        /// Name of the field.
        name: Quote,
        /// Its value.
        value: Quote,
    },
    /// A continuation line.
    Folding(Quote),
    /// The name has an underscore and `header_map` is `refuse`.
    UnderscoreInName(Quote),
    /// A second field of a kind of which there is one.
    Repeated(Quote),
    /// Not a number, or one above 2^64 - 1.
    ContentLength(Quote),
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// A coding after chunked, which has to be the last one.
    AfterChunked(Quote),
    /// Codings, but no chunked: no telling where the body ends.
    NotChunked,
    /// A transfer coding in a request of HTTP/1.0, which has none.
    CodingInHttp10,
    /// A coding that nobody knows.
    UnknownCoding(Quote),
    /// An expectation other than `100-continue`.
    Expectation(Quote),
    /// Two scheme headers of a trusted peer disagree.
    ContradictoryScheme,
    /// The path is not below the `SCRIPT_NAME` in force.
    OutsideScriptName {
        /// The path of the request.
        path: Quote,
        /// The prefix it ought to have.
        script_name: Quote,
    },
    /// A byte that does not belong in a chunk-size line.
    ChunkSize(Quote),
    /// A chunk of 2^64 bytes or more.
    ChunkTooLarge,
    /// The extensions of a chunk do not follow the grammar.
    ChunkExtension,
    /// A chunk-size line, or all of them together, exceed their bound.
    ChunkLineTooLong(usize),
    /// The data of a chunk is not followed by CRLF.
    ChunkEnd,
    /// A field that may not be a trailer.
    ForbiddenTrailer(Quote),
    /// The body ended after the last chunk, before the empty line.
    UnfinishedTrailers,
    /// A PROXY header that cannot be read.
    Proxy(Quote),
    /// A PROXY header from a peer that is not in `proxy_allow_ips`.
    ProxyNotAllowed,
}

impl Refused {
    /// The status code of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::ProxyNotAllowed => 403,
            Self::RequestLineTooLong(_) => 414,
            Self::Expectation(_) => 417,
            Self::TooManyFields(_) | Self::FieldTooLong(_) | Self::HeadTooLong(_) => 431,
            Self::OutsideScriptName { .. } => 500,
            Self::UnknownCoding(_) => 501,
            _ => 400,
        }
    }

    /// The reason phrase that goes with [`status`](Self::status).
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.status() {
            403 => "Forbidden",
            414 => "URI Too Long",
            417 => "Expectation Failed",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            _ => "Bad Request",
        }
    }

    /// The whole response: head, `date` (a finished `Date: …` line with CRLF, or nothing) and page.
    #[must_use]
    pub fn page(&self, date: &[u8]) -> Vec<u8> {
        crate::page::error_page(self.status(), self.reason(), &self.to_string(), date)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineEnd(line) => write!(f, "Invalid line end in {line}: lines end with CR LF"),
            Self::RequestLine(line) => {
                write!(
                    f,
                    "Invalid HTTP request line: {line}: expected method, target and version"
                )
            }
            Self::Method(method) => write!(f, "Invalid HTTP method: {method}"),
            Self::Target(target) => write!(f, "Invalid request target: {target}"),
            Self::Version(version) => write!(f, "Invalid HTTP version: {version}"),
            Self::RequestLineTooLong(limit) => {
                write!(
                    f,
                    "Request line is longer than limit_request_line ({limit} bytes)"
                )
            }
            Self::TooManyFields(limit) => {
                write!(f, "More header fields than limit_request_fields ({limit})")
            }
            Self::FieldTooLong(limit) => {
                write!(
                    f,
                    "Header field is longer than limit_request_field_size ({limit} bytes)"
                )
            }
            Self::HeadTooLong(limit) => write!(f, "Header fields exceed {limit} bytes in total"),
            Self::FieldName(line) => write!(f, "Invalid header name: {line}"),
            Self::FieldValue { name, value } => {
                write!(f, "Invalid value of header {name}: {value}")
            }
            Self::Folding(line) => write!(f, "Obsolete line folding: {line}"),
            Self::UnderscoreInName(name) => {
                write!(f, "Underscore in header name {name} (header_map is refuse)")
            }
            Self::Repeated(name) => write!(f, "Header {name} is given more than once"),
            Self::ContentLength(value) => {
                write!(
                    f,
                    "Invalid Content-Length: {value}: expected decimal digits below 2^64"
                )
            }
            Self::TwoLengths => write!(f, "Both Content-Length and Transfer-Encoding are given"),
            Self::AfterChunked(value) => {
                write!(
                    f,
                    "Invalid Transfer-Encoding: {value}: chunked must be last, and once"
                )
            }
            Self::NotChunked => write!(f, "Transfer-Encoding without chunked"),
            Self::CodingInHttp10 => write!(f, "Transfer-Encoding in a request of HTTP/1.0"),
            Self::UnknownCoding(coding) => write!(f, "Unsupported transfer coding: {coding}"),
            Self::Expectation(value) => {
                write!(
                    f,
                    "Unable to meet the expectation {value}: only 100-continue is known"
                )
            }
            Self::ContradictoryScheme => write!(f, "Contradictory scheme headers"),
            Self::OutsideScriptName { path, script_name } => {
                write!(
                    f,
                    "Request path {path} does not start with SCRIPT_NAME {script_name}"
                )
            }
            Self::ChunkSize(byte) => {
                write!(
                    f,
                    "Invalid chunk size: {byte} where hex digits and CR LF are expected"
                )
            }
            Self::ChunkTooLarge => write!(f, "Chunk size exceeds 64 bits"),
            Self::ChunkExtension => write!(f, "Invalid chunk extension"),
            Self::ChunkLineTooLong(limit) => write!(f, "Chunk size line exceeds {limit} bytes"),
            Self::ChunkEnd => write!(f, "Chunk data is not followed by CR LF"),
            Self::ForbiddenTrailer(name) => write!(f, "Header {name} is not allowed as a trailer"),
            Self::UnfinishedTrailers => write!(f, "The body ended before the end of its trailers"),
            Self::Proxy(line) => write!(f, "Invalid PROXY header: {line}"),
            Self::ProxyNotAllowed => write!(f, "PROXY header from a peer outside proxy_allow_ips"),
        }
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_quote_the_input_on_one_short_line() {
        let message = Refused::Method(Quote::new(&b"G\r\nET".repeat(100))).to_string();
        assert!(message.starts_with("Invalid HTTP method: 'G\\r\\nETG"));
        assert!(!message.contains('\n'));
        assert!(message.len() < 600);
    }

    #[test]
    fn a_result_of_the_parser_stays_small() {
        assert!(size_of::<Result<Option<usize>, Refused>>() <= 48);
    }
}
