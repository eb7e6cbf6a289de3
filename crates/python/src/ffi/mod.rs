//! The only unsafe code of the Python border: calls of CPython's C API for which PyO3 has no
//! safe equal, or for which a measurement asked.

use std::os::fd::BorrowedFd;

use pyo3::prelude::*;

pub mod cell;
pub mod confined;
pub mod dict;
pub mod fork;
pub mod function;
pub mod ready;
pub mod text;

pub use cell::{AttachedCell, Lent};
pub use confined::Confined;
pub use function::{Function, call_one, call_three, call_two, call_with};
pub use text::{PinnedBytes, latin1, one_byte_text};

/// Lends a descriptor that Python owns for one call; `None` for a negative one.
pub fn with_descriptor<R>(
    descriptor: i32,
    act: impl FnOnce(BorrowedFd<'_>) -> Option<R>,
) -> Option<R> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: it is not -1, and the borrow ends with `act`. Whether it is open is Python's word; if it
    // is not, the system calls made with it fail with EBADF and nothing else happens.
    act(unsafe { BorrowedFd::borrow_raw(descriptor) })
}

/// The interpreter for objects that stay with one thread and are only used while it is attached.
///
/// Only for the fields of an `unsendable` class: PyO3 lets nobody but the thread that made an instance
/// at them, or drop them, and Python calls its methods and its deallocation attached.
pub fn resident(_attached: Python<'_>) -> Python<'static> {
    // SAFETY: the thread is attached, as the argument says. That it is so whenever the result is used is
    // what callers promise, see above; there is one, the driver of the ASGI worker.
    unsafe { Python::assume_attached() }
}

/// How many references to an object there are, ours included.
#[inline]
pub fn references<T>(object: &Py<T>, _attached: Python<'_>) -> isize {
    // SAFETY: the reference that we hold keeps the object alive while its count is read.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) }
}
