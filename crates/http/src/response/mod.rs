//! The response side: what an application may say, and the bytes it becomes.

mod encoder;
mod fields;
mod head;
mod reason;
mod status;

use std::fmt;

pub use encoder::{BodyEncoder, Finish, Frame};
pub use fields::{Dialect, Fields, Line};
pub use head::{CONTINUE, Facts, SERVER, Sent, write_early_hints, write_head, write_interim};
pub use reason::status_line;
pub use status::{has_no_body, status_code};

use crate::refused::Quote;

/// Something an application may not send. The request ends with 500, the worker lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// Not three digits, optionally followed by a blank and text.
    Status(Quote),
    /// A field name that is no token.
    FieldName(Quote),
    /// A control byte in a field value.
    FieldValue {
        /// Name of the field.
        name: Quote,
        /// Its value.
        value: Quote,
    },
    /// A Content-Length that is no number.
    ContentLength(Quote),
    /// Two different ones.
    TwoContentLengths,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                write!(
                    f,
                    "Invalid response status {status}: expected three digits, a blank and text"
                )
            }
            Self::FieldName(name) => write!(f, "Invalid response header name {name}"),
            Self::FieldValue { name, value } => {
                write!(f, "Invalid value of response header {name}: {value}")
            }
            Self::ContentLength(value) => {
                write!(
                    f,
                    "Invalid Content-Length {value} in the response: expected decimal digits"
                )
            }
            Self::TwoContentLengths => write!(f, "The response has two different Content-Lengths"),
        }
    }
}

impl std::error::Error for Misuse {}
