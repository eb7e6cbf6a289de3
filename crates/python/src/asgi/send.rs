//! `send(message)`.

use std::ffi::CStr;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::awaitable::{Done, Pending, Subject, Wanted};
use super::cycle::{Cycle, HIGH_WATER};
use super::respond::Stage;
use super::shared::Command;
use crate::ffi::function;

/// The function. It sends when it is called; only waiting for a slow client is left to the awaitable.
pub struct SendMessage;

impl function::Body for SendMessage {
    const NAME: &'static CStr = c"send";
    const DOC: &'static CStr = c"Send a message of this request's response (ASGI 3.0).";
    const KEYWORD: &'static str = "message";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let Some(message) = arguments.first().copied().or(keyword) else {
            return Err(PyTypeError::new_err("send takes a message"));
        };
        let message = message.cast::<PyDict>().map_err(|_| {
            PyTypeError::new_err(format!("a message must be a dict, not {:?}", &*message))
        })?;
        let py = bound.py();
        let cycle = bound.cast::<Cycle>()?;
        let is_congested = send(cycle, &message)?;
        if is_congested {
            let pending = Pending::new(Subject::Request(cycle.clone().unbind()), Wanted::Room);
            return Ok(Bound::new(py, pending)?.into_any().unbind());
        }
        done(py)
    }
}

/// True if the client has to take something first.
fn send(bound: &Bound<'_, Cycle>, message: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = bound.py();
    let cycle = bound.borrow();
    let mut state = cycle.state()?;
    let mut lines =
        cycle.shared.lines.try_borrow_mut().map_err(|_| {
            PyRuntimeError::new_err("send was called while a message was being read")
        })?;
    state.apply(message, &mut lines)?;
    drop(lines);
    let is_complete = state.stage == Stage::Complete;
    let is_congested = !is_complete && state.is_congested(HIGH_WATER);
    let (is_away, place) = (state.is_away, state.place);
    let waits = !is_complete && state.is_congested(0);
    drop(state);
    if is_complete {
        cycle.wake(py, Wanted::Message);
    }
    if is_away && is_complete {
        cycle
            .shared
            .command(py, Command::Done(bound.clone().unbind()));
    } else if is_away && waits {
        cycle.shared.command(py, Command::Room(place));
    }
    Ok(is_congested)
}

/// The awaitable of everything that is done already.
pub fn done(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static DONE: PyOnceLock<Py<Done>> = PyOnceLock::new();
    let done = DONE.get_or_try_init(py, || Py::new(py, Done))?;
    Ok(done.clone_ref(py).into_any())
}
