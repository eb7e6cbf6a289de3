//! HTTP/1 as bytes and events: request heads, bodies, response heads, limits, trust.
//!
//! Knows the grammar of RFC 9110 and RFC 9112, Gunicorn's parser settings and what each violation
//! is answered with. Knows no sockets, no clock and no Python: the caller owns the buffers, says
//! what time it is and moves the bytes.
//!
//! * [`HeadParser`] turns the start of a buffer into a [`Head`], a table of [`Span`]s into it.
//! * [`BodyDecoder`] takes the framing off the bytes that follow.
//! * [`response`] checks what an application answers and puts it into bytes.
//! * [`proxy`] reads the PROXY header of a connection, [`trust`] says whose word counts.
//!
//! ```
//! use oxicorn_http::{Head, HeadParser, Options};
//!
//! let (options, mut parser, mut head) = (Options::default(), HeadParser::new(), Head::default());
//! let buf = b"GET /path?query HTTP/1.1\r\nHost: example.com\r\n\r\n";
//! assert_eq!(parser.parse(&buf[..20], &options, false, &mut head), Ok(None));
//! assert_eq!(parser.parse(buf, &options, false, &mut head), Ok(Some(buf.len())));
//! assert_eq!(head.path(buf), b"/path");
//! ```
//!
//! Whatever a peer sends ends in one of these, in [`Refused`], or in the wish for more bytes; the
//! outcome does not depend on how the bytes were cut on their way.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]
#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod body;
mod chunked;
mod field_line;
mod framing;
mod grammar;
mod head;
mod options;
mod page;
mod parser;
mod percent;
pub mod proxy;
mod refused;
mod request_line;
pub mod response;
mod trailers;
pub mod trust;

pub use body::{BodyDecoder, Decoded, Eof};
pub use head::{BodyLength, Field, FieldKind, Head, Scheme, Span, Version};
pub use options::{HeaderMap, Options, Settings};
pub use page::{SERVER_ERROR, error_page};
pub use parser::HeadParser;
pub use percent::{decode_path, path_below};
pub use refused::{Quote, Refused};
