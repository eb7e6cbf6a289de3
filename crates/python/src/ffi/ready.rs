//! Awaitables that have nothing to wait for.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller has a reference to the object; the result is a new one.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn at_its_end(_iterator: *mut ffi::PyObject) -> *mut ffi::PyObject {
    std::ptr::null_mut()
}

/// Makes `await` of an instance of `class` two calls that do nothing. It has to be a class made here whose
/// `__await__` and `__iter__` give the object itself, and whose `__next__` ends at once without a value:
/// what this takes away is the way through PyO3, most of what `await` costs.
pub fn without_detour(class: &Bound<'_, PyType>) {
    let class: *mut ffi::PyTypeObject = class.as_type_ptr();
    // SAFETY: the class is one of PyO3's, so made at run time with tables of its own for these slots, and
    // the interpreter is attached. The functions put in have the signature and the meaning of those they
    // replace; `null` without an exception is how an iterator ends.
    unsafe {
        (*class).tp_iter = Some(itself);
        (*class).tp_iternext = Some(at_its_end);
        if let Some(slots) = (*class).tp_as_async.as_mut() {
            slots.am_await = Some(itself);
        }
    }
}
