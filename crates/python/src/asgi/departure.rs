//! Whether what an application raised says no more than that its client has gone.

use pyo3::exceptions::{PyException, PyStopAsyncIteration, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::respond::ClientDisconnected;

/// Links of a chain of exceptions that are looked at, and exceptions of a group.
const CHAIN: usize = 16;

/// What frameworks raise when `receive` has told them of the end: Starlette and those built upon it, Litestar.
const NAMES: [&str; 2] = ["ClientDisconnect", "WebSocketDisconnect"];

/// How an application ended whose client has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It heard of that, and let go.
    Plain,
    /// It was dealing with another exception, and could not answer. Only it knows whether that one was a fault.
    During,
}

impl Departure {
    /// `None` if the exception is about something else. That it was raised while the client's end was being handled does
    /// not count, only `raise … from`: a fault in the handling is one.
    pub fn of(py: Python<'_>, error: &PyErr) -> Option<Departure> {
        let mut exception = error.value(py).clone().into_any();
        let mut links = 0;
        while !is_disconnect(&exception) {
            links += 1;
            exception = other(&exception, intern!(py, "__cause__")).filter(|_| links < CHAIN)?;
        }
        for _ in 0..CHAIN {
            match before(&exception) {
                None => break,
                Some(earlier) if is_disconnect(&earlier) || is_no_fault(&earlier) => {
                    exception = earlier;
                }
                Some(_) => return Some(Departure::During),
            }
        }
        Some(Departure::Plain)
    }
}

fn is_disconnect(exception: &Bound<'_, PyAny>) -> bool {
    if exception.is_instance_of::<ClientDisconnected>() {
        return true;
    }
    let names = exception.get_type().mro();
    names.iter().any(|class| {
        class
            .getattr(intern!(class.py(), "__name__"))
            .is_ok_and(|name| NAMES.iter().any(|known| is_called(&name, known)))
    }) || is_group_of_them(exception)
}

/// Task groups wrap what their tasks raised.
fn is_group_of_them(exception: &Bound<'_, PyAny>) -> bool {
    members(exception).is_some_and(|members| {
        (1..=CHAIN).contains(&members.len())
            && (members.iter()).all(|one| self::members(&one).is_none() && is_disconnect(&one))
    })
}

fn members<'py>(exception: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    let name = exception.get_type().name().ok()?;
    if !is_called(&name, "ExceptionGroup") {
        return None;
    }
    let members = exception.getattr(intern!(exception.py(), "exceptions"));
    members.ok()?.cast_into().ok()
}

fn is_called(name: &Bound<'_, PyAny>, known: &str) -> bool {
    name.cast::<PyString>()
        .is_ok_and(|name| name.to_str().is_ok_and(|name| name == known))
}

/// A cancelled task, or the end of an iteration.
fn is_no_fault(exception: &Bound<'_, PyAny>) -> bool {
    !exception.is_instance_of::<PyException>()
        || exception.is_instance_of::<PyStopIteration>()
        || exception.is_instance_of::<PyStopAsyncIteration>()
}

/// The exception of which, or in whose handling, this one was raised.
fn before<'py>(exception: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = exception.py();
    other(exception, intern!(py, "__cause__")).or_else(|| {
        let is_hidden = exception
            .getattr(intern!(py, "__suppress_context__"))
            .is_ok_and(|hidden| hidden.is_truthy().unwrap_or(false));
        other(exception, intern!(py, "__context__")).filter(|_| !is_hidden)
    })
}

fn other<'py>(
    exception: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    exception.getattr(name).ok().filter(|one| !one.is_none())
}
