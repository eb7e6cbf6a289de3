//! The messages that applications send, taken apart. What is wrong with one names the message, the
//! key and what would be right.

use std::fs::File;
use std::os::fd::OwnedFd;

use oxicorn_http::response::{Fields, Misuse, status_line};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::ffi::dict::values;
use crate::ffi::{references, with_descriptor};
use crate::wsgi::Lines;

/// The value of a key that has to be there.
pub fn required<'py>(
    message: &Bound<'py, PyDict>,
    kind: &str,
    key: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    message
        .get_item(key)?
        .ok_or_else(|| missing(kind, &key.to_string_lossy()))
}

/// What is raised for a key that has to be there.
#[cold]
pub fn missing(kind: &str, key: &str) -> PyErr {
    PyKeyError::new_err(format!("{kind} has no '{key}'"))
}

/// The keys of the two messages that every response has, each `None` if it is not there.
pub struct Keys<'py> {
    pub kind: Option<Bound<'py, PyAny>>,
    pub status: Option<Bound<'py, PyAny>>,
    pub headers: Option<Bound<'py, PyAny>>,
    pub trailers: Option<Bound<'py, PyAny>>,
    pub body: Option<Bound<'py, PyAny>>,
    pub more_body: Option<Bound<'py, PyAny>>,
}

impl<'py> Keys<'py> {
    /// Of this message.
    #[inline]
    pub fn of(message: &Bound<'py, PyDict>) -> PyResult<Keys<'py>> {
        let py = message.py();
        let [kind, status, headers, trailers, body, more_body] = values(
            message,
            [
                intern!(py, "type"),
                intern!(py, "status"),
                intern!(py, "headers"),
                intern!(py, "trailers"),
                intern!(py, "body"),
                intern!(py, "more_body"),
            ],
        )?;
        Ok(Keys {
            kind,
            status,
            headers,
            trailers,
            body,
            more_body,
        })
    }
}

/// A key that is true or false, and false if it is not there.
#[inline]
pub fn flag<'py>(message: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<bool> {
    is_true(message.get_item(key)?)
}

/// Its value, if it is there.
#[inline]
pub fn is_true(value: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
    value.map_or(Ok(false), |value| value.is_truthy())
}

/// The `body` of a message, empty if it is not there.
#[inline]
pub fn body(value: Option<Bound<'_, PyAny>>) -> PyResult<Option<Bound<'_, PyBytes>>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let py = value.py();
    let value = match value.cast_into::<PyBytes>() {
        Ok(bytes) => return Ok(Some(bytes)),
        Err(error) => error.into_inner(),
    };
    let is_buffer = ["bytearray", "memoryview"]
        .iter()
        .any(|name| value.get_type().name().is_ok_and(|known| known == *name));
    if !is_buffer {
        return Err(PyTypeError::new_err(format!(
            "the body of http.response.body must be bytes, not {}",
            value.get_type().name()?
        )));
    }
    let copied = py.get_type::<PyBytes>().call1((value,))?;
    Ok(Some(copied.cast_into()?))
}

/// Takes the status of a response; `out` becomes its line.
#[inline]
pub fn status(value: Option<Bound<'_, PyAny>>, out: &mut Vec<u8>) -> PyResult<u16> {
    let value = value.ok_or_else(|| missing("http.response.start", "status"))?;
    let code = status_code("http.response.start", &value)?;
    if !(200..=999).contains(&code) && code != 101 {
        return Err(PyValueError::new_err(format!(
            "the status of http.response.start cannot be {code}: expected 200 to 999"
        )));
    }
    write_status(code, out);
    Ok(code)
}

/// A status that is an int (an `HTTPStatus` is one).
pub fn status_code(kind: &str, value: &Bound<'_, PyAny>) -> PyResult<u16> {
    value.extract().map_err(|_| {
        PyTypeError::new_err(format!(
            "the status of {kind} must be an int of three digits, not {value:?}"
        ))
    })
}

/// Code and reason phrase.
pub fn write_status(code: u16, out: &mut Vec<u8>) {
    out.clear();
    match status_line(code) {
        Some(line) => out.extend_from_slice(line),
        None => out.extend_from_slice(format!("{code} Unknown").as_bytes()),
    }
}

/// Takes the header fields of a message, none if they are not there.
pub fn headers(
    value: Option<Bound<'_, PyAny>>,
    fields: &mut Fields,
    lines: &mut Lines,
) -> PyResult<()> {
    fields.clear();
    let Some(headers) = value else {
        return Ok(());
    };
    if let Ok(list) = headers.cast::<PyList>() {
        for item in list.iter() {
            header(&item, fields, lines)?;
        }
        return Ok(());
    }
    for item in headers.try_iter()? {
        header(&item?, fields, lines)?;
    }
    Ok(())
}

#[inline]
fn header(item: &Bound<'_, PyAny>, fields: &mut Fields, lines: &mut Lines) -> PyResult<()> {
    let (name, value) = pair(item)?;
    if lines.push_known(fields, &name, &value) {
        return Ok(());
    }
    let start = fields.lines().len();
    fields
        .push(bytes("name", &name)?, bytes("value", &value)?)
        .map_err(misuse)?;
    // Both made for this response: they will not come again, though others in the same place may.
    let is_new = [item, &value]
        .iter()
        .all(|one| references(one.as_unbound(), one.py()) <= 2);
    if !is_new {
        lines.note(fields, start, &name, &value);
    }
    Ok(())
}

#[inline]
fn pair<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(pair) = item.cast::<PyTuple>()
        && pair.len() == 2
    {
        return Ok((pair.get_item(0)?, pair.get_item(1)?));
    }
    let wrong = || {
        PyTypeError::new_err(format!(
            "a header must be a (name, value) pair, not {item:?}"
        ))
    };
    if item.is_instance_of::<PyBytes>() || item.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    let mut parts = item.try_iter().map_err(|_| wrong())?;
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(value), None) => Ok((name?, value?)),
        _ => Err(wrong()),
    }
}

#[inline]
fn bytes<'a>(what: &str, object: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    object
        .cast::<PyBytes>()
        .map(|bytes| bytes.as_bytes())
        .map_err(|_| PyTypeError::new_err(format!("a header {what} must be bytes, not {object:?}")))
}

fn misuse(misuse: Misuse) -> PyErr {
    PyValueError::new_err(misuse.to_string())
}

/// A part of a file: where it begins and how long it is.
pub struct Part {
    pub file: File,
    pub offset: u64,
    pub length: u64,
}

/// The file that `http.response.pathsend` names.
pub fn path(message: &Bound<'_, PyDict>) -> PyResult<Part> {
    let path = required(
        message,
        "http.response.pathsend",
        intern!(message.py(), "path"),
    )?;
    let path: std::path::PathBuf = path.extract()?;
    let file = File::open(&path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(PyValueError::new_err(format!(
            "http.response.pathsend cannot send {}: expected a regular file",
            path.display()
        )));
    }
    Ok(Part {
        file,
        offset: 0,
        length: metadata.len(),
    })
}

/// The part of an open file that `http.response.zerocopysend` names.
pub fn open_file(message: &Bound<'_, PyDict>) -> PyResult<Part> {
    let py = message.py();
    let object = required(message, "http.response.zerocopysend", intern!(py, "file"))?;
    let descriptor: i32 = match object.extract() {
        Ok(descriptor) => descriptor,
        Err(_) => object.call_method0(intern!(py, "fileno"))?.extract()?,
    };
    let owned: OwnedFd = with_descriptor(descriptor, |one| one.try_clone_to_owned().ok())
        .ok_or_else(|| PyValueError::new_err("the file of http.response.zerocopysend is closed"))?;
    let mut file = File::from(owned);
    let number = |key| match message.get_item(key)? {
        Some(value) if !value.is_none() => value.extract::<u64>().map(Some),
        _ => Ok::<_, PyErr>(None),
    };
    let offset = match number(intern!(py, "offset"))? {
        Some(offset) => offset,
        None => std::io::Seek::stream_position(&mut file)?,
    };
    let left = file.metadata()?.len().saturating_sub(offset);
    let length = number(intern!(py, "count"))?.map_or(left, |count| count.min(left));
    Ok(Part {
        file,
        offset,
        length,
    })
}

/// The links of `http.response.early_hint`, as fields.
pub fn links(message: &Bound<'_, PyDict>) -> PyResult<Fields> {
    let mut fields = Fields::default();
    let links = required(
        message,
        "http.response.early_hint",
        intern!(message.py(), "links"),
    )?;
    for link in links.try_iter()? {
        fields
            .push(b"link", bytes("value", &link?)?)
            .map_err(misuse)?;
    }
    Ok(fields)
}
