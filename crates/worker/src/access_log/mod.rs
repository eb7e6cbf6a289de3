//! The access log: one line a request, written without asking the interpreter and without a system
//! call a line.
//!
//! [`Format`] is parsed once; [`Format::render`] makes a line of a [`Record`]; a [`Writer`] collects lines
//! and hands them to the file whole. Nothing that a client sends can end a line or a quoted value
//! in it (see `escape.rs`).

mod credentials;
mod escape;
mod format;
mod json;
mod line;
mod queue;
mod record;
mod stamp;
mod writer;

pub use format::Format;
pub use queue::queued;
pub use record::{Environ, Message, Record};
pub use stamp::Stamp;
pub use writer::Writer;
