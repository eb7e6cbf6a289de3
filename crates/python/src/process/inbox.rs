//! What signals and hooks ask of the arbiter, until its loop gets to it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, PoisonError};

use oxicorn_arbiter::Request;
use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::WakeUp;
use pyo3::prelude::*;

/// The queue, and the pipe that wakes the loop. It is also the Python-level handler of every signal that the arbiter
/// obeys: a hook or a preloaded application that installs a handler of its own takes that signal over.
#[pyclass(frozen, module = "oxicorn._oxicorn")]
pub struct Inbox {
    requests: Mutex<VecDeque<Request>>,
    wakeup: Arc<WakeUp>,
}

impl Inbox {
    /// The pipe.
    pub fn wakeup(&self) -> &Arc<WakeUp> {
        &self.wakeup
    }

    /// Everything asked since the last call.
    pub fn take(&self) -> Vec<Request> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.drain(..).collect()
    }

    fn push(&self, request: Request) {
        // Nothing that can panic or call Python happens under the lock, so a poisoned one is still in order.
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push_back(request);
        self.wakeup.wake();
    }
}

#[pymethods]
impl Inbox {
    #[new]
    fn new() -> PyResult<Inbox> {
        Ok(Inbox {
            requests: Mutex::default(),
            wakeup: Arc::new(WakeUp::new()?),
        })
    }

    /// A signal handler.
    fn __call__(&self, number: i32, _frame: &Bound<'_, PyAny>) {
        if let Some(signal) = Signal::from_number(number) {
            self.push(Request::Signal(signal));
        }
    }

    /// The end of the pipe for `signal.set_wakeup_fd`.
    fn fileno(&self) -> i32 {
        self.wakeup.writer().as_fd().as_raw_fd()
    }

    /// Sets the number of workers.
    fn set_target(&self, target: usize) {
        self.push(Request::Target(target));
    }

    /// Has the loop look at everything again.
    fn wake(&self) {
        self.push(Request::Manage);
    }
}
