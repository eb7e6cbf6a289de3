//! What the loop calls later about a request or a WebSocket, without arguments.

use std::ffi::CStr;

use pyo3::PyTypeCheck;
use pyo3::prelude::*;

use crate::ffi::function;

/// A function for `loop.call_soon` or `loop.call_later`, bound to what it is about.
pub trait Callback {
    /// As Python shows it.
    const NAME: &'static CStr;
    /// Its documentation.
    const DOC: &'static CStr;
    /// The class of what it is about.
    type About: PyTypeCheck;

    /// Its time has come.
    fn run(about: &Bound<'_, Self::About>) -> PyResult<()>;
}

impl<C: Callback> function::Body for C {
    const NAME: &'static CStr = <C as Callback>::NAME;
    const DOC: &'static CStr = <C as Callback>::DOC;
    const KEYWORD: &'static str = "";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        _arguments: &[Borrowed<'_, 'py, PyAny>],
        _keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        C::run(bound.cast()?)?;
        Ok(bound.py().None())
    }
}
