//! `wsgi.input`: a request body that has come whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Mutex;

use pyo3::exceptions::{PyIOError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// Buffer before a spooled body.
const FILE_BUFFER: usize = 64 * 1024;

/// The body of one request; `read`, `readline`, `readlines` and iteration as PEP 3333 has them.
///
/// A size that is negative or None means all there is; the end is an empty bytes object.
#[pyclass(frozen, module = "oxicorn")]
pub struct Input {
    source: Mutex<Source>,
}

enum Source {
    Memory { body: Py<PyBytes>, position: usize },
    File(BufReader<File>),
    Empty,
}

impl Input {
    /// A request without a body; holds nothing, so that all of them may share one.
    pub fn empty() -> Input {
        Input {
            source: Mutex::new(Source::Empty),
        }
    }

    /// A body in memory.
    pub fn memory(body: Bound<'_, PyBytes>) -> Input {
        Input {
            source: Mutex::new(Source::Memory {
                body: body.unbind(),
                position: 0,
            }),
        }
    }

    /// A body in a file, from the file's position on.
    pub fn file(file: File) -> Input {
        Input {
            source: Mutex::new(Source::File(BufReader::with_capacity(FILE_BUFFER, file))),
        }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Source) -> PyResult<R>) -> PyResult<R> {
        // Poisoned only by a panic inside `act`, after which the position may be off.
        let mut source = self
            .source
            .lock()
            .map_err(|_| PyIOError::new_err("the request body is unusable"))?;
        act(&mut source)
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size = None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        size: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let most = limit(size.as_ref())?;
        self.with(|source| source.read(py, most))
    }

    #[pyo3(signature = (size = None))]
    fn readline<'py>(
        &self,
        py: Python<'py>,
        size: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let most = limit(size.as_ref())?;
        self.with(|source| source.read_line(py, most))
    }

    #[pyo3(signature = (hint = None))]
    fn readlines<'py>(
        &self,
        py: Python<'py>,
        hint: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let enough = limit(hint.as_ref())?.filter(|hint| *hint > 0);
        let lines = PyList::empty(py);
        let mut total = 0_usize;
        while enough.is_none_or(|enough| total < enough) {
            let line = self.with(|source| source.read_line(py, None))?;
            if line.as_bytes().is_empty() {
                break;
            }
            total = total.saturating_add(line.as_bytes().len());
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.with(|source| source.read_line(py, None))?;
        Ok(Some(line).filter(|line| !line.as_bytes().is_empty()))
    }
}

/// A size argument: `None` for all there is.
fn limit(size: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    let Some(size) = size.filter(|size| !size.is_none()) else {
        return Ok(None);
    };
    let size: isize = size.extract().map_err(|_| {
        PyTypeError::new_err(format!("size must be an integer or None, not {size:?}"))
    })?;
    Ok(usize::try_from(size).ok())
}

impl Source {
    fn read<'py>(&mut self, py: Python<'py>, most: Option<usize>) -> PyResult<Bound<'py, PyBytes>> {
        match self {
            Source::Empty => Ok(PyBytes::new(py, b"")),
            Source::Memory { body, position } => {
                let body = body.bind(py);
                let rest = body.as_bytes().get(*position..).unwrap_or_default();
                let length = most.map_or(rest.len(), |most| most.min(rest.len()));
                if length == body.as_bytes().len() {
                    *position = length;
                    return Ok(body.clone());
                }
                *position = position.saturating_add(length);
                Ok(PyBytes::new(py, rest.get(..length).unwrap_or_default()))
            }
            Source::File(file) => {
                let most = most.map_or(u64::MAX, |most| most as u64);
                let mut bytes = Vec::new();
                file.take(most).read_to_end(&mut bytes)?;
                Ok(PyBytes::new(py, &bytes))
            }
        }
    }

    fn read_line<'py>(
        &mut self,
        py: Python<'py>,
        most: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        match self {
            Source::Empty => Ok(PyBytes::new(py, b"")),
            Source::Memory { body, position } => {
                let rest = body.as_bytes(py).get(*position..).unwrap_or_default();
                let rest = rest.get(..most.unwrap_or(rest.len())).unwrap_or(rest);
                let line = rest
                    .split_inclusive(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or_default();
                *position = position.saturating_add(line.len());
                Ok(PyBytes::new(py, line))
            }
            Source::File(file) => {
                let most = most.map_or(u64::MAX, |most| most as u64);
                let mut line = Vec::new();
                file.take(most).read_until(b'\n', &mut line)?;
                Ok(PyBytes::new(py, &line))
            }
        }
    }
}
