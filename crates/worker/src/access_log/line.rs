//! A line of text about a request.

use std::io::Write;

use oxicorn_http::{FieldKind, decode_path};

use super::credentials::basic_user;
use super::escape::push_escaped;
use super::format::{Atom, Format, Piece, Style};
use super::json;
use super::record::{Message, Record};
use super::stamp::Stamp;
use crate::clock::Moment;
use crate::connection::Peer;

/// Seconds a day. Durations are told without their days, as Gunicorn does.
const DAY: u64 = 24 * 60 * 60;

impl Format {
    /// Adds the line about `record` to `line`, with its end. `scratch` is kept for its memory.
    #[inline]
    pub fn render(
        &self,
        record: &Record<'_>,
        stamp: &Stamp,
        now: Moment,
        line: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) {
        match &self.0 {
            Style::Json => json::render(record, stamp, now, line, scratch),
            Style::Text(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => line.extend_from_slice(text),
                        Piece::Atom(atom) => push_atom(atom, record, stamp, line, scratch),
                    }
                }
            }
        }
        line.push(b'\n');
    }
}

#[inline]
fn push_atom(
    atom: &Atom,
    record: &Record<'_>,
    stamp: &Stamp,
    line: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) {
    let message = record.message;
    let micros = record.application % (DAY * 1_000_000);
    match atom {
        Atom::RemoteAddress => push_address(line, record.peer),
        Atom::User => push_user(line, message),
        Atom::Time => line.extend_from_slice(stamp.text()),
        Atom::RequestLine => push_request_line(line, message),
        Atom::Method => push_escaped(line, message.method()),
        Atom::Path => push_escaped(line, path(record, scratch)),
        Atom::Query => push_escaped(line, message.query()),
        Atom::Protocol => push_escaped(line, message.protocol().trim_ascii()),
        Atom::Status => push_number(line, record.status.into()),
        Atom::BodySize => push_number(line, record.body_sent),
        Atom::Joined(name) => push_joined(line, message, name),
        Atom::Seconds => push_number(line, micros / 1_000_000),
        Atom::Millis => push_number(line, micros / 1000),
        Atom::Micros => push_number(line, micros),
        Atom::DecimalSeconds => push_seconds(line, micros),
        Atom::Process => push_process(line),
        Atom::RequestField(name) => push_or_dash(line, message.fields(name).last()),
        Atom::ResponseField(name) => {
            push_or_dash(line, response_field(record.response_fields, name))
        }
        Atom::Environ(name) => {
            scratch.clear();
            let value = record.environ.value(name, scratch).then_some(&**scratch);
            push_or_dash(line, value);
        }
    }
}

#[inline]
pub(super) fn push_number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_seconds(line: &mut Vec<u8>, micros: u64) {
    push_number(line, micros / 1_000_000);
    // Writing to memory does not fail.
    let _ = write!(line, ".{:06}", micros % 1_000_000);
}

fn push_process(line: &mut Vec<u8>) {
    line.push(b'<');
    push_number(line, std::process::id().into());
    line.push(b'>');
}

fn push_or_dash(line: &mut Vec<u8>, value: Option<&[u8]>) {
    push_escaped(line, value.unwrap_or(b"-"));
}

/// The client's address: of the peer, or what its PROXY header said; nothing on a unix socket.
#[inline]
pub(super) fn push_address(line: &mut Vec<u8>, peer: &Peer) {
    match &peer.proxy {
        None => line.extend_from_slice(peer.text.as_bytes()),
        Some(proxy) => {
            let _ = write!(line, "{}", proxy.source.ip().to_canonical());
        }
    }
}

pub(super) fn with_user<R>(message: Message<'_>, tell: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let Message::Whole(head, bytes) = message else {
        return None;
    };
    let field = head.first(FieldKind::Authorization)?;
    basic_user(head.value(bytes, field), &mut [0; 256]).map(tell)
}

#[inline]
fn push_user(line: &mut Vec<u8>, message: Message<'_>) {
    if with_user(message, |user| push_escaped(line, user)).is_none() {
        line.push(b'-');
    }
}

#[inline]
fn push_request_line(line: &mut Vec<u8>, message: Message<'_>) {
    match message {
        Message::Whole(head, bytes) => {
            push_escaped(line, head.method(bytes));
            line.push(b' ');
            push_escaped(line, head.target(bytes));
            line.push(b' ');
            line.extend_from_slice(&head.version.as_bytes());
        }
        Message::Torn(b"") => line.push(b'-'),
        Message::Torn(first_line) => push_escaped(line, first_line),
    }
}

/// The decoded path below the application's mount point.
pub(super) fn path<'a>(record: &Record<'a>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    if record.environ.value(b"PATH_INFO", scratch) {
        return scratch;
    }
    decode_path(record.message.path(), scratch)
}

#[inline]
fn push_joined(line: &mut Vec<u8>, message: Message<'_>, name: &[u8]) {
    let mut values = message.fields(name);
    let Some(first) = values.next() else {
        return line.push(b'-');
    };
    push_escaped(line, first);
    for further in values {
        line.push(b',');
        push_escaped(line, further);
    }
}

/// The last value of a serialised field.
fn response_field<'a>(lines: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut fields = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (found, value) = line.split_at_checked(colon)?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.get(1..).unwrap_or_default().trim_ascii())
    });
    fields.next_back()
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
