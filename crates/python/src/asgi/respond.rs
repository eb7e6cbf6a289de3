//! What the messages of an application do to its response.

use oxicorn_http::Version;
use oxicorn_http::response::{Fields, write_interim};
use oxicorn_worker::Gone;
use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::client::Client;
use super::cycle::State;
use super::message::{self, Keys, Part};
use crate::ffi::PinnedBytes;
use crate::wsgi::Lines;

create_exception!(
    oxicorn,
    ClientDisconnected,
    PyOSError,
    "The client is gone: what is sent reaches nobody."
);

/// From this size on, a body's bytes are sent from where they are.
const WORTH_PINNING: usize = 16 * 1024;

/// Which message may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `http.response.start`.
    Open,
    /// The first `http.response.body`. The head waits for it, to leave together.
    Started {
        /// Trailers follow the body.
        has_trailers: bool,
    },
    /// The next `http.response.body`.
    Body {
        /// Trailers follow the body.
        has_trailers: bool,
    },
    /// `http.response.trailers`.
    Trailers,
    /// None: the response is complete.
    Complete,
}

impl State {
    /// Does what a message says.
    pub fn apply(&mut self, message: &Bound<'_, PyDict>, lines: &mut Lines) -> PyResult<()> {
        let py = message.py();
        let mut keys = Keys::of(message)?;
        let kind = (keys.kind.take())
            .ok_or_else(|| PyTypeError::new_err("a message must have a \"type\""))?;
        let kind = kind.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err(format!("the type of a message must be a str, not {kind:?}"))
        })?;
        if self.is_lost {
            return Err(disconnected());
        }
        if kind.is(intern!(py, "http.response.start")) {
            return self.start(keys, lines);
        }
        if kind.is(intern!(py, "http.response.body")) {
            return self.body(keys);
        }
        match kind.to_str()? {
            "http.response.start" => self.start(keys, lines),
            "http.response.body" => self.body(keys),
            "http.response.trailers" => self.send_trailers(message, keys, lines),
            "http.response.early_hint" => {
                let links = message::links(message)?;
                self.interim(b"103 Early Hints", &links, "http.response.early_hint")
            }
            "http.response.informational" => self.informational(keys, lines),
            "http.response.pathsend" => {
                self.expect_body("http.response.pathsend")?;
                self.file(message::path(message)?, false)
            }
            "http.response.zerocopysend" => {
                self.expect_body("http.response.zerocopysend")?;
                let part = message::open_file(message)?;
                self.file(part, message::is_true(keys.more_body)?)
            }
            other => Err(PyValueError::new_err(format!(
                "unknown message {other:?} in a response"
            ))),
        }
    }

    #[inline]
    fn start(&mut self, keys: Keys<'_>, lines: &mut Lines) -> PyResult<()> {
        if self.stage != Stage::Open {
            return Err(out_of_order("http.response.start", self.stage));
        }
        let code = message::status("http.response.start", keys.status, &mut self.status)?;
        message::headers(keys.headers, &mut self.fields, lines)?;
        self.code = code;
        self.stage = Stage::Started {
            has_trailers: message::is_true(keys.trailers)?,
        };
        Ok(())
    }

    #[inline]
    fn body(&mut self, keys: Keys<'_>) -> PyResult<()> {
        self.expect_body("http.response.body")?;
        let body = message::body(keys.body)?;
        let has_more = message::is_true(keys.more_body)?;
        self.write_head()?;
        if let Some(body) = body {
            self.write(body)?;
        }
        self.after_piece(has_more)
    }

    fn write(&mut self, body: Bound<'_, PyBytes>) -> PyResult<()> {
        let data = body.as_bytes();
        let exchange = self.exchange()?;
        let written = if data.len() < WORTH_PINNING {
            exchange.write(data)
        } else {
            exchange.write_shared(Box::new(PinnedBytes::new(body)))
        };
        self.delivered(written)
    }

    fn file(&mut self, part: Part, has_more: bool) -> PyResult<()> {
        self.write_head()?;
        let written = self
            .exchange()?
            .write_file(part.file, part.offset, part.length);
        self.delivered(written)?;
        self.after_piece(has_more)
    }

    fn expect_body(&self, kind: &str) -> PyResult<()> {
        match self.stage {
            Stage::Started { .. } | Stage::Body { .. } => Ok(()),
            stage => Err(out_of_order(kind, stage)),
        }
    }

    /// Writes the head unless it is written.
    #[inline]
    fn write_head(&mut self) -> PyResult<()> {
        if let Stage::Started { has_trailers } = self.stage {
            self.stage = Stage::Body { has_trailers };
            let (status, code) = (std::mem::take(&mut self.status), self.code);
            let fields = std::mem::take(&mut self.fields);
            self.exchange()?.start(&status, code, &fields);
            (self.status, self.fields) = (status, fields);
        }
        Ok(())
    }

    #[inline]
    fn after_piece(&mut self, has_more: bool) -> PyResult<()> {
        if has_more {
            let flushed = self.exchange()?.flush();
            return self.delivered(flushed);
        }
        if let Stage::Body { has_trailers: true } = self.stage {
            self.trailers.clear();
            self.stage = Stage::Trailers;
            return Ok(());
        }
        self.complete(false)
    }

    fn send_trailers(
        &mut self,
        message: &Bound<'_, PyDict>,
        keys: Keys<'_>,
        lines: &mut Lines,
    ) -> PyResult<()> {
        match self.stage {
            Stage::Trailers => {}
            Stage::Started { has_trailers } | Stage::Body { has_trailers } => {
                let state = if has_trailers {
                    "the body has not ended"
                } else {
                    "http.response.start did not say \"trailers\": True"
                };
                return Err(misplaced("http.response.trailers", state));
            }
            stage => return Err(out_of_order("http.response.trailers", stage)),
        }
        let mut more = Fields::default();
        message::headers(keys.headers, &mut more, lines)?;
        for line in more.lines().split_inclusive(|byte| *byte == b'\n') {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let (name, value) = (parts.next(), parts.next());
            // They have been checked once.
            let _ = self.trailers.push(
                name.unwrap_or_default(),
                value.unwrap_or_default().trim_ascii(),
            );
        }
        if message::flag(message, intern!(message.py(), "more_trailers"))? {
            return Ok(());
        }
        self.complete(true)
    }

    fn complete(&mut self, has_trailers: bool) -> PyResult<()> {
        let trailers = std::mem::take(&mut self.trailers);
        let exchange = self.exchange()?;
        if has_trailers {
            exchange.finish_with_trailers(trailers.lines());
        } else {
            exchange.finish();
        }
        let is_complete = exchange.is_complete();
        self.trailers = trailers;
        self.stage = Stage::Complete;
        self.inbox.end();
        self.delivered(if is_complete { Ok(()) } else { Err(Gone) })
    }

    fn informational(&mut self, keys: Keys<'_>, lines: &mut Lines) -> PyResult<()> {
        let kind = "http.response.informational";
        let status = (keys.status).ok_or_else(|| message::missing(kind, "status"))?;
        let code = message::status_code(kind, &status)?;
        if !(100..200).contains(&code) || code == 101 {
            return Err(PyValueError::new_err(format!(
                "the status of {kind} cannot be {code}: expected 100 to 199, and not 101"
            )));
        }
        let (mut fields, mut status) = (Fields::default(), Vec::new());
        message::headers(keys.headers, &mut fields, lines)?;
        message::write_status(code, &mut status);
        self.interim(&status, &fields, kind)
    }

    fn interim(&mut self, status: &[u8], fields: &Fields, kind: &str) -> PyResult<()> {
        if self.stage != Stage::Open {
            return Err(out_of_order(kind, self.stage));
        }
        if self.version == Version::HTTP_10 {
            // RFC 9110 §15.2: an HTTP/1.0 client does not expect one.
            return Ok(());
        }
        let mut bytes = Vec::new();
        write_interim(&mut bytes, self.version, status, fields);
        let sent = self.exchange()?.interim(&bytes);
        self.delivered(sent)
    }

    #[inline]
    fn exchange(&mut self) -> PyResult<&mut oxicorn_worker::Exchange<Client>> {
        self.exchange
            .as_mut()
            .ok_or_else(|| PyRuntimeError::new_err("the response is complete"))
    }

    #[inline]
    fn delivered(&mut self, result: Result<(), Gone>) -> PyResult<()> {
        result.map_err(|Gone| {
            self.is_lost = true;
            self.inbox.leave();
            disconnected()
        })
    }
}

/// What `send` raises when nobody is there any more (ASGI spec version 2.4).
pub fn disconnected() -> PyErr {
    ClientDisconnected::new_err("the client has disconnected")
}

#[cold]
fn out_of_order(kind: &str, stage: Stage) -> PyErr {
    let state = match stage {
        Stage::Open => "http.response.start has to come first",
        Stage::Started { .. } => "http.response.start was sent already",
        Stage::Body { .. } => "the response has begun",
        Stage::Trailers => "http.response.trailers has to come next",
        Stage::Complete => "the response is complete",
    };
    misplaced(kind, state)
}

fn misplaced(kind: &str, state: &str) -> PyErr {
    PyRuntimeError::new_err(format!("{kind} is out of order: {state}"))
}
