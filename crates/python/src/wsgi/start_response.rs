//! The functions an application answers with: `start_response`, `write` (PEP 3333) and
//! `wsgi.early_hints` (RFC 8297).

use std::ffi::CStr;

use oxicorn_http::Version;
use oxicorn_http::response::{Fields, Misuse, status_code, write_early_hints};
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::cycle::{Answer, Cycle, Given};
use super::lines::Lines;
use crate::ffi::{function, one_byte_text};

/// `start_response(status, headers, exc_info=None)`.
pub struct StartResponse;

impl function::Body for StartResponse {
    const NAME: &'static CStr = c"start_response";
    const DOC: &'static CStr = c"Begin the response to this request (PEP 3333).";
    const KEYWORD: &'static str = "exc_info";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (status, headers, exc_info) = match *arguments {
            [status, headers] => (status, headers, keyword),
            [status, headers, exc_info] => (status, headers, Some(exc_info)),
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "start_response takes a status, a list of headers and exc_info, not {} arguments",
                    arguments.len()
                )));
            }
        };
        let py = bound.py();
        let headers = as_list(&headers)?;
        let mut answer = bound.cast::<Cycle>()?.get().answer(bound.py())?;
        permit(&mut answer, exc_info.filter(|info| !info.is_none()))?;
        answer.given = None;
        let code = set_status(&mut answer, &status)?;
        let Answer { fields, lines, .. } = &mut *answer;
        set_fields(fields, lines, &headers)?;
        let headers = answer.keep_headers.then(|| headers.unbind());
        answer.given = Some(Given { code, headers });
        Ok(answer.write_function(py).unwrap_or_else(|| py.None()))
    }
}

/// A second call is only right in an error handler, and only while the head can be replaced.
fn permit(answer: &mut Answer, exc_info: Option<Borrowed<'_, '_, PyAny>>) -> PyResult<()> {
    let is_started = answer.exchange()?.is_started();
    match exc_info {
        Some(exc_info) if is_started => Err(exception(&exc_info)?),
        Some(_) => Ok(()),
        None if answer.given.is_some() => Err(PyAssertionError::new_err(
            "start_response was called a second time without exc_info",
        )),
        None => Ok(()),
    }
}

/// The exception of a `sys.exc_info()` tuple, with its traceback.
fn exception(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    Ok(PyErr::from_value(exc_info.get_item(1)?))
}

fn as_list<'py>(headers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    match headers.cast_exact::<PyList>() {
        Ok(list) => Ok(list.clone()),
        Err(_) if headers.is_none() => Err(PyTypeError::new_err(
            "the headers of start_response must be a list of (name, value) tuples, not None",
        )),
        Err(_) => {
            let list = PyList::empty(headers.py());
            for item in headers.try_iter()? {
                list.append(item?)?;
            }
            Ok(list)
        }
    }
}

#[inline]
fn set_status(answer: &mut Answer, status: &Bound<'_, PyAny>) -> PyResult<u16> {
    match &answer.status_object {
        Some((known, code)) if known.is(status) => Ok(*code),
        _ => read_status(answer, status),
    }
}

fn read_status(answer: &mut Answer, status: &Bound<'_, PyAny>) -> PyResult<u16> {
    let status = status
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("status must be a str, not {status:?}")))?;
    let text = one_byte_text(status)
        .ok_or_else(|| PyValueError::new_err(format!("status {status:?} is not latin-1")))?;
    let code = status_code(text).map_err(misuse)?;
    answer.status.clear();
    answer.status.extend_from_slice(text);
    answer.status_object = Some((status.clone().unbind(), code));
    Ok(code)
}

#[inline]
fn set_fields(fields: &mut Fields, lines: &mut Lines, headers: &Bound<'_, PyList>) -> PyResult<()> {
    fields.clear();
    for item in headers.iter() {
        match item.cast::<PyTuple>() {
            Ok(pair) if pair.len() == 2 => {
                let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
                if !lines.push_known(fields, &name, &value) {
                    let start = fields.lines().len();
                    fields
                        .push(text("name", &name)?, text("value", &value)?)
                        .map_err(misuse)?;
                    lines.note(fields, start, &name, &value);
                }
            }
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "a header must be a (name, value) tuple, not {item:?}"
                )));
            }
        }
    }
    Ok(())
}

#[inline]
fn text<'a>(what: &str, object: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    let text = object.cast::<PyString>().map_err(|_| {
        PyTypeError::new_err(format!("a header {what} must be a str, not {object:?}"))
    })?;
    one_byte_text(text)
        .ok_or_else(|| PyValueError::new_err(format!("header {what} {text:?} is not latin-1")))
}

fn misuse(misuse: Misuse) -> PyErr {
    PyValueError::new_err(misuse.to_string())
}

/// `write(data)`, the old way to send a body (PEP 3333).
pub struct Write;

impl function::Body for Write {
    const NAME: &'static CStr = c"write";
    const DOC: &'static CStr = c"Send a part of the response body at once (PEP 3333).";
    const KEYWORD: &'static str = "data";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let Some(data) = arguments.first().copied().or(keyword) else {
            return Err(PyTypeError::new_err("write takes the data to send"));
        };
        let mut answer = bound.cast::<Cycle>()?.get().answer(bound.py())?;
        let exchange = answer.start()?;
        let data = data.cast::<PyBytes>().map_err(|_| not_bytes(&data))?;
        // A client that is gone does not concern the application here; its iterable is not
        // asked for more.
        let _ = exchange
            .write(data.as_bytes())
            .and_then(|()| exchange.flush());
        Ok(bound.py().None())
    }
}

/// The error for a part of a body that is no bytes object.
#[cold]
pub fn not_bytes(object: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "{object:?} is not a byte string: a response body consists of bytes objects"
    ))
}

/// `wsgi.early_hints(headers)`: an interim 103 response.
pub struct EarlyHints;

impl function::Body for EarlyHints {
    const NAME: &'static CStr = c"early_hints";
    const DOC: &'static CStr = c"Send a 103 response with these headers at once (RFC 8297).";
    const KEYWORD: &'static str = "headers";

    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let Some(headers) = arguments.first().copied().or(keyword) else {
            return Err(PyTypeError::new_err("early_hints takes a list of headers"));
        };
        let headers = as_list(&headers)?;
        let mut hints = Fields::default();
        let mut answer = bound.cast::<Cycle>()?.get().answer(bound.py())?;
        set_fields(&mut hints, &mut answer.lines, &headers)?;
        let version = answer.version;
        let exchange = answer.exchange()?;
        if version > Version::HTTP_10 {
            let mut message = Vec::new();
            write_early_hints(&mut message, version, &hints);
            // As in write.
            let _ = exchange.interim(&message);
        }
        Ok(bound.py().None())
    }
}
