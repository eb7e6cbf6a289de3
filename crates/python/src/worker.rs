//! The thread of a worker's loop, and the sync worker, whose application runs in it.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxicorn_config::Config;
use oxicorn_worker::clock::Moment;
use oxicorn_worker::helper::{Calls, Helper};
use oxicorn_worker::watchdog::Watchdog;
use oxicorn_worker::{Application, Engine, Limits, Purpose};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::ffi::with_descriptor;
use crate::wsgi::{AccessLog, Common, Listener, Wsgi};
use crate::{config, options, overdue, process};

/// How long the loop may go on without offering the interpreter to the application's other
/// threads. An application that runs Python code offers it by itself; one that is all native
/// code would not.
pub const ATTACHED_AT_MOST: Duration = Duration::from_millis(5);

/// How often the worker looks whether its arbiter is still there.
const PARENT_CHECK: Duration = Duration::from_secs(1);

/// Longest wait for readiness; the engine's own ticks are shorter.
pub const IDLE: Duration = Duration::from_secs(1);

/// Serves the worker's sockets until it is told to leave (`worker.alive` is false) or its arbiter is
/// gone.
///
/// # Errors
///
/// What a signal handler raises, `SystemExit` included; and failures of the system that leave the
/// worker nothing to do.
#[pyfunction]
pub fn run_sync(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    let Parts {
        config,
        options,
        sockets,
        listeners,
        wakeup,
        common,
    } = Parts::of(worker, false)?;
    let mut application = Wsgi::new(worker, &common, &listeners, config.sendfile)?;
    let mut served = Loop::new(worker, options, sockets, wakeup)?;
    let _helper = served.find_help(&config)?;
    served.run(&mut application, |_, application| {
        application.exit_was_raised()
    })
}

/// What a helper is for, if it is for anything.
fn purpose_of_help(config: &Config) -> Option<Purpose> {
    let has_limits = config.max_queue > 0 || config.max_queue_time > 0;
    if has_limits || (config.handoff && config.workers > 1) {
        return Some(Purpose::Dispatch);
    }
    // Nobody to give anything to, but the one that replaces this worker.
    overdue::timeout(config.timeout)
        .filter(|_| config.handoff)
        .map(Purpose::Rescue)
}

/// When the worker asks to be replaced. Its own numbers include its jitter.
fn limits(worker: &Bound<'_, PyAny>, config: &Config) -> PyResult<Limits> {
    let number = |name: &str| worker.getattr(name)?.extract::<u64>();
    let requests = number("max_requests")?;
    let memory = number("max_memory")?;
    let lifetime: f64 = worker.getattr("max_lifetime")?.extract()?;
    let lifetime = Duration::try_from_secs_f64(lifetime).unwrap_or(Duration::MAX);
    Ok(Limits {
        requests: Some(requests).filter(|_| config.max_requests > 0),
        memory_kib: Some(memory / 1024).filter(|_| config.max_worker_memory > 0),
        lifetime: Some(lifetime).filter(|_| config.max_worker_lifetime > 0),
    })
}

/// What a worker's loop is made from.
pub struct Parts {
    /// Of the worker.
    pub config: Arc<Config>,
    /// Of the engine.
    pub options: oxicorn_worker::Options,
    /// Descriptors of the worker's listeners.
    pub sockets: Vec<OwnedFd>,
    /// The same as environs tell them.
    pub listeners: Vec<Listener>,
    /// The reading end of the worker's pipe.
    pub wakeup: OwnedFd,
    /// What all environs have in common.
    pub common: Common,
}

impl Parts {
    /// Of `worker`, whose application is loaded.
    pub fn of(worker: &Bound<'_, PyAny>, multithread: bool) -> PyResult<Parts> {
        let py = worker.py();
        overdue::prepare_last_words(worker)?;
        let config = config::typed(&worker.getattr("cfg")?)?;
        let options = options::worker(&config, limits(worker, &config)?)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (sockets, listeners) = listeners(worker)?;
        let wakeup = duplicate(&worker.getattr("PIPE")?.get_item(0)?)?;
        let errors = py
            .import("oxicorn.wsgi")?
            .getattr("errors_for")?
            .call1((worker.getattr("log")?,))?;
        let common = Common {
            multithread,
            multiprocess: config.workers > 1,
            timeout: overdue::timeout(config.timeout),
            errors: errors.unbind(),
            access: AccessLog::of(worker)?,
            script_name: std::env::var_os("SCRIPT_NAME")
                .unwrap_or_default()
                .into_encoded_bytes(),
        };
        Ok(Parts {
            config,
            options,
            sockets,
            listeners,
            wakeup,
            common,
        })
    }
}

/// The thread that runs a worker's engine.
pub struct Loop<'py, A: Application> {
    py: Python<'py>,
    worker: Bound<'py, PyAny>,
    engine: Engine<A>,
    wakeup: OwnedFd,
    parent: Parent,
    watchdog: Option<Watchdog>,
}

impl<'py, A: Application> Loop<'py, A> {
    /// A loop over `sockets`.
    pub fn new(
        worker: &Bound<'py, PyAny>,
        options: oxicorn_worker::Options,
        sockets: Vec<OwnedFd>,
        wakeup: OwnedFd,
    ) -> PyResult<Loop<'py, A>> {
        let mut engine = Engine::new(options, sockets, wakeup.as_fd(), process::slot_of(worker)?)?;
        let parent = Parent::of(worker)?;
        let watchdog = overdue::watch(worker, !A::INLINE)?;
        engine.watched_by(watchdog.as_ref());
        Ok(Loop {
            py: worker.py(),
            worker: worker.clone(),
            engine,
            wakeup,
            parent,
            watchdog,
        })
    }

    /// Takes part in the exchange of connections between workers, with room for so many requests at once.
    pub fn exchange_connections(&mut self, config: &Config, capacity: usize) -> PyResult<()> {
        if config.handoff {
            self.engine
                .join(&process::channel_of(&self.worker)?, capacity)?;
        }
        Ok(())
    }

    /// Takes part in the exchange of connections between workers, and starts what notices long calls
    /// where there is something to do about them. The application runs in this thread.
    fn find_help(&mut self, config: &Config) -> PyResult<Option<Helper>>
    where
        A::Client: 'static,
    {
        if config.handoff {
            self.engine.join(&process::channel_of(&self.worker)?, 1)?;
        }
        let Some(purpose) = purpose_of_help(config) else {
            return Ok(None);
        };
        let calls = Calls::new(1);
        let relief = self.engine.relief(&calls, purpose)?;
        let helper = Helper::start(&calls, vec![Box::new(relief)], purpose.tick())?;
        Ok(Some(helper))
    }

    /// Runs until the worker has left. `after_turn` says whether it shall do so at once.
    pub fn run(
        &mut self,
        application: &mut A,
        mut after_turn: impl FnMut(&mut Engine<A>, &mut A) -> bool,
    ) -> PyResult<()> {
        let mut attached_since = self.engine.now();
        while !self.engine.is_finished() {
            // First without letting go of the interpreter: under load something is always ready.
            let mut ready = self.engine.glance()?;
            let attached = self.engine.now().micros_since(attached_since);
            if ready == 0 || u128::from(attached) > ATTACHED_AT_MOST.as_micros() {
                let wait = if ready == 0 { IDLE } else { Duration::ZERO };
                let engine = &mut self.engine;
                ready = self.py.detach(|| engine.poll(wait))?;
                attached_since = Moment::now();
                // Before anything calls into Python, where a handler that ends the worker would
                // raise in the middle of something else.
                self.py.check_signals()?;
            }
            let after_turn =
                |engine: &mut Engine<A>, application: &mut A| Ok(after_turn(engine, application));
            if self.turn(ready, application, after_turn)?.is_break() {
                break;
            }
        }
        self.worker.setattr("nr", self.engine.requests())
    }

    /// As [`Loop::run`], but inside of another loop: waits by calling `rest(descriptor, seconds)`, which
    /// comes back when the descriptor is readable or the time is over.
    pub fn run_nested(
        &mut self,
        application: &mut A,
        rest: &Bound<'py, PyAny>,
        mut after_turn: impl FnMut(&mut Engine<A>, &mut A) -> PyResult<bool>,
    ) -> PyResult<()> {
        let descriptor = self.engine.descriptor().as_raw_fd();
        while let Some(left) = self.turn_nested(application, &mut after_turn)? {
            rest.call1((descriptor, left.as_secs_f64()))?;
        }
        Ok(())
    }

    /// One turn inside of another loop. Gives how long nothing is to be done unless the engine's
    /// descriptor becomes readable, or `None` when the worker has left.
    pub fn turn_nested(
        &mut self,
        application: &mut A,
        after_turn: impl FnMut(&mut Engine<A>, &mut A) -> PyResult<bool>,
    ) -> PyResult<Option<Duration>> {
        let ready = self.engine.poll(Duration::ZERO)?;
        let flow = self.turn(ready, application, after_turn)?;
        if flow.is_continue() && !self.engine.is_finished() {
            return Ok(Some(self.engine.rest()));
        }
        self.worker.setattr("nr", self.engine.requests())?;
        Ok(None)
    }

    /// Puts it away until the next turn.
    pub fn park(self) -> ParkedLoop<A> {
        ParkedLoop {
            engine: self.engine,
            wakeup: self.wakeup,
            parent: self.parent,
            watchdog: self.watchdog,
        }
    }

    /// Requests that run elsewhere now.
    pub fn requests_away(&self) -> usize {
        self.engine.requests_away()
    }

    /// Does what is ready; breaks when the worker has to leave at once.
    fn turn(
        &mut self,
        ready: usize,
        application: &mut A,
        mut after_turn: impl FnMut(&mut Engine<A>, &mut A) -> PyResult<bool>,
    ) -> PyResult<ControlFlow<()>> {
        self.engine.turn(ready, application);
        if self.engine.take_wakeup() {
            drain(&self.wakeup);
            self.py.check_signals()?;
        }
        if self.engine.take_overdue() {
            let report = pyo3::intern!(self.py, "report_overdue");
            self.worker.call_method1(report, (true,))?;
        }
        let leaves_at_once = after_turn(&mut self.engine, application)?;
        if !self
            .worker
            .getattr(pyo3::intern!(self.py, "alive"))?
            .is_truthy()?
        {
            if leaves_at_once {
                return Ok(ControlFlow::Break(()));
            }
            leave(&mut self.engine, application, &self.worker)?;
        }
        if self.parent.is_gone(self.engine.now()) {
            let message = format!("Parent changed, shutting down: {}", self.worker.str()?);
            self.worker
                .getattr("log")?
                .call_method1("info", (message,))?;
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A [`Loop`] between two turns inside of another loop.
pub struct ParkedLoop<A: Application> {
    engine: Engine<A>,
    wakeup: OwnedFd,
    parent: Parent,
    watchdog: Option<Watchdog>,
}

impl<A: Application> ParkedLoop<A> {
    /// A loop over `sockets`.
    pub fn new(
        worker: &Bound<'_, PyAny>,
        options: oxicorn_worker::Options,
        sockets: Vec<OwnedFd>,
        wakeup: OwnedFd,
    ) -> PyResult<ParkedLoop<A>> {
        Ok(Loop::new(worker, options, sockets, wakeup)?.park())
    }

    /// The same for the next turn.
    pub fn resume<'py>(self, worker: &Bound<'py, PyAny>) -> Loop<'py, A> {
        Loop {
            py: worker.py(),
            worker: worker.clone(),
            engine: self.engine,
            wakeup: self.wakeup,
            parent: self.parent,
            watchdog: self.watchdog,
        }
    }

    /// What the other loop has to watch.
    pub fn descriptor(&self) -> i32 {
        self.engine.descriptor().as_raw_fd()
    }
}

/// The arbiter, as its worker sees it.
pub struct Parent {
    pid: i32,
    next_check: Moment,
}

impl Parent {
    /// The one that `worker` was forked from.
    pub fn of(worker: &Bound<'_, PyAny>) -> PyResult<Parent> {
        Ok(Parent {
            pid: worker.getattr("ppid")?.extract()?,
            next_check: Moment::now(),
        })
    }

    /// Looks once a second: another parent means that the arbiter died without a word.
    pub fn is_gone(&mut self, now: Moment) -> bool {
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
        let (name, port) = (
            address.get_item(0)?.extract()?,
            address.get_item(1)?.extract()?,
        );
        return Ok(Listener::Ip { name, port });
    }
    let path = match name.extract::<Vec<u8>>() {
        Ok(abstract_name) => abstract_name,
        Err(_) => name
            .extract::<PathBuf>()?
            .into_os_string()
            .into_encoded_bytes(),
    };
    Ok(Listener::Unix { path })
}

/// A descriptor of our own for one of Python's.
pub fn duplicate(descriptor: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    with_descriptor(descriptor.extract()?, |descriptor| {
        descriptor.try_clone_to_owned().ok()
    })
    .ok_or_else(|| PyOSError::new_err(format!("descriptor {descriptor} cannot be used")))
}

/// The worker was told to leave: it takes no more connections than those that wait. A second call changes nothing.
pub fn leave<A: Application>(
    engine: &mut Engine<A>,
    application: &mut A,
    worker: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if !engine.is_draining() {
        engine.drain(application);
        stop_listening(worker)?;
    }
    Ok(())
}

/// Python has the sockets open as well as the engine, which has closed its own.
pub fn stop_listening(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    worker.call_method0(pyo3::intern!(worker.py(), "stop_listening"))?;
    Ok(())
}

/// Empties the wake-up pipe: that something came matters, not what.
pub fn drain(pipe: &OwnedFd) {
    let mut bytes = [0_u8; 64];
    while rustix::io::read(pipe, &mut bytes).is_ok_and(|length| length == bytes.len()) {}
}
