//! The engine's turns as callbacks of an asyncio loop.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use oxicorn_worker::clock::Moment;
use oxicorn_worker::helper::{Calls, Helper};
use oxicorn_worker::watchdog::Watchdog;
use oxicorn_worker::{Engine, Purpose};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::busy_poll::BusyPoll;
use super::call::Asgi;
use super::expire::Cancelled;
use super::scope::Scopes;
use super::shared::{Shared, Work};
use super::task::Tasks;
use super::watch::Disconnect;
use super::websocket;
use crate::ffi::{Function, resident};
use crate::worker::{Parent, Parts, drain, duplicate, leave};
use crate::wsgi::{Access, Hooks, Journal};
use crate::{overdue, process};

/// Part of the graceful timeout that requests may use; the rest is for the application's own shutdown.
const SHARE_OF_REQUESTS: f32 = 0.8;

/// Streams are ended within this part of the graceful timeout, one after the other.
const SPREAD: f64 = 0.1;

/// Runs the engine of an ASGI worker inside of an event loop.
#[pyclass(unsendable, module = "oxicorn")]
pub struct Driver {
    shared: Rc<Shared>,
    worker: Py<PyAny>,
    event_loop: Py<PyAny>,
    descriptor: i32,
    wakeup: OwnedFd,
    parent: RefCell<Parent>,
    graceful_timeout: f64,
    /// The worker was aborted: nothing is begun any more.
    has_aborted: Cell<bool>,
    /// The next turn that nothing has to be ready for.
    timer: RefCell<Option<(Moment, Py<PyAny>)>>,
    /// What the timer calls.
    tick: RefCell<Option<Py<PyAny>>>,
    busy_poll: RefCell<BusyPoll>,
    /// What keeps the loop awake.
    stay_awake: RefCell<Option<Py<PyAny>>>,
    cancelled: Cancelled,
    /// Until the driver is closed.
    watchdog: RefCell<Option<Watchdog>>,
    /// The same.
    helper: RefCell<Option<Helper>>,
}

#[pymethods]
impl Driver {
    /// Of `worker`, whose application has started; `state` is what its lifespan left.
    #[new]
    #[pyo3(signature = (worker, event_loop, state=None))]
    fn new(
        worker: &Bound<'_, PyAny>,
        event_loop: &Bound<'_, PyAny>,
        state: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Driver> {
        let py = worker.py();
        let Parts {
            config,
            mut options,
            sockets,
            listeners,
            wakeup,
            common,
        } = Parts::of(worker, false)?;
        options.connections = options.connections.min(config.worker_connections.max(1));
        options.http = options.http.ignoring_expectations();
        options.graceful_timeout = options.graceful_timeout.mul_f32(SHARE_OF_REQUESTS);
        let root_path = if config.root_path.is_empty() {
            String::from_utf8_lossy(&common.script_name).into_owned()
        } else {
            config.root_path.clone()
        };
        let grace = config.asgi_disconnect_grace_period as f64;
        let shared = Shared::new(event_loop, grace)?;
        let resident = resident(py);
        let worker_here = worker.clone().unbind().into_bound(resident);
        let asgi = Asgi {
            py: resident,
            application: worker_here.getattr("wsgi")?,
            journal: Journal::of(&worker_here)?,
            access: Access::new(resident, &common.access),
            worker: worker_here.clone(),
            hooks: Hooks::of(&worker_here)?,
            scopes: Scopes::new(py, &listeners, &root_path, common.timeout, state)?,
            tasks: Tasks::of(event_loop)?,
            shared: Rc::clone(&shared),
            kit: None,
            away: Vec::new(),
            websocket: websocket::Settings::of(&config),
            next_look: Moment::now(),
            expired: Vec::new(),
            exit: None,
        };
        let mut engine = Engine::new(options, sockets, wakeup.as_fd(), process::slot_of(worker)?)?;
        if config.handoff {
            let capacity = config.worker_connections.max(1);
            engine.join(&process::channel_of(worker)?, capacity)?;
        }
        let helper = match overdue::timeout(config.timeout).filter(|_| config.handoff) {
            Some(timeout) => Some(find_help(worker, &mut engine, timeout)?),
            None => None,
        };
        let watchdog = overdue::watch(worker, true)?;
        engine.watched_by(watchdog.as_ref());
        let parent = Parent::of(worker)?;
        let descriptor = engine.descriptor().as_raw_fd();
        *shared.engine.borrow_mut() = Some(Work { engine, asgi });
        Ok(Driver {
            shared,
            worker: worker.clone().unbind(),
            event_loop: event_loop.clone().unbind(),
            descriptor,
            wakeup,
            parent: RefCell::new(parent),
            graceful_timeout: config.graceful_timeout as f64,
            has_aborted: Cell::new(false),
            timer: RefCell::new(None),
            tick: RefCell::new(None),
            busy_poll: RefCell::default(),
            stay_awake: RefCell::new(None),
            cancelled: Cancelled::default(),
            watchdog: RefCell::new(watchdog),
            helper: RefCell::new(helper),
        })
    }

    /// Lets the loop watch the engine. Call it in the context that requests shall begin with.
    fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let driver = slf.borrow();
        let turn = slf.getattr("turn")?;
        *driver.shared.turn.borrow_mut() = Some(turn.clone().unbind());
        *driver.tick.borrow_mut() = Some(slf.getattr("tick")?.unbind());
        *driver.stay_awake.borrow_mut() = Some(slf.getattr("stay_awake")?.unbind());
        driver
            .event_loop
            .bind(slf.py())
            .call_method1("add_reader", (driver.descriptor, &turn))?;
        driver.shared.turn_soon(slf.py());
        Ok(())
    }

    /// Does what is ready. Stops the loop when the worker has left.
    fn turn(&self, py: Python<'_>) -> PyResult<()> {
        if self.has_aborted.get() {
            return Ok(());
        }
        // An application that runs the loop inside of a turn gets to here once more.
        let Ok(mut guard) = self.shared.engine.try_borrow_mut() else {
            return Ok(());
        };
        let Some(Work { engine, asgi }) = &mut *guard else {
            return Ok(());
        };
        engine.resume(asgi);
        let ready = engine.poll(Duration::ZERO)?;
        self.shared.in_turn(|| engine.turn(ready, asgi));
        if engine.take_wakeup() {
            drain(&self.wakeup);
            py.check_signals()?;
        }
        if let Some(exit) = asgi.exit.take() {
            return Err(exit);
        }
        let Some(work) = &mut *guard else {
            return Ok(());
        };
        if self
            .shared
            .in_turn(|| self.shared.perform_commands(py, work))
        {
            self.shared.turn_soon(py);
        }
        self.look_around(py, work)?;
        self.set_timer(py, work.engine.now(), work.engine.due())?;
        if self.shared.has_heard.take() && self.busy_poll.borrow_mut().heard(Moment::now()) {
            self.look_again(py)?;
        }
        let is_overdue = work.engine.take_overdue();
        work.engine.lend();
        if is_overdue {
            let expired = std::mem::take(&mut work.asgi.expired);
            drop(guard);
            self.cancelled.end(py, self.worker.bind(py), &expired)?;
        }
        Ok(())
    }

    /// A turn of the timer's. Loops call a little too early at times: the turn then finds nothing due,
    /// and must know that this timer is used up.
    fn tick(&self, py: Python<'_>) -> PyResult<()> {
        *self.timer.borrow_mut() = None;
        self.turn(py)
    }

    /// A loop with a callback at hand looks for events and does not sleep.
    fn stay_awake(&self, py: Python<'_>) -> PyResult<()> {
        if self.busy_poll.borrow_mut().is_over(Moment::now()) {
            return Ok(());
        }
        self.look_again(py)
    }

    /// Begins nothing more: the worker is about to be killed. A loop that was blocked goes through what it has at
    /// hand before it stops, and would be blocked by the next request of the kind.
    fn abort(&self) {
        self.has_aborted.set(true);
    }

    /// Takes the engine out of the loop, and closes what is left of its connections.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.event_loop
            .bind(py)
            .call_method1("remove_reader", (self.descriptor,))?;
        if let Some((_, timer)) = self.timer.borrow_mut().take() {
            timer.call_method0(py, "cancel")?;
        }
        let (watchdog, helper) = (self.watchdog.take(), self.helper.take());
        py.detach(|| drop((watchdog, helper)));
        let mut work = self.shared.engine.borrow_mut().take();
        if let Some(work) = &mut work {
            work.engine.resume(&mut work.asgi);
            self.worker.bind(py).setattr("nr", work.engine.requests())?;
        }
        *self.shared.turn.borrow_mut() = None;
        *self.tick.borrow_mut() = None;
        *self.stay_awake.borrow_mut() = None;
        drop(work);
        Ok(())
    }

    /// Waits no longer for tasks that do not end: the access log hears of their requests.
    fn give_up(&self, py: Python<'_>) {
        let Ok(mut guard) = self.shared.engine.try_borrow_mut() else {
            return;
        };
        let Some(work) = &mut *guard else { return };
        let running: Vec<_> = {
            let running = self.shared.running.borrow();
            running.iter().map(|(_, one)| one.clone_ref(py)).collect()
        };
        for cycle in running {
            work.asgi.give_up(cycle.bind(py));
        }
        work.asgi.access.flush();
    }

    /// The tasks of requests that are not done.
    fn tasks(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let running = self.shared.running.borrow();
        let requests = running.iter().filter_map(|(_, cycle)| {
            let state = cycle.get().state(py).ok()?;
            Some(Ok(state.task.as_ref()?.clone_ref(py)))
        });
        let sockets = self.shared.sockets.borrow();
        let sockets = sockets.iter().filter_map(|(_, socket)| {
            let state = socket.get().state(py).ok()?;
            Some(Ok(state.task.as_ref()?.clone_ref(py)))
        });
        requests.chain(sockets).collect()
    }
}

/// What brings connections to safety that wait in a loop that is blocked.
fn find_help(
    worker: &Bound<'_, PyAny>,
    engine: &mut Engine<Asgi>,
    timeout: Duration,
) -> PyResult<Helper> {
    let calls = Calls::new(1);
    let purpose = Purpose::Rescue(timeout);
    let wakeup = duplicate(&worker.getattr("PIPE")?.get_item(1)?)?;
    let relief = engine.relief(&calls, purpose)?;
    let relief = relief.with_bell(process::slot_of(worker)?, move || {
        // A full pipe wakes as well.
        let _ = rustix::io::write(&wakeup, b"\0");
    });
    Ok(Helper::start(
        &calls,
        vec![Box::new(relief)],
        purpose.tick(),
    )?)
}

impl Driver {
    /// Whether the worker shall leave, and has left.
    fn look_around(&self, py: Python<'_>, work: &mut Work) -> PyResult<()> {
        let Work { engine, asgi } = work;
        let worker = self.worker.bind(py);
        if !worker.getattr(intern!(py, "alive"))?.is_truthy()? {
            leave(engine, asgi, worker)?;
        }
        if self.cancelled.go_on(py, engine.now())? {
            engine.overdue_goes_on(asgi);
        }
        if engine.is_draining() && !self.shared.is_leaving.replace(true) {
            self.end_streams(py)?;
            websocket::leave_all(py, &self.shared, self.graceful_timeout * SPREAD)?;
        }
        let is_orphan = self.parent.borrow_mut().is_gone(engine.now());
        if is_orphan {
            let message = format!("Parent changed, shutting down: {}", worker.str()?);
            worker.getattr("log")?.call_method1("info", (message,))?;
        }
        if (is_orphan || engine.is_finished()) && !self.shared.has_stopped.replace(true) {
            self.event_loop.bind(py).call_method0("stop")?;
        }
        Ok(())
    }

    /// Requests that would go on for ever are told, one after the other, that nobody listens.
    fn end_streams(&self, py: Python<'_>) -> PyResult<()> {
        let streams: Vec<Bound<'_, PyAny>> = {
            let running = self.shared.running.borrow();
            running
                .iter()
                .map(|(_, cycle)| cycle.bind(py))
                .filter(|cycle| {
                    cycle.get().state(py).is_ok_and(|state| {
                        state.is_event_stream() || (!state.is_untold() && state.is_listened_to())
                    })
                })
                .map(|cycle| cycle.clone().into_any())
                .collect()
        };
        let pause = self.graceful_timeout * SPREAD / (streams.len().max(1) as f64);
        for (number, cycle) in streams.iter().enumerate() {
            let disconnect = Function::bind::<Disconnect>(cycle)?;
            self.shared
                .calls
                .later(pause * number as f64, &disconnect)?;
        }
        Ok(())
    }

    /// Keeps the loop awake for one more of its iterations, in which everybody has a turn.
    fn look_again(&self, py: Python<'_>) -> PyResult<()> {
        match &*self.stay_awake.borrow() {
            Some(stay_awake) => self.shared.calls.soon(stay_awake.bind(py)),
            None => Ok(()),
        }
    }

    /// The engine has to do something by itself at `due`.
    fn set_timer(&self, py: Python<'_>, now: Moment, due: Moment) -> PyResult<()> {
        let mut timer = self.timer.borrow_mut();
        if let Some((set, _)) = &*timer
            && *set <= due
            && *set > now
        {
            return Ok(());
        }
        if let Some((_, former)) = timer.take() {
            former.call_method0(py, intern!(py, "cancel"))?;
        }
        let tick = self.tick.borrow();
        let Some(tick) = &*tick else { return Ok(()) };
        let seconds = now.until(due).as_secs_f64();
        let next = self.shared.calls.later(seconds, tick.bind(py))?;
        *timer = Some((due, next.unbind()));
        Ok(())
    }
}
