//! One request's answer as Python holds it: `start_response`, `write` and `wsgi.early_hints` are
//! functions bound to a [`Cycle`].
//!
//! A worker makes the functions once and uses them for request after request, as long as the
//! application does not keep them. If it does, they stay bound to a cycle that is over, and calling
//! them raises.

use oxicorn_http::Version;
use oxicorn_http::response::Fields;
use oxicorn_worker::Exchange;
use pyo3::exceptions::{PyAssertionError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::client::Client;
use super::lines::Lines;
use super::start_response::{EarlyHints, StartResponse, Write};
use crate::ffi::{AttachedCell, Function, Lent, references};

/// What the functions of one request share.
#[pyclass(frozen)]
pub struct Cycle {
    answer: AttachedCell<Answer>,
}

/// The answer as far as it has come.
#[derive(Default)]
pub struct Answer {
    /// `None` when no request is being answered.
    pub exchange: Option<Exchange<Client>>,
    /// What `start_response` was called with; `None` before.
    pub given: Option<Given>,
    /// Status line without the version; kept for its memory.
    pub status: Vec<u8>,
    /// The object that `status` was read from, and its code: most applications give the same one
    /// again and again.
    pub status_object: Option<(Py<PyString>, u16)>,
    /// Fields given to `start_response`; kept for their memory.
    pub fields: Fields,
    /// Fields that come again and again.
    pub lines: Lines,
    /// Protocol version of the request.
    pub version: Version,
    /// `start_response` shall keep the header list for hooks.
    pub keep_headers: bool,
    /// The function that `start_response` returns.
    write: Option<Py<PyAny>>,
}

/// An accepted call of `start_response`.
pub struct Given {
    /// Status code.
    pub code: u16,
    /// The header list, if a hook wants it.
    pub headers: Option<Py<PyList>>,
}

impl Cycle {
    /// The answer, for as long as no Python code runs.
    #[inline]
    pub fn answer<'a>(&'a self, py: Python<'a>) -> PyResult<Lent<'a, Answer>> {
        self.answer
            .lend(py)
            .ok_or_else(|| PyRuntimeError::new_err("the response is in use"))
    }
}

impl Answer {
    /// The exchange of the request that is being answered.
    pub fn exchange(&mut self) -> PyResult<&mut Exchange<Client>> {
        self.exchange
            .as_mut()
            .ok_or_else(|| PyRuntimeError::new_err("the request is over"))
    }

    /// Writes the head unless it is written.
    #[inline]
    pub fn start(&mut self) -> PyResult<&mut Exchange<Client>> {
        let Some(exchange) = &mut self.exchange else {
            return Err(PyRuntimeError::new_err("the request is over"));
        };
        if !exchange.is_started() {
            let Some(given) = &self.given else {
                return Err(PyAssertionError::new_err(
                    "the application returned a body without calling start_response",
                ));
            };
            exchange.start(&self.status, given.code, &self.fields);
        }
        Ok(exchange)
    }

    /// The function that `start_response` returns.
    pub fn write_function(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.write.as_ref().map(|write| write.clone_ref(py))
    }
}

/// A cycle with its functions.
pub struct Kit {
    cycle: Py<Cycle>,
    start_response: Py<PyAny>,
    early_hints: Py<PyAny>,
    /// References to `early_hints` outside of any request's environ.
    early_hints_kept: isize,
}

/// The kit, and its three functions' references to the cycle.
const CYCLE_KEPT: isize = 4;

impl Kit {
    /// Makes the functions. `bases` is the number of base environs that will refer to them.
    pub fn new(py: Python<'_>, bases: usize) -> PyResult<Kit> {
        let cycle = Bound::new(
            py,
            Cycle {
                answer: AttachedCell::new(Answer::default()),
            },
        )?;
        let start_response = Function::bind::<StartResponse>(cycle.as_any())?.unbind();
        let early_hints = Function::bind::<EarlyHints>(cycle.as_any())?.unbind();
        let write = Function::bind::<Write>(cycle.as_any())?.unbind();
        cycle.get().answer(py)?.write = Some(write);
        let early_hints_kept = isize::try_from(bases)
            .unwrap_or(isize::MAX)
            .saturating_add(1);
        Ok(Kit {
            cycle: cycle.unbind(),
            start_response,
            early_hints,
            early_hints_kept,
        })
    }

    /// The cycle itself.
    #[inline]
    pub fn cycle(&self) -> &Cycle {
        self.cycle.get()
    }

    /// The function for the application.
    #[inline]
    pub fn start_response<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.start_response.bind(py)
    }

    /// The function for environs.
    pub fn early_hints<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.early_hints.bind(py)
    }

    /// A new answer begins.
    #[inline]
    pub fn begin(
        &self,
        py: Python<'_>,
        exchange: Exchange<Client>,
        version: Version,
    ) -> PyResult<()> {
        let mut answer = self.cycle().answer(py)?;
        answer.given = None;
        answer.version = version;
        answer.exchange = Some(exchange);
        Ok(())
    }

    /// The answer is over.
    #[inline]
    pub fn end(&self, py: Python<'_>) -> PyResult<Option<Exchange<Client>>> {
        Ok(self.cycle().answer(py)?.exchange.take())
    }

    /// The application kept nothing that belongs to the request. `starts` is the number of
    /// connections' own base environs.
    #[inline]
    pub fn is_free(&self, py: Python<'_>, starts: isize) -> bool {
        references(&self.start_response, py) == 1
            && references(&self.early_hints, py) == self.early_hints_kept.saturating_add(starts)
            && references(&self.cycle, py) == CYCLE_KEPT
            && self.cycle().answer(py).is_ok_and(|answer| {
                answer
                    .write
                    .as_ref()
                    .is_some_and(|write| references(write, py) == 1)
            })
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        // The answer holds the function and the function holds the cycle.
        Python::attach(|py| {
            if let Ok(mut answer) = self.cycle().answer(py) {
                answer.write = None;
            }
        });
    }
}
