//! A line about a request as one JSON object, with the field names of OpenTelemetry where it has
//! one.

use std::io::Write;

use super::escape::split_plain;
use super::line::{path, push_address, push_number, with_user};
use super::record::Record;
use super::stamp::Stamp;
use crate::clock::Moment;

/// Request fields that are told, and under which name.
const FIELDS: [(&str, &[u8]); 4] = [
    ("user_agent.original", b"user-agent"),
    ("http.request.header.referer", b"referer"),
    ("request_id", b"x-request-id"),
    ("traceparent", b"traceparent"),
];

pub(super) fn render(
    record: &Record<'_>,
    stamp: &Stamp,
    now: Moment,
    line: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) {
    let message = record.message;
    // Writing to memory does not fail.
    line.extend_from_slice(b"{\"timestamp\":\"");
    line.extend_from_slice(stamp.text());
    let _ = write!(line, ".{:03}Z\"", stamp.millis(now));
    scratch.clear();
    push_address(scratch, record.peer);
    push_text(line, "client.address", scratch);
    push_text(line, "http.request.method", message.method());
    push_text(line, "url.path", path(record, scratch));
    push_text(line, "url.query", message.query());
    let protocol = message.protocol();
    let protocol = protocol.trim_ascii();
    push_text(
        line,
        "network.protocol.version",
        protocol.strip_prefix(b"HTTP/").unwrap_or_default(),
    );
    for (name, field) in FIELDS {
        if let Some(value) = message.fields(field).last() {
            push_text(line, name, value);
        }
    }
    with_user(message, |user| push_text(line, "user.name", user));
    push_key(line, "http.response.status_code");
    push_number(line, record.status.into());
    push_key(line, "http.response.body.size");
    push_number(line, record.body_sent);
    if let Some(queue) = record.queue {
        push_millis(line, "queue_ms", queue);
    }
    push_millis(line, "application_ms", record.application);
    push_millis(
        line,
        "total_ms",
        record.application.saturating_add(record.queue.unwrap_or(0)),
    );
    push_key(line, "process.pid");
    push_number(line, std::process::id().into());
    if let Some(error) = record.error {
        push_text(line, "error.type", error.as_bytes());
    }
    line.push(b'}');
}

/// `name` is ours and needs no escapes.
fn push_key(line: &mut Vec<u8>, name: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

fn push_millis(line: &mut Vec<u8>, name: &str, micros: u64) {
    push_key(line, name);
    let _ = write!(line, "{}.{:03}", micros / 1000, micros % 1000);
}

/// An empty text is not worth a field.
fn push_text(line: &mut Vec<u8>, name: &str, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    push_key(line, name);
    line.push(b'"');
    let (plain, rest) = split_plain(value);
    line.extend_from_slice(plain);
    for chunk in rest.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(line, character);
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice(b"\\ufffd");
        }
    }
    line.push(b'"');
}

/// The line is ASCII: nothing in it can be taken for something else.
#[inline]
fn push_character(line: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
        ' '..='~' => line.push(character as u8),
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
}
