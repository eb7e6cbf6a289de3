//! `receive()`.

use std::ffi::CStr;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::awaitable::{Pending, Subject, Wanted};
use super::cycle::Cycle;
use crate::ffi::function;

/// The function.
pub struct ReceiveMessage;

impl function::Body for ReceiveMessage {
    const NAME: &'static CStr = c"receive";
    const DOC: &'static CStr = c"Wait for the next message about this request (ASGI 3.0).";
    const KEYWORD: &'static str = "";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if !arguments.is_empty() || keyword.is_some() {
            return Err(PyTypeError::new_err("receive takes no arguments"));
        }
        let cycle = bound.cast::<Cycle>()?.clone().unbind();
        let pending = Pending::new(Subject::Request(cycle), Wanted::Message);
        Ok(Bound::new(bound.py(), pending)?.into_any().unbind())
    }
}
