//! `wsgi.file_wrapper`: a file as a response body.

use std::fs::File;
use std::os::fd::BorrowedFd;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;

/// An iterable over a file-like object. Returned as it is, a real file is sent by the kernel;
/// wrapped by middleware, it is read block by block.
#[pyclass(frozen, module = "oxicorn", subclass)]
pub struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    blksize: usize,
}

/// The part of a file that the kernel is to send.
pub struct Part {
    /// A duplicate, so that the application may close its own.
    pub file: File,
    /// Where the part begins.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize = 8192))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> FileWrapper {
        FileWrapper { filelike, blksize }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let data = self
            .filelike
            .bind(py)
            .call_method1("read", (self.blksize,))?;
        Ok(Some(data).filter(|data| data.is_truthy().unwrap_or(true)))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, _index: isize) -> PyResult<Bound<'py, PyAny>> {
        self.__next__(py)?
            .ok_or_else(|| PyIndexError::new_err("the file is at its end"))
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let file = self.filelike.bind(py);
        if file.hasattr("close")? {
            file.call_method0("close")?;
        }
        Ok(())
    }
}

impl FileWrapper {
    /// What is left of a real file from its position on; `None` for other objects and for an
    /// empty rest.
    pub fn part(&self, py: Python<'_>) -> Option<Part> {
        let filelike = self.filelike.bind(py);
        let descriptor: i32 = filelike.call_method0("fileno").ok()?.extract().ok()?;
        let offset: u64 = filelike.call_method0("tell").ok()?.extract().ok()?;
        let file = duplicate(descriptor)?;
        let metadata = file.metadata().ok()?;
        let length = metadata.len().checked_sub(offset)?;
        (metadata.is_file() && length > 0).then_some(Part {
            file,
            offset,
            length,
        })
    }
}

fn duplicate(descriptor: i32) -> Option<File> {
    crate::ffi::with_descriptor(descriptor, |descriptor: BorrowedFd<'_>| {
        descriptor.try_clone_to_owned().ok().map(File::from)
    })
}
