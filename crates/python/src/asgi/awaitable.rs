//! What `receive` and `send` return. It looks like a coroutine to whoever asks (`create_task` and
//! `wait_for` do), and suspends only where something has to be waited for.

use std::cell::RefCell;

use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use super::cycle::Cycle;
use super::websocket::Socket;

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

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The next message of `receive`.
    Message,
    /// That the client has taken most of what was sent.
    Room,
}

/// Whom to ask for it.
pub enum Subject {
    /// A request.
    Request(Py<Cycle>),
    /// A WebSocket.
    Socket(Py<Socket>),
}

/// What was wanted, and is there.
enum Got<'py> {
    Message(Bound<'py, PyAny>),
    Room,
}

impl Subject {
    fn take<'py>(&self, py: Python<'py>, wanted: Wanted) -> PyResult<Option<Got<'py>>> {
        Ok(match (self, wanted) {
            (Subject::Request(one), Wanted::Message) => {
                Cycle::next_message(one.bind(py))?.map(Got::Message)
            }
            (Subject::Socket(one), Wanted::Message) => {
                Socket::next_message(one.bind(py))?.map(Got::Message)
            }
            (Subject::Request(one), Wanted::Room) => {
                Cycle::room_result(one.bind(py))?.then_some(Got::Room)
            }
            (Subject::Socket(one), Wanted::Room) => {
                Socket::room_result(one.bind(py))?.then_some(Got::Room)
            }
        })
    }

    fn wait_for<'py>(&self, py: Python<'py>, wanted: Wanted) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Subject::Request(one) => Cycle::wait_for(one.bind(py), wanted),
            Subject::Socket(one) => Socket::wait_for(one.bind(py), wanted),
        }
    }
}

/// Waits on a future of the loop's, again and again until its subject has what is wanted.
///
/// The future only wakes; the message is taken when the task runs. So a wait that is cancelled
/// loses nothing.
#[pyclass(unsendable, module = "oxicorn", name = "pending")]
pub struct Pending {
    subject: Subject,
    wanted: Wanted,
    /// The iterator of the future that is waited on.
    waiting: RefCell<Option<Py<PyAny>>>,
}

impl Pending {
    /// Waits for this.
    pub fn new(subject: Subject, wanted: Wanted) -> Pending {
        Pending {
            subject,
            wanted,
            waiting: RefCell::new(None),
        }
    }

    /// Goes on: gives the future to wait on, or raises StopIteration with the result.
    fn advance(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let waiting = self.waiting.borrow_mut().take();
            if let Some(waiting) = waiting {
                match waiting.bind(py).cast::<PyIterator>()?.clone().next() {
                    Some(Ok(future)) => {
                        *self.waiting.borrow_mut() = Some(waiting);
                        return Ok(Some(future.unbind()));
                    }
                    Some(Err(error)) => return Err(error),
                    None => {}
                }
            }
            match self.subject.take(py, self.wanted)? {
                Some(Got::Room) => return Ok(None),
                Some(Got::Message(message)) => {
                    return Err(PyStopIteration::new_err((message.unbind(),)));
                }
                None => {
                    let future = self.subject.wait_for(py, self.wanted)?;
                    let iterator = future.call_method0(intern!(py, "__await__"))?;
                    *self.waiting.borrow_mut() = Some(iterator.unbind());
                }
            }
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

    fn close(&self, _py: Python<'_>) {
        drop(self.waiting.borrow_mut().take());
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
