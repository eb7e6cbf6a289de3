//! Strings and bytes between Rust and Python without a detour over UTF-8.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::string::PyStringData;
use pyo3::types::{PyBytes, PyString};

/// A `str` whose code points are these bytes: the "native string" of PEP 3333.
#[inline]
pub fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // A slice is never longer than isize::MAX.
    let length = bytes.len() as ffi::Py_ssize_t;
    // SAFETY: the pointer is valid for `length` bytes, which are copied; the result is a new
    // reference to a str, or null with an exception set.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, c"strict".as_ptr());
        Ok(Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked())
    }
}

/// The code points of a `str`, if all of them are below 256; `None` for others.
#[inline]
pub fn one_byte_text<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    // SAFETY: a str is immutable, and it lives as long as the borrow of `text` that the slice has.
    match unsafe { text.data() } {
        Ok(PyStringData::Ucs1(bytes)) => Some(bytes),
        _ => None,
    }
}

/// A Python `bytes` object whose contents can be read without being attached to the interpreter.
pub struct PinnedBytes {
    // Keeps the memory that `start` points to; never touched otherwise.
    _owner: Py<PyBytes>,
    start: *const u8,
    length: usize,
}

// SAFETY: `start` points into an immutable bytes object that `_owner` keeps alive, which any thread may read;
// dropping a `Py` from any thread is PyO3's concern.
unsafe impl Send for PinnedBytes {}

impl PinnedBytes {
    /// Keeps `bytes` alive and readable.
    pub fn new(bytes: Bound<'_, PyBytes>) -> PinnedBytes {
        let contents = bytes.as_bytes();
        let (start, length) = (contents.as_ptr(), contents.len());
        PinnedBytes {
            start,
            length,
            _owner: bytes.unbind(),
        }
    }
}

impl AsRef<[u8]> for PinnedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: see `start`; a bytes object neither moves nor changes while it is referenced.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}
