//! `receive()` and `send(message)`, and what the loop calls when their task is done. Each is bound to
//! an [`Endpoint`].

use std::ffi::CStr;
use std::marker::PhantomData;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Pending, done};
use super::endpoint::{Endpoint, Wanted};
use super::task::Ended;
use crate::ffi::function;

/// Gives what is awaited for the next message.
pub struct ReceiveMessage<E>(PhantomData<E>);

impl<E: Endpoint> function::Body for ReceiveMessage<E> {
    const NAME: &'static CStr = c"receive";
    const DOC: &'static CStr = E::RECEIVE;
    const KEYWORD: &'static str = "";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if !arguments.is_empty() || keyword.is_some() {
            return Err(PyTypeError::new_err("receive takes no arguments"));
        }
        Pending::new(E::party(bound.cast::<E>()?), Wanted::Message).into_object(bound.py())
    }
}

/// Sends when it is called; only waiting for a slow client is left to the awaitable.
pub struct SendMessage<E>(PhantomData<E>);

impl<E: Endpoint> function::Body for SendMessage<E> {
    const NAME: &'static CStr = c"send";
    const DOC: &'static CStr = E::SEND;
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
        let endpoint = bound.cast::<E>()?;
        if E::send(endpoint, &message)? {
            return Pending::new(E::party(endpoint), Wanted::Room).into_object(bound.py());
        }
        done(bound.py())
    }
}

/// The task is done.
pub struct TaskDone<E>(PhantomData<E>);

impl<E: Endpoint> function::Body for TaskDone<E> {
    const NAME: &'static CStr = c"task_done";
    const DOC: &'static CStr = c"Settle what a task has left open that is done.";
    const KEYWORD: &'static str = "";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        _keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = bound.py();
        if let Some(task) = arguments.first() {
            let endpoint = bound.cast::<E>()?;
            let command = E::task_done(endpoint, Ended::of(task)?);
            endpoint.get().shared_here()?.command(py, command);
        }
        Ok(py.None())
    }
}
