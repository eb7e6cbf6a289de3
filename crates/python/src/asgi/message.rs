//! The messages that applications send, taken apart. What is wrong with one names the message, the
//! key and what would be right.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use oxicorn_http::response::{Fields, Misuse, status_line};
use pyo3::exceptions::{PyKeyError, PyOSError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use rustix::fs::{Mode, OFlags};

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

/// Takes the status of a response; `out` becomes its line. What is below 200 does not end a response (RFC 9110
/// §15.2), and after 101 the connection would have to speak another protocol.
#[inline]
pub fn status(kind: &str, value: Option<Bound<'_, PyAny>>, out: &mut Vec<u8>) -> PyResult<u16> {
    let value = value.ok_or_else(|| missing(kind, "status"))?;
    let code = status_code(kind, &value)?;
    if !(200..=999).contains(&code) {
        return Err(PyValueError::new_err(format!(
            "the status of {kind} cannot be {code}: expected 200 to 999"
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
    let items = headers.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "the headers of a message must be (name, value) pairs, not {headers:?}"
        ))
    })?;
    for item in items {
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
    let py = message.py();
    let given = required(message, "http.response.pathsend", intern!(py, "path"))?;
    let path: PathBuf = given.extract().map_err(|error: PyErr| {
        if !error.is_instance_of::<PyTypeError>(py) {
            return error;
        }
        PyTypeError::new_err(format!(
            "the path of http.response.pathsend must be a path, not {given:?}"
        ))
    })?;
    let file = open(py, &path)?;
    let length = length("http.response.pathsend", &file, &path.display())?;
    Ok(Part {
        file,
        offset: 0,
        length,
    })
}

/// Opens a file to read, in the loop's thread: a pipe that nobody writes to must not make that wait.
fn open(py: Python<'_>, path: &Path) -> PyResult<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        Err(errno) => {
            let number = errno.raw_os_error();
            let reason = py.import("os")?.call_method1("strerror", (number,))?;
            let error = (number, reason.unbind(), path.as_os_str().to_owned());
            Err(PyOSError::new_err(error))
        }
    }
}

/// Bytes of a regular file; others have none that could be announced.
fn length(kind: &str, file: &File, name: &dyn std::fmt::Display) -> PyResult<u64> {
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    Err(PyValueError::new_err(format!(
        "{kind} cannot send {name}: expected a regular file"
    )))
}

/// The part of an open file that `http.response.zerocopysend` names.
pub fn open_file(message: &Bound<'_, PyDict>) -> PyResult<Part> {
    let py = message.py();
    let object = required(message, ZEROCOPYSEND, intern!(py, "file"))?;
    let descriptor: i32 = match object.extract() {
        Ok(descriptor) => descriptor,
        Err(_) => match object.getattr_opt(intern!(py, "fileno"))? {
            Some(fileno) => fileno.call0()?.extract()?,
            None => {
                return Err(PyTypeError::new_err(format!(
                    "the file of {ZEROCOPYSEND} must have a fileno(), not {object:?}"
                )));
            }
        },
    };
    let owned: OwnedFd = with_descriptor(descriptor, |one| one.try_clone_to_owned().ok())
        .ok_or_else(|| PyValueError::new_err(format!("the file of {ZEROCOPYSEND} is closed")))?;
    let mut file = File::from(owned);
    let length = length(ZEROCOPYSEND, &file, &object)?;
    let offset = match size(message, intern!(py, "offset"))? {
        Some(offset) => offset,
        None => std::io::Seek::stream_position(&mut file)?,
    };
    let left = length.saturating_sub(offset);
    let length = size(message, intern!(py, "count"))?.map_or(left, |count| count.min(left));
    Ok(Part {
        file,
        offset,
        length,
    })
}

const ZEROCOPYSEND: &str = "http.response.zerocopysend";

/// Bytes of a file, if the message says how many.
fn size(message: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<Option<u64>> {
    let Some(value) = message.get_item(key)?.filter(|value| !value.is_none()) else {
        return Ok(None);
    };
    value.extract().map(Some).map_err(|_| {
        PyValueError::new_err(format!(
            "the {key} of {ZEROCOPYSEND} cannot be {value:?}: expected an int from 0 on"
        ))
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
