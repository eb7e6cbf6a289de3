//! Built-in functions bound to an object, and calls without argument tuples.
//!
//! `start_response` is called once a request; as a built-in function with the fast calling
//! convention it costs a few hundred instructions less than the `__call__` of a class.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// What a [`Function`] does: it gets the object that it is bound to and its positional arguments.
pub trait Body {
    /// As Python shows it.
    const NAME: &'static std::ffi::CStr;
    /// Its documentation.
    const DOC: &'static std::ffi::CStr;
    /// The one argument that may be given by name.
    const KEYWORD: &'static str;

    /// Runs it.
    fn call<'py>(
        bound: &Bound<'py, PyAny>,
        arguments: &[Borrowed<'_, 'py, PyAny>],
        keyword: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> PyResult<Py<PyAny>>;
}

/// A built-in function.
pub struct Function;

impl Function {
    /// Makes a function of kind `F` bound to `object`.
    pub fn bind<'py, F: Body>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let definition = const {
            &ffi::PyMethodDef {
                ml_name: F::NAME.as_ptr(),
                ml_meth: ffi::PyMethodDefPointer {
                    PyCFunctionFastWithKeywords: trampoline::<F>,
                },
                ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
                ml_doc: F::DOC.as_ptr(),
            }
        };
        let definition = ptr::from_ref::<ffi::PyMethodDef>(definition).cast_mut();
        // SAFETY: CPython only reads the definition, which lives for ever; the function keeps its own
        // reference to `object`. The result is a new reference, or null with an exception set.
        unsafe {
            let function = ffi::PyCFunction_NewEx(definition, object.as_ptr(), ptr::null_mut());
            Bound::from_owned_ptr_or_err(object.py(), function)
        }
    }
}

/// Most positional arguments that any of our functions takes.
const MOST: usize = 4;

unsafe extern "C" fn trampoline<F: Body>(
    bound: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached to the interpreter.
    let py = unsafe { Python::assume_attached() };
    let called = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the function holds a reference to the object it is bound to for the whole call.
        let bound = unsafe { Bound::from_borrowed_ptr(py, bound) };
        let positional = usize::try_from(count).unwrap_or(0);
        // SAFETY: the names of keyword arguments come as a tuple, or as null.
        let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, keywords) };
        let keyword = names.map_or(Ok(0), |names| count_keywords(names.cast()?, F::KEYWORD))?;
        if positional > MOST {
            return Err(PyTypeError::new_err("too many arguments"));
        }
        let none = py.None();
        let mut values = [none.bind_borrowed(py); MOST + 1];
        for (index, value) in values.iter_mut().enumerate().take(positional + keyword) {
            // SAFETY: the caller passes `count` positional and then the keyword values, all of them
            // borrowed references that are valid for the whole call.
            *value = unsafe { Borrowed::from_ptr(py, *arguments.add(index)) };
        }
        let named = (keyword == 1)
            .then(|| values.get(positional).copied())
            .flatten();
        F::call(&bound, values.get(..positional).unwrap_or_default(), named)
    }));
    match called {
        Ok(Ok(value)) => value.into_ptr(),
        Ok(Err(error)) => {
            error.restore(py);
            ptr::null_mut()
        }
        Err(_) => {
            PyRuntimeError::new_err("internal error of the server").restore(py);
            ptr::null_mut()
        }
    }
}

fn count_keywords(names: &Bound<'_, PyTuple>, expected: &str) -> PyResult<usize> {
    for name in names {
        if name.extract::<&str>()? != expected {
            return Err(PyTypeError::new_err(format!(
                "unexpected keyword argument {name:?}"
            )));
        }
    }
    Ok(names.len())
}

/// Calls `callable(first, second, third)` without building a tuple.
#[inline]
pub fn call_three<'py>(
    callable: &Bound<'py, PyAny>,
    [first, second, third]: [&Bound<'py, PyAny>; 3],
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [
        ptr::null_mut(),
        first.as_ptr(),
        second.as_ptr(),
        third.as_ptr(),
    ];
    // SAFETY: as in `call_two`, with one argument more.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            arguments.as_ptr().add(1),
            3 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// Calls `callable(argument, **keywords)` with a dict that is made once.
#[inline]
pub fn call_with<'py>(
    callable: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
    keywords: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [ptr::null_mut(), argument.as_ptr()];
    // SAFETY: as in `call_two`, with one argument; `keywords` is a dict, which callees only read.
    unsafe {
        let result = ffi::PyObject_VectorcallDict(
            callable.as_ptr(),
            arguments.as_ptr().add(1),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            keywords.as_ptr(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// Calls `callable(argument)` without building a tuple.
#[inline]
pub fn call_one<'py>(
    callable: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [ptr::null_mut(), argument.as_ptr()];
    // SAFETY: as in `call_two`, with one argument.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            arguments.as_ptr().add(1),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// Calls `callable(first, second)` without building a tuple.
#[inline]
pub fn call_two<'py>(
    callable: &Bound<'py, PyAny>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [ptr::null_mut(), first.as_ptr(), second.as_ptr()];
    // SAFETY: the two arguments are valid for the call; the slot before them is ours to lend, which
    // PY_VECTORCALL_ARGUMENTS_OFFSET says. The result is a new reference or null with an exception set.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            arguments.as_ptr().add(1),
            2 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}
