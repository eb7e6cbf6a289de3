//! Requests told to a logger written in Python: `log.access(resp, req, environ, timedelta)`.

use oxicorn_http::decode_path;
use oxicorn_worker::access_log::Message;
use oxicorn_worker::{Peer, Request};
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDict, PyList};

use super::access::Answered;
use super::hooks::request_object;
use crate::ffi::latin1;

/// What happened.
pub struct Told<'a> {
    /// The request, if the message became one.
    pub request: Option<&'a Request<'a>>,
    /// The message.
    pub message: Message<'a>,
    /// Microseconds.
    pub application: u64,
    /// Of the response.
    pub status: u16,
}

/// Calls the logger. `given` is the application's response; without it a page of the server's was sent.
pub fn tell<'py>(
    log: &Bound<'py, PyAny>,
    told: &Told<'_>,
    peer: &Peer,
    environ: Option<&Bound<'py, PyDict>>,
    given: Option<&Answered<'_>>,
    reason: Option<&'static str>,
) -> PyResult<()> {
    let py = log.py();
    let messages = py.import("oxicorn.http.message")?;
    let cfg = log.getattr("cfg")?;
    let req = match told.request {
        Some(request) => request_object(&cfg, &messages, request, peer)?,
        None => torn_request(&cfg, &messages, told.message)?,
    };
    let environ = match environ {
        Some(environ) => environ.clone(),
        None => bare_environ(py, told.message, peer)?,
    };
    let headers = PyList::empty(py);
    let mut status = own_status(py, told.status);
    if let Some(answered) = given {
        status = latin1(py, answered.status)?.to_string();
        for pair in header_list(py, answered.fields)? {
            headers.append(pair)?;
        }
    }
    let sent = given.map_or(0, |answered| answered.body_sent);
    let is_head = told.message.method() == b"HEAD";
    let resp = messages.getattr("Response")?.call1((
        &req,
        status,
        told.status,
        headers,
        sent,
        true,
        is_head,
    ))?;
    resp.setattr("abort_reason", reason)?;
    log.call_method1(
        "access",
        (resp, req, environ, duration(py, told.application)?),
    )?;
    Ok(())
}

/// Header lines as the pairs that hooks and loggers read.
pub fn header_list<'py>(py: Python<'py>, lines: &[u8]) -> PyResult<Bound<'py, PyList>> {
    let headers = PyList::empty(py);
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let Some((name, value)) = line.split_at_checked(colon) else {
            continue;
        };
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        headers.append((latin1(py, name)?, latin1(py, value)?))?;
    }
    Ok(headers)
}

fn own_status(py: Python<'_>, code: u16) -> String {
    let phrase = || {
        py.import("http")?
            .getattr("HTTPStatus")?
            .call1((code,))?
            .getattr("phrase")?
            .extract()
    };
    let phrase: String = phrase().unwrap_or_default();
    format!("{code} {phrase}")
}

fn duration(py: Python<'_>, micros: u64) -> PyResult<Bound<'_, PyDelta>> {
    let seconds = micros / 1_000_000;
    let days = i32::try_from(seconds / 86_400).unwrap_or(0);
    let (seconds, micros) = ((seconds % 86_400) as i32, (micros % 1_000_000) as i32);
    PyDelta::new(py, days, seconds, micros, false)
}

/// A request object for a message that became no request.
fn torn_request<'py>(
    cfg: &Bound<'py, PyAny>,
    messages: &Bound<'py, PyModule>,
    message: Message<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = cfg.py();
    let keywords = PyDict::new(py);
    keywords.set_item("cfg", cfg)?;
    keywords.set_item("method", latin1(py, message.method())?)?;
    keywords.set_item("uri", latin1(py, message.target())?)?;
    keywords.set_item("path", latin1(py, message.path())?)?;
    keywords.set_item("query", latin1(py, message.query())?)?;
    keywords.set_item("version", (1, 1))?;
    keywords.set_item("headers", PyList::empty(py))?;
    keywords.set_item("scheme", "http")?;
    keywords.set_item("peer_addr", py.None())?;
    keywords.set_item("req_number", 1)?;
    keywords.set_item("keep_alive", false)?;
    messages.getattr("Request")?.call((), Some(&keywords))
}

/// As much of an environ as the message itself says: for log lines, and for hooks of an asgi worker.
pub fn bare_environ<'py>(
    py: Python<'py>,
    message: Message<'_>,
    peer: &Peer,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = PyDict::new(py);
    let mut decoded = Vec::new();
    let protocol = message.protocol();
    environ.set_item("REQUEST_METHOD", latin1(py, message.method())?)?;
    environ.set_item("RAW_URI", latin1(py, message.target())?)?;
    environ.set_item(
        "PATH_INFO",
        latin1(py, decode_path(message.path(), &mut decoded))?,
    )?;
    environ.set_item("QUERY_STRING", latin1(py, message.query())?)?;
    environ.set_item("SERVER_PROTOCOL", latin1(py, protocol.trim_ascii())?)?;
    environ.set_item("REMOTE_ADDR", &peer.text)?;
    if let Message::Whole(head, bytes) = message {
        for field in &head.fields {
            let name = head.name(bytes, field).to_ascii_uppercase();
            let name = latin1(py, &name)?.to_string().replace('-', "_");
            environ.set_item(
                format!("HTTP_{name}"),
                latin1(py, head.value(bytes, field))?,
            )?;
        }
    }
    Ok(environ)
}
