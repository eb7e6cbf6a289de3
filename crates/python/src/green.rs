//! Workers whose requests run in coroutines of a hub (gevent, eventlet): the engine is nested in the
//! hub's loop, and each request is a coroutine of its own.
//!
//! The hub's coroutines share one stack of the machine: while one rests, its part of the stack is
//! somewhere else. So nothing here points into another coroutine's stack, and no lock or borrow is
//! held while Python runs, except for what only one coroutine ever touches: the engine belongs to the
//! worker's main coroutine, a [`Wsgi`] to the coroutine of its request.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Application, Body, Called, Engine, Exchange, Late, Notice, Place, Request};
use pyo3::prelude::*;

use crate::worker::{Loop, Parts, duplicate};
use crate::wsgi::{Access, Client, Common, Journal, Listener, ParkedWsgi, Said, Underway, Wsgi};

/// Serves until the worker is told to leave. `worker` says how its hub does three things:
///
/// * `rest(descriptor, seconds)`: let others run until the descriptor is readable or the time is over;
/// * `start(job)`: call `job` in a coroutine of its own, soon;
/// * `wait_for_client(descriptor, seconds)`: let others run until the descriptor is writable; false if
///   that took too long.
///
/// # Errors
///
/// As the sync worker's.
#[pyfunction]
pub fn run_green(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    let Parts {
        config,
        mut options,
        sockets,
        listeners,
        wakeup,
        common,
    } = Parts::of(worker, true)?;
    let capacity = config.worker_connections.max(1);
    options.connections = options.connections.min(capacity);
    // As in Gunicorn, where `keepalive` bounds the wait for every head in these classes.
    if !options.keepalive.is_zero() {
        options.head_timeout = options.head_timeout.min(options.keepalive);
    }
    let pool = Arc::new(Pool {
        worker: worker.clone().unbind(),
        common,
        listeners,
        sendfile: config.sendfile,
        spare: Mutex::default(),
        done: Mutex::default(),
        exit_raised: AtomicBool::new(false),
        wakeup: duplicate(&worker.getattr("PIPE")?.get_item(1)?)?,
    });
    let mut front = Front {
        access: Access::new(worker.py(), &pool.common.access),
        journal: Journal::of(worker)?,
        pool,
        underway: Underway::default(),
        jobs: Vec::new(),
    };
    let rest = worker.getattr("rest")?;
    let start = worker.getattr("start")?;
    let mut engine_loop = Loop::new(worker, options, sockets, wakeup)?;
    engine_loop.exchange_connections(&config, capacity)?;
    engine_loop.run_nested(&mut front, &rest, |engine, front| {
        front.settle(engine, &start)?;
        Ok(front.pool.exit_raised.load(Ordering::Acquire))
    })?;
    if engine_loop.requests_away() > 0 {
        let pid = worker.getattr("pid")?;
        front.journal.graceful_timeout(&pid.str()?.to_cow()?);
    }
    Ok(())
}

/// What the main coroutine and those of requests share.
struct Pool {
    worker: Py<PyAny>,
    common: Common,
    listeners: Vec<Listener>,
    sendfile: bool,
    /// What calls the application, for requests to come: as many as there were requests at once.
    spare: Mutex<Vec<ParkedWsgi>>,
    done: Mutex<Vec<Done>>,
    /// `SystemExit` left an application call.
    exit_raised: AtomicBool,
    /// Wakes the main coroutine.
    wakeup: OwnedFd,
}

/// A request that is over.
struct Done {
    place: Place,
    said: Arc<Said>,
    /// `None` if it got lost.
    exchange: Option<Exchange<Client>>,
}

/// The state stays usable after a panic elsewhere: each change of it is one operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    fn wsgi<'py>(&self, py: Python<'py>) -> PyResult<Wsgi<'py>> {
        let worker = self.worker.bind(py);
        let spare = lock(&self.spare).pop();
        if let Some(parked) = spare {
            return parked.resume(worker);
        }
        let mut wsgi = Wsgi::new(worker, &self.common, &self.listeners, self.sendfile)?;
        wsgi.wait_with(worker.getattr("wait_for_client")?);
        wsgi.leave_overdue();
        Ok(wsgi)
    }

    fn finish(&self, place: Place, said: &Arc<Said>, exchange: Option<Exchange<Client>>) {
        let mut done = lock(&self.done);
        done.push(Done {
            place,
            said: Arc::clone(said),
            exchange,
        });
        if done.len() == 1 {
            // A full pipe wakes as well.
            let _ = rustix::io::write(&self.wakeup, b"\0");
        }
    }
}

/// A request on its way to a coroutine, which calls it.
#[pyclass(frozen)]
struct Job {
    pool: Arc<Pool>,
    place: Place,
    said: Arc<Said>,
    work: Mutex<Option<Work>>,
}

struct Work {
    body: WorkBody,
    exchange: Exchange<Client>,
}

enum WorkBody {
    Memory(Vec<u8>),
    File { file: File, length: u64 },
}

#[pymethods]
impl Job {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let Some(work) = lock(&self.work).take() else {
            return Ok(());
        };
        // Should anything go wrong from here on, the connection is closed.
        let mut outcome = Outcome {
            pool: &self.pool,
            place: self.place,
            said: &self.said,
            exchange: None,
        };
        let mut wsgi = self.pool.wsgi(py)?;
        outcome.exchange = work.run(&self.said, &mut wsgi);
        if wsgi.exit_was_raised() {
            self.pool.exit_raised.store(true, Ordering::Release);
        }
        lock(&self.pool.spare).push(wsgi.park());
        Ok(())
    }
}

impl Drop for Job {
    /// A coroutine that was ended before it began.
    fn drop(&mut self) {
        if lock(&self.work).take().is_some() {
            self.pool.finish(self.place, &self.said, None);
        }
    }
}

/// Goes back to the engine whatever happens.
struct Outcome<'a> {
    pool: &'a Pool,
    place: Place,
    said: &'a Arc<Said>,
    exchange: Option<Exchange<Client>>,
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        self.pool
            .finish(self.place, self.said, self.exchange.take());
    }
}

impl Work {
    fn run(self, said: &Said, wsgi: &mut Wsgi<'_>) -> Option<Exchange<Client>> {
        let body = match &self.body {
            WorkBody::Memory(bytes) => Body::Memory(bytes),
            WorkBody::File { file, length } => Body::File {
                file: file.try_clone().ok()?,
                length: *length,
            },
        };
        wsgi.run(said.request(body), self.exchange)
    }
}

/// The coroutines as the engine sees them.
struct Front<'py> {
    pool: Arc<Pool>,
    journal: Journal<'py>,
    access: Access<'py>,
    underway: Underway,
    /// Taken in this turn and not started yet.
    jobs: Vec<Job>,
}

impl<'py> Front<'py> {
    /// Gives back what is done, and starts what that and the last turn brought.
    fn settle(&mut self, engine: &mut Engine<Self>, start: &Bound<'py, PyAny>) -> PyResult<()> {
        let done = std::mem::take(&mut *lock(&self.pool.done));
        for one in done {
            engine.give_back(one.place, one.exchange, self);
            self.underway.forget(one.place, &one.said);
        }
        for job in self.jobs.drain(..) {
            start.call1((Bound::new(start.py(), job)?,))?;
        }
        Ok(())
    }
}

impl Application for Front<'_> {
    type Client = Client;

    const INLINE: bool = false;

    fn call(&mut self, request: Request<'_>, exchange: Exchange<Client>) -> Called<Client> {
        let mut said = Said::default();
        said.fill(&request);
        let said = Arc::new(said);
        let body = match request.body {
            Body::Memory(bytes) => WorkBody::Memory(bytes.to_vec()),
            Body::File { file, length } => WorkBody::File { file, length },
        };
        self.underway.note(exchange.place(), exchange.peer(), &said);
        self.jobs.push(Job {
            pool: Arc::clone(&self.pool),
            place: exchange.place(),
            said,
            work: Mutex::new(Some(Work { body, exchange })),
        });
        Called::Taken
    }

    fn notice(&mut self, notice: Notice<'_>) {
        self.journal.note(&notice);
        self.access.note(&notice);
    }

    fn overdue(&mut self, late: Late) -> bool {
        self.underway.tell(late, &mut self.access);
        false
    }

    fn turned(&mut self, now: Moment) -> Option<Moment> {
        self.access.turned(now)
    }
}
