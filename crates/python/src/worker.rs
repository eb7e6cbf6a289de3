//! The sync worker: the loop and the application in one thread.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use oxicorn_worker::Engine;
use oxicorn_worker::clock::Moment;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::ffi::with_descriptor;
use crate::wsgi::{Common, Listener, Wsgi};
use crate::{config, options, process};

/// How long the loop may go on without offering the interpreter to the application's other
/// threads. An application that runs Python code offers it by itself; one that is all native
/// code would not.
const ATTACHED_AT_MOST: Duration = Duration::from_millis(5);

/// How often the worker looks whether its arbiter is still there.
const PARENT_CHECK: Duration = Duration::from_secs(1);

/// Longest wait for readiness; the engine's own ticks are shorter.
const IDLE: Duration = Duration::from_secs(1);

/// Serves the worker's sockets until it is told to leave (`worker.alive` is false), its arbiter is
/// gone, or it has served `max_requests`.
///
/// # Errors
///
/// What a signal handler raises, `SystemExit` included; and failures of the system that leave the
/// worker nothing to do.
#[pyfunction]
pub fn run_sync(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    Loop::new(worker)?.run()
}

struct Loop<'py> {
    py: Python<'py>,
    worker: Bound<'py, PyAny>,
    engine: Engine<Wsgi<'py>>,
    application: Wsgi<'py>,
    wakeup: OwnedFd,
    parent: Parent,
}

impl<'py> Loop<'py> {
    fn new(worker: &Bound<'py, PyAny>) -> PyResult<Loop<'py>> {
        let py = worker.py();
        let config = config::typed(&worker.getattr("cfg")?)?;
        let max_requests: u64 = worker.getattr("max_requests")?.extract()?;
        let max_requests = Some(max_requests).filter(|_| config.max_requests > 0);
        let options = options::worker(&config, max_requests)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (sockets, listeners) = listeners(worker)?;
        let pipe = worker.getattr("PIPE")?.get_item(0)?;
        let wakeup = duplicate(&pipe)?;
        let engine = Engine::new(options, sockets, wakeup.as_fd(), process::slot_of(worker)?)?;
        let common = Common {
            multithread: false,
            multiprocess: config.workers > 1,
            errors: py.import("oxicorn.wsgi")?.getattr("errors_for")?.call1((worker.getattr("log")?,))?.unbind(),
            script_name: std::env::var_os("SCRIPT_NAME").unwrap_or_default().into_encoded_bytes(),
        };
        let application = Wsgi::new(worker, &common, listeners, config.sendfile)?;
        let parent = Parent { pid: worker.getattr("ppid")?.extract()?, next_check: engine.now() };
        Ok(Loop { py, worker: worker.clone(), engine, application, wakeup, parent })
    }

    fn run(&mut self) -> PyResult<()> {
        let mut attached_since = self.engine.now();
        while !self.engine.is_finished() {
            // First without letting go of the interpreter: under load something is always ready.
            let mut ready = self.engine.poll(Duration::ZERO)?;
            let attached = self.engine.now().micros_since(attached_since);
            if ready == 0 || u128::from(attached) > ATTACHED_AT_MOST.as_micros() {
                let wait = if ready == 0 { IDLE } else { Duration::ZERO };
                let engine = &mut self.engine;
                ready = self.py.detach(|| engine.poll(wait))?;
                attached_since = Moment::now();
            }
            self.engine.turn(ready, &mut self.application);
            if self.engine.take_wakeup() {
                drain(&self.wakeup);
                self.py.check_signals()?;
            }
            if !self.worker.getattr(pyo3::intern!(self.py, "alive"))?.is_truthy()? {
                if self.application.exit_was_raised() {
                    break;
                }
                self.engine.drain(&mut self.application);
            }
            if self.parent.is_gone(self.engine.now()) {
                let message = format!("Parent changed, shutting down: {}", self.worker.str()?);
                self.worker.getattr("log")?.call_method1("info", (message,))?;
                break;
            }
        }
        self.worker.setattr("nr", self.engine.requests())
    }
}

/// The arbiter, as its worker sees it.
struct Parent {
    pid: i32,
    next_check: Moment,
}

impl Parent {
    /// Looks once a second: another parent means that the arbiter died without a word.
    fn is_gone(&mut self, now: Moment) -> bool {
        if now < self.next_check {
            return false;
        }
        self.next_check = now.after(PARENT_CHECK);
        rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get()) != self.pid
    }
}

/// The worker's sockets: descriptors of its own for the engine, names for environs.
fn listeners(worker: &Bound<'_, PyAny>) -> PyResult<(Vec<OwnedFd>, Vec<Listener>)> {
    let mut descriptors = Vec::new();
    let mut names = Vec::new();
    for socket in worker.getattr("sockets")?.try_iter()? {
        let socket = socket?;
        descriptors.push(duplicate(&socket.call_method0("fileno")?)?);
        names.push(listener_name(&socket.call_method0("getsockname")?)?);
    }
    Ok((descriptors, names))
}

fn listener_name(name: &Bound<'_, PyAny>) -> PyResult<Listener> {
    if let Ok(address) = name.cast::<PyTuple>() {
        let (name, port) = (address.get_item(0)?.extract()?, address.get_item(1)?.extract()?);
        return Ok(Listener::Ip { name, port });
    }
    let path = match name.extract::<Vec<u8>>() {
        Ok(abstract_name) => abstract_name,
        Err(_) => name.extract::<PathBuf>()?.into_os_string().into_encoded_bytes(),
    };
    Ok(Listener::Unix { path })
}

fn duplicate(descriptor: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    with_descriptor(descriptor.extract()?, |descriptor| descriptor.try_clone_to_owned().ok())
        .ok_or_else(|| PyOSError::new_err(format!("descriptor {descriptor} cannot be used")))
}

/// Empties the wake-up pipe: that something came matters, not what.
fn drain(pipe: &OwnedFd) {
    let mut bytes = [0_u8; 64];
    while rustix::io::read(pipe, &mut bytes).is_ok_and(|length| length == bytes.len()) {}
}
