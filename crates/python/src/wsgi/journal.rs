//! What the engine and the interface have to say to the error log.

use std::sync::Arc;

use oxicorn_http::Refused;
use oxicorn_sys::wait::WakeUp;
use oxicorn_worker::{Exchange, Notice, Peer, Retirement};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::process;

/// Attribute of a log record: which request it is about. See `oxicorn/logs/error_lines.py`.
const REQUEST: &str = "oxicorn_request";

/// The worker's logger. A logger that fails itself is reported on standard error; nothing of it
/// reaches a request.
pub struct Journal<'py> {
    log: Bound<'py, PyAny>,
    arbiter: Option<Arc<WakeUp>>,
}

impl<'py> Journal<'py> {
    /// The log of `worker`.
    pub fn of(worker: &Bound<'py, PyAny>) -> PyResult<Journal<'py>> {
        Ok(Journal {
            log: worker.getattr("log")?,
            arbiter: Some(process::arbiter_of(worker)?),
        })
    }

    /// What is written to `log`.
    pub fn to(log: Bound<'py, PyAny>) -> Journal<'py> {
        Journal { log, arbiter: None }
    }

    /// Writes what the loop has to say.
    pub fn note(&self, notice: &Notice<'_>) {
        match *notice {
            Notice::Refused { peer, refused, .. } => self.refused(peer, refused),
            // The access log says it.
            Notice::TimedOut { .. } | Notice::NotStarted { .. } => {}
            // Because of `max_queue` or `max_queue_time`.
            Notice::Overloaded { refused } => {
                let message = format!("Overload: {refused} requests were answered with 503.");
                self.write("warning", &message, None);
            }
            Notice::Trouble { peer, what, error } => {
                self.error(&format!("{what} (client {}): {error}", peer.text));
            }
            Notice::Retiring(reason) => self.retiring(reason),
        }
    }

    /// A peer's message was refused.
    pub fn refused(&self, peer: &Peer, refused: &Refused) {
        let message = format!("Invalid request from ip={}: {refused}", peer.text);
        self.write("warning", &message, None);
    }

    /// A response ended before it was as long as its head had announced.
    #[cold]
    pub fn short<C>(&self, request: &str, exchange: &Exchange<C>) {
        let sent = exchange.body_sent();
        let announced = sent.saturating_add(exchange.missing());
        let message = format!(
            "The response to {request} ended after {sent} of the {announced} bytes that its \
             Content-Length announced."
        );
        self.write("warning", &message, None);
    }

    /// Something went wrong that nobody raised.
    pub fn error(&self, message: &str) {
        self.write("error", message, None);
    }

    /// Tells of a request, called by method and target, with one of the logger's methods; the log gets the traceback,
    /// if there is one.
    pub fn about_request(&self, method: &str, message: &str, request: &str, error: Option<&PyErr>) {
        let keywords = match error {
            Some(error) => self.exc_info(error),
            None => Ok(PyDict::new(self.log.py())),
        };
        let keywords = keywords.and_then(|keywords| {
            let extra = PyDict::new(self.log.py());
            extra.set_item(REQUEST, request)?;
            keywords.set_item("extra", extra)?;
            Ok(keywords)
        });
        match keywords {
            Ok(keywords) => self.write(method, message, Some(&keywords)),
            Err(failure) => error.unwrap_or(&failure).print(self.log.py()),
        }
    }

    /// The worker asks to be replaced: the log gets the reason, and the arbiter looks.
    fn retiring(&self, reason: Retirement) {
        self.write("info", &reason.to_string(), None);
        if let Some(arbiter) = &self.arbiter {
            arbiter.wake();
        }
    }

    /// The worker leaves though requests still run.
    pub fn graceful_timeout(&self, pid: &str) {
        self.write(
            "warning",
            &format!("Worker graceful timeout (pid:{pid})"),
            None,
        );
    }

    /// Lines of the access log were lost.
    pub fn dropped(&self, lines: u64) {
        let message =
            format!("{lines} lines of the access log were dropped: nobody took them in time.");
        self.write("warning", &message, None);
    }

    /// Something raised; the log gets the traceback.
    pub fn exception(&self, message: &str, error: &PyErr) {
        match self.exc_info(error) {
            Ok(keywords) => self.write("exception", message, Some(&keywords)),
            Err(_) => error.print(self.log.py()),
        }
    }

    /// What the logger is called with to show this.
    fn exc_info(&self, error: &PyErr) -> PyResult<Bound<'py, PyDict>> {
        let py = self.log.py();
        let keywords = PyDict::new(py);
        let exc_info = (error.get_type(py), error.value(py), error.traceback(py));
        keywords.set_item("exc_info", exc_info)?;
        Ok(keywords)
    }

    fn write(&self, method: &str, message: &str, keywords: Option<&Bound<'py, PyDict>>) {
        // The message goes in as an argument, since it may contain percent signs of the client's.
        if let Err(error) = self.log.call_method(method, ("%s", message), keywords) {
            error.print(self.log.py());
        }
    }
}
