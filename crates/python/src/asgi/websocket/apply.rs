//! What the messages of an application do to its WebSocket.

use oxicorn_http::response::{Dialect, Fields};
use oxicorn_websocket::{Connection, may_be_sent};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::socket::{Stage, State};
use crate::asgi::message;
use crate::asgi::respond::disconnected;
use crate::wsgi::Lines;

/// Fields of the handshake that are not the application's.
const OURS: [&[u8]; 5] = [
    b"connection:",
    b"upgrade:",
    b"sec-websocket-accept:",
    b"sec-websocket-extensions:",
    b"sec-websocket-protocol:",
];

/// What has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing special.
    Sent,
    /// The connection changes its protocol.
    Accepted,
}

impl State {
    /// Does what a message says.
    pub fn apply(&mut self, message: &Bound<'_, PyDict>, lines: &mut Lines) -> PyResult<Done> {
        let py = message.py();
        let kind = message
            .get_item(intern!(py, "type"))?
            .ok_or_else(|| PyTypeError::new_err("a message must have a \"type\""))?;
        let kind = kind.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err(format!("the type of a message must be a str, not {kind:?}"))
        })?;
        let kind = kind.to_str()?;
        if self.inbox.end.is_some() {
            // Closing what is closed is no fault: applications do it to be sure.
            return if kind == "websocket.close" {
                Ok(Done::Sent)
            } else {
                Err(disconnected())
            };
        }
        match (kind, &self.stage) {
            ("websocket.send", Stage::Open) => self.send(message),
            ("websocket.close", Stage::Open) => self.close(message),
            ("websocket.close", Stage::Connecting) => {
                self.deny(b"403 Forbidden", 403);
                Ok(Done::Sent)
            }
            ("websocket.accept", Stage::Connecting) => self.accept(message, lines),
            ("websocket.http.response.start", Stage::Connecting) => self.start(message, lines),
            ("websocket.http.response.body", Stage::Denying { .. }) => self.body(message),
            (_, stage) => Err(out_of_order(kind, stage)),
        }
    }

    fn send(&mut self, message: &Bound<'_, PyDict>) -> PyResult<Done> {
        let py = message.py();
        let some = |key| Ok::<_, PyErr>(message.get_item(key)?.filter(|value| !value.is_none()));
        let text = some(intern!(py, "text"))?;
        let bytes = some(intern!(py, "bytes"))?;
        let Some(protocol) = &mut self.protocol else {
            return Err(disconnected());
        };
        let sent = match (text, bytes) {
            (Some(text), None) => {
                let text = text
                    .cast::<PyString>()
                    .map_err(|_| wrong("text", "a str", &text))?;
                protocol.send_text(text.to_str()?, &mut self.out)
            }
            (None, Some(bytes)) => match bytes.cast::<PyBytes>() {
                Ok(bytes) => protocol.send_binary(bytes.as_bytes(), &mut self.out),
                Err(_) => {
                    let copied = (py.get_type::<PyBytes>().call1((&bytes,)))
                        .ok()
                        .filter(|_| {
                            bytes.hasattr("nbytes").unwrap_or(false)
                                || bytes.is_instance_of::<pyo3::types::PyByteArray>()
                        })
                        .ok_or_else(|| wrong("bytes", "bytes", &bytes))?;
                    protocol.send_binary(copied.cast::<PyBytes>()?.as_bytes(), &mut self.out)
                }
            },
            _ => {
                return Err(PyValueError::new_err(
                    "websocket.send must have either \"text\" or \"bytes\"",
                ));
            }
        };
        sent.map(|()| Done::Sent).map_err(|_| disconnected())
    }

    fn close(&mut self, message: &Bound<'_, PyDict>) -> PyResult<Done> {
        let py = message.py();
        let code = match message.get_item(intern!(py, "code"))? {
            Some(code) if !code.is_none() => code
                .extract::<u16>()
                .ok()
                .filter(|code| may_be_sent(*code))
                .ok_or_else(|| {
                    PyValueError::new_err(format!(
                        "the code of websocket.close cannot be {code}: expected 1000 to 1003, 1007 \
                         to 1014 or 3000 to 4999"
                    ))
                })?,
            _ => 1000,
        };
        let reason = match message.get_item(intern!(py, "reason"))? {
            Some(reason) if !reason.is_none() => reason
                .cast_into::<PyString>()
                .map_err(|error| wrong("reason", "a str", &error.into_inner()))?
                .to_str()?
                .to_owned(),
            _ => String::new(),
        };
        self.say_goodbye(code, &reason);
        Ok(Done::Sent)
    }

    /// Our close frame. The client's is waited for, but not by the application.
    pub fn say_goodbye(&mut self, code: u16, reason: &str) {
        self.stage = Stage::Over;
        // A client that broke the protocol hears of that.
        self.fail();
        if let Some(protocol) = &mut self.protocol {
            let _ = protocol.close(Some(code), reason, &mut self.out);
        }
    }

    fn accept(&mut self, message: &Bound<'_, PyDict>, lines: &mut Lines) -> PyResult<Done> {
        let py = message.py();
        let mut fields = Fields::new(Dialect::Asgi);
        message::headers(
            message.get_item(intern!(message.py(), "headers"))?,
            &mut fields,
            lines,
        )?;
        for line in fields.lines().split(|byte| *byte == b'\n') {
            let lower = line.to_ascii_lowercase();
            if let Some(name) = OURS.iter().find(|name| lower.starts_with(name)) {
                return Err(PyValueError::new_err(format!(
                    "websocket.accept cannot have the header {}: expected the subprotocol as \
                     \"subprotocol\", the rest is the server's",
                    String::from_utf8_lossy(name).trim_end_matches(':')
                )));
            }
        }
        let subprotocol = match message.get_item(intern!(py, "subprotocol"))? {
            Some(name) if !name.is_none() => Some(
                name.extract::<String>()
                    .ok()
                    .filter(|name| is_token(name))
                    .ok_or_else(|| wrong("subprotocol", "a token", &name))?,
            ),
            _ => None,
        };
        self.opening
            .write_head(subprotocol.as_deref(), &mut self.out);
        self.out.extend_from_slice(fields.lines());
        self.out.extend_from_slice(b"\r\n");
        let protocol = Connection::new(self.settings.options, self.opening.deflate());
        self.protocol = Some(Box::new(protocol));
        self.stage = Stage::Open;
        Ok(Done::Accepted)
    }

    fn start(&mut self, message: &Bound<'_, PyDict>, lines: &mut Lines) -> PyResult<Done> {
        let mut status = Vec::new();
        let mut fields = Fields::new(Dialect::Asgi);
        let code = message::status(
            "websocket.http.response.start",
            message.get_item(intern!(message.py(), "status"))?,
            &mut status,
        )?;
        message::headers(
            message.get_item(intern!(message.py(), "headers"))?,
            &mut fields,
            lines,
        )?;
        self.stage = Stage::Denying {
            status,
            code,
            fields,
            is_started: false,
        };
        Ok(Done::Sent)
    }

    fn body(&mut self, message: &Bound<'_, PyDict>) -> PyResult<Done> {
        let body = message::body(message.get_item(intern!(message.py(), "body"))?)?;
        let has_more = message::flag(message, intern!(message.py(), "more_body"))?;
        let (
            Stage::Denying {
                status,
                code,
                fields,
                is_started,
            },
            Some(exchange),
        ) = (&mut self.stage, self.link.exchange())
        else {
            return Err(disconnected());
        };
        if !std::mem::replace(is_started, true) {
            exchange.close_after();
            exchange.start(status, *code, fields);
        }
        let written = match body {
            Some(body) => exchange.write(body.as_bytes()),
            None => Ok(()),
        };
        let written = written.and_then(|()| if has_more { exchange.flush() } else { Ok(()) });
        if written.is_err() {
            self.lose();
            return Err(disconnected());
        }
        if !has_more {
            exchange.finish();
            self.stage = Stage::Over;
        }
        Ok(Done::Sent)
    }

    /// Answers the request with this status and nothing more.
    pub fn deny(&mut self, status: &[u8], code: u16) {
        let mut fields = Fields::new(Dialect::Asgi);
        let _ = fields.push(b"content-length", b"0");
        if let Some(exchange) = self.link.exchange() {
            exchange.close_after();
            exchange.start(status, code, &fields);
            exchange.finish();
        }
        self.stage = Stage::Over;
    }
}

fn is_token(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

fn wrong(key: &str, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("\"{key}\" must be {expected}, not {value:?}"))
}

fn out_of_order(kind: &str, stage: &Stage) -> PyErr {
    let expected = match stage {
        Stage::Connecting => "websocket.accept, websocket.close or websocket.http.response.start",
        Stage::Denying { .. } => "websocket.http.response.body",
        Stage::Open => "websocket.send or websocket.close",
        Stage::Over => "nothing, as it is closed",
    };
    PyRuntimeError::new_err(format!("unexpected message {kind:?}: expected {expected}"))
}
