//! `send(message)` of a WebSocket.

use std::ffi::CStr;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::apply::Done;
use super::socket::Socket;
use crate::asgi::awaitable::{Pending, Subject, Wanted};
use crate::asgi::cycle::HIGH_WATER;
use crate::asgi::send::done;
use crate::asgi::shared::Command;
use crate::ffi::function;

/// The function. It sends when it is called; only waiting for a slow client is left to the awaitable.
pub struct SendMessage;

impl function::Body for SendMessage {
    const NAME: &'static CStr = c"send";
    const DOC: &'static CStr = c"Send a message on this WebSocket (ASGI 3.0).";
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
        let socket = bound.cast::<Socket>()?;
        if send(socket, &message)? {
            let pending = Pending::new(Subject::Socket(socket.clone().unbind()), Wanted::Room);
            return Ok(Bound::new(bound.py(), pending)?.into_any().unbind());
        }
        done(bound.py())
    }
}

/// True if the client has to take something first.
fn send(bound: &Bound<'_, Socket>, message: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = bound.py();
    let socket = bound.borrow();
    let mut state = socket.state()?;
    let mut lines =
        socket.shared.lines.try_borrow_mut().map_err(|_| {
            PyRuntimeError::new_err("send was called while a message was being read")
        })?;
    let done = state.apply(message, &mut lines)?;
    drop(lines);
    state.flush();
    let hands_over = matches!(done, Done::Accepted) && state.is_away;
    if hands_over {
        state.link.hand_over();
    }
    let is_congested = state.is_congested(HIGH_WATER);
    drop(state);
    if hands_over {
        let command = Command::HandOver(bound.clone().unbind());
        socket.shared.command(py, command);
    }
    drop(socket);
    Socket::after(bound);
    Ok(is_congested)
}
