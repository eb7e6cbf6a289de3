//! What `receive` and `send` are bound to: a request or a WebSocket.

use std::rc::Rc;

use pyo3::PyClass;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyDict;

use super::cycle::Cycle;
use super::shared::{Command, Shared};
use super::task::Ended;
use super::websocket::Socket;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The next message of `receive`.
    Message,
    /// That the client has taken most of what was sent.
    Room,
}

/// One side of a conversation with a client: the application's.
pub trait Endpoint: PyClass<Frozen = True> + Sync {
    /// What messages are about, for the documentation of the functions.
    const SEND: &'static std::ffi::CStr;
    /// The same of `receive`.
    const RECEIVE: &'static std::ffi::CStr;

    /// This one.
    fn party(slf: &Bound<'_, Self>) -> Party;

    /// What the endpoints of a worker share; `None` in another thread than the loop's.
    fn shared(&self) -> Option<&Rc<Shared>>;

    /// Its list of those who wait; not for longer than it takes to change it.
    fn with_waiters<R>(&self, py: Python<'_>, change: impl FnOnce(&mut Waiters) -> R) -> Option<R>;

    /// The next message, if there is one.
    fn next_message<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>>;

    /// Whether the client has taken enough of what was sent.
    fn has_room(slf: &Bound<'_, Self>) -> PyResult<bool>;

    /// Does what a message says; true if the client has to take something first.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyDict>) -> PyResult<bool>;

    /// What follows when its task is done.
    fn task_done(slf: &Bound<'_, Self>, ended: Ended) -> Command;

    /// [`Endpoint::shared`], or what to tell those who call from elsewhere.
    fn shared_here(&self) -> PyResult<&Rc<Shared>> {
        self.shared().ok_or_else(|| {
            PyRuntimeError::new_err("receive and send belong to the thread of the event loop")
        })
    }

    /// A new future of the loop's that is done when what is wanted may be there.
    fn wait_for<'py>(slf: &Bound<'py, Self>, wanted: Wanted) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let endpoint = slf.get();
        let calls = &endpoint.shared_here()?.calls;
        let future = calls.create_future.bind(py).call0()?;
        let waiter = future.clone().unbind();
        endpoint.with_waiters(py, |waiters| waiters.0.push((wanted, waiter)));
        Ok(future)
    }

    /// Nobody waits on `future` any more.
    fn forget(&self, py: Python<'_>, future: &Py<PyAny>) {
        // Dropped only when the list is free again: that may run code of Python's.
        drop(self.with_waiters(py, |waiters| waiters.remove(future)));
    }

    /// Wakes those who wait for this.
    fn wake(&self, py: Python<'_>, wanted: Wanted) {
        let Some(shared) = self.shared() else { return };
        let woken = self.with_waiters(py, |waiters| waiters.take(wanted));
        for future in woken.unwrap_or_default() {
            if let Err(error) = shared.wake(future.bind(py)) {
                error.print(py);
            }
        }
    }
}

/// Those who wait, each with its future.
#[derive(Default)]
pub struct Waiters(Vec<(Wanted, Py<PyAny>)>);

impl Waiters {
    /// Somebody waits for this.
    pub fn want(&self, wanted: Wanted) -> bool {
        self.0.iter().any(|(one, _)| *one == wanted)
    }

    fn remove(&mut self, future: &Py<PyAny>) -> Option<Py<PyAny>> {
        let at = self.0.iter().position(|(_, one)| one.is(future))?;
        Some(self.0.remove(at).1)
    }

    fn take(&mut self, wanted: Wanted) -> Vec<Py<PyAny>> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut self.0);
        let (woken, left) = waiting.into_iter().partition(|(one, _)| *one == wanted);
        self.0 = left;
        let woken: Vec<_> = woken;
        woken.into_iter().map(|(_, future)| future).collect()
    }
}

/// An endpoint of either kind.
pub enum Party {
    /// A request.
    Request(Py<Cycle>),
    /// A WebSocket.
    Socket(Py<Socket>),
}

impl Party {
    /// One more reference to it.
    pub fn clone_ref(&self, py: Python<'_>) -> Party {
        match self {
            Party::Request(one) => Party::Request(one.clone_ref(py)),
            Party::Socket(one) => Party::Socket(one.clone_ref(py)),
        }
    }

    /// [`Endpoint::next_message`].
    pub fn next_message<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Party::Request(one) => Cycle::next_message(one.bind(py)),
            Party::Socket(one) => Socket::next_message(one.bind(py)),
        }
    }

    /// [`Endpoint::has_room`].
    pub fn has_room(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Party::Request(one) => Cycle::has_room(one.bind(py)),
            Party::Socket(one) => Socket::has_room(one.bind(py)),
        }
    }

    /// [`Endpoint::forget`].
    pub fn forget(&self, py: Python<'_>, future: &Py<PyAny>) {
        match self {
            Party::Request(one) => one.get().forget(py, future),
            Party::Socket(one) => one.get().forget(py, future),
        }
    }

    /// [`Endpoint::wait_for`].
    pub fn wait_for<'py>(&self, py: Python<'py>, wanted: Wanted) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Party::Request(one) => Cycle::wait_for(one.bind(py), wanted),
            Party::Socket(one) => Socket::wait_for(one.bind(py), wanted),
        }
    }
}
