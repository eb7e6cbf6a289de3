//! What an application can ask about the client of its request: whether it is gone, and to be told when it goes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use oxicorn_sys::ledger::Socket;
use oxicorn_sys::stream;
use oxicorn_worker::lookout::{Lookout, Watch};
use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;

/// `environ["oxicorn.client"]`. Made once a connection; what was asked for is forgotten with each request.
#[pyclass(frozen, name = "client", module = "oxicorn")]
pub struct Presence {
    socket: Weak<Socket>,
    /// The loop that callbacks are called in; without one they are called in a thread of their own.
    event_loop: Option<Py<PyAny>>,
    has_asked: AtomicBool,
    /// Only taken with the interpreter, which is not let go meanwhile.
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    watch: Option<Watch>,
    callbacks: Vec<Py<PyAny>>,
}

impl Presence {
    /// Of the client behind this socket.
    pub fn new(
        py: Python<'_>,
        socket: &Arc<Socket>,
        event_loop: Option<Py<PyAny>>,
    ) -> PyResult<Py<Presence>> {
        let presence = Presence {
            socket: Arc::downgrade(socket),
            event_loop,
            has_asked: AtomicBool::new(false),
            asked: Mutex::default(),
        };
        Py::new(py, presence)
    }

    /// The request is over: nobody is told of its client any more.
    #[inline]
    pub fn request_over(&self) {
        if self.has_asked.load(Ordering::Relaxed) {
            self.forget();
        }
    }

    #[cold]
    fn forget(&self) {
        self.has_asked.store(false, Ordering::Relaxed);
        let asked = std::mem::take(&mut *self.lock());
        drop(asked);
    }

    /// The state stays usable after a panic of another thread: each change of it is one operation.
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, py: Python<'_>) {
        let asked = std::mem::take(&mut *self.lock());
        for callback in asked.callbacks {
            let told = match &self.event_loop {
                Some(event_loop) => {
                    event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (&callback,))
                }
                None => callback.call0(py),
            };
            if let Err(error) = told {
                error.write_unraisable(py, Some(callback.bind(py)));
            }
        }
    }
}

#[pymethods]
impl Presence {
    /// The client has closed its connection, or its side of it.
    #[getter]
    fn gone(&self) -> bool {
        self.socket
            .upgrade()
            .is_none_or(|socket| stream::peer_has_ended(&*socket))
    }

    /// Calls `callback()` as soon as the client is gone, if that happens before the request is over.
    fn on_disconnect(slf: &Bound<'_, Self>, callback: Bound<'_, PyAny>) -> PyResult<()> {
        if !callback.is_callable() {
            let got = callback.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "on_disconnect takes a callable without arguments, not {got}"
            )));
        }
        let presence = slf.get();
        let Some(socket) = presence.socket.upgrade() else {
            return Err(PyOSError::new_err(
                "the connection of this request is closed",
            ));
        };
        let mut asked = presence.lock();
        if asked.watch.is_none() {
            let told = slf.clone().unbind();
            let notice = move || Python::attach(|py| told.get().tell(py));
            asked.watch = Some(lookout()?.watch(socket, Box::new(notice))?);
        }
        asked.callbacks.push(callback.unbind());
        presence.has_asked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The worker's.
fn lookout() -> io::Result<&'static Lookout> {
    static LOOKOUT: OnceLock<Lookout> = OnceLock::new();
    if let Some(lookout) = LOOKOUT.get() {
        return Ok(lookout);
    }
    let lookout = Lookout::new()?;
    Ok(LOOKOUT.get_or_init(|| lookout))
}
