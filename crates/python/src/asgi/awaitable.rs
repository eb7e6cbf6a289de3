//! What `receive` and `send` return. It looks like a coroutine to whoever asks (`create_task` and
//! `wait_for` do), and suspends only where something has to be waited for.

use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyIterator;

use super::endpoint::{Party, Wanted};
use crate::ffi::AttachedCell;
use crate::ffi::ready::without_detour;

/// The result of something that is done already, without a value.
#[pyclass(frozen, module = "oxicorn", name = "done")]
pub struct Done;

#[pymethods]
impl Done {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        Err(raised(kind, value)?)
    }

    fn close(&self) {}
}

/// The awaitable of everything that is done already.
pub fn done(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static DONE: PyOnceLock<Py<Done>> = PyOnceLock::new();
    let done = DONE.get_or_try_init(py, || {
        without_detour(&py.get_type::<Done>());
        Py::new(py, Done)
    })?;
    Ok(done.clone_ref(py).into_any())
}

/// Waits on a future of the loop's, again and again until its subject has what is wanted.
///
/// The future only wakes; the message is taken when the task runs. So a wait that is cancelled
/// loses nothing.
#[pyclass(frozen, module = "oxicorn", name = "pending")]
pub struct Pending {
    party: Party,
    wanted: Wanted,
    waiting: AttachedCell<Option<Waiting>>,
}

/// A future of the loop's that is waited on.
struct Waiting {
    future: Py<PyAny>,
    iterator: Py<PyAny>,
}

impl Pending {
    /// Waits for this.
    pub fn new(party: Party, wanted: Wanted) -> Pending {
        Pending {
            party,
            wanted,
            waiting: AttachedCell::new(None),
        }
    }

    /// As an object of Python's.
    pub fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Bound::new(py, self)?.into_any().unbind())
    }

    /// Takes what is waited on, or puts it there.
    fn swap(&self, py: Python<'_>, waiting: Option<Waiting>) -> Option<Waiting> {
        std::mem::replace(&mut *self.waiting.lend(py)?, waiting)
    }

    /// Goes on: gives the future to wait on, or raises StopIteration with the result.
    fn advance(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            if let Some(waiting) = self.swap(py, None) {
                match (waiting.iterator.bind(py).cast::<PyIterator>()?.clone()).next() {
                    Some(Ok(future)) => {
                        self.swap(py, Some(waiting));
                        return Ok(Some(future.unbind()));
                    }
                    Some(Err(error)) => {
                        self.party.forget(py, &waiting.future);
                        return Err(error);
                    }
                    None => {}
                }
            }
            match self.wanted {
                Wanted::Room if self.party.has_room(py)? => return Ok(None),
                Wanted::Room => {}
                Wanted::Message => {
                    if let Some(message) = self.party.next_message(py)? {
                        return Err(PyStopIteration::new_err((message.unbind(),)));
                    }
                }
            }
            let future = self.party.wait_for(py, self.wanted)?;
            let iterator = future.call_method0(intern!(py, "__await__"))?;
            let (future, iterator) = (future.unbind(), iterator.unbind());
            self.swap(py, Some(Waiting { future, iterator }));
        }
    }
}

#[pymethods]
impl Pending {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.advance(py)
    }

    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match self.advance(py)? {
            Some(future) => Ok(future),
            None => Err(PyStopIteration::new_err(())),
        }
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        // Whoever throws wants the wait to end, and the future has nothing to say to that.
        self.close(py);
        Err(raised(kind, value)?)
    }

    fn close(&self, py: Python<'_>) {
        if let Some(waiting) = self.swap(py, None) {
            self.party.forget(py, &waiting.future);
        }
    }
}

/// The exception that `throw` was called with, as an instance or as a class and its argument.
fn raised(kind: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyResult<PyErr> {
    if kind.is_instance_of::<pyo3::types::PyType>() {
        let exception = match value {
            Some(value) if value.is_instance(kind)? => value.clone(),
            Some(value) => kind.call1((value,))?,
            None => kind.call0()?,
        };
        return Ok(PyErr::from_value(exception));
    }
    Ok(PyErr::from_value(kind.clone()))
}
