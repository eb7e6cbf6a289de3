//! The gthread worker: the engine in the main thread, the application in a pool of Python threads.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use oxicorn_http::{Head, Refused};
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Application, Body, Called, Exchange, Peer, Place, Request, Retirement};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::worker::{Loop, Parts, duplicate};
use crate::wsgi::{Access, Client, Common, Journal, Listener, Wsgi};

/// Serves as the sync worker does, but runs requests in `worker.cfg.threads` threads.
///
/// # Errors
///
/// As the sync worker's.
#[pyfunction]
pub fn run_gthread(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = worker.py();
    let Parts {
        config,
        mut options,
        sockets,
        listeners,
        wakeup,
        common,
    } = Parts::of(worker, true)?;
    options.connections = options.connections.min(config.worker_connections.max(1));
    let pool = Arc::new(Pool {
        worker: worker.clone().unbind(),
        common,
        listeners,
        sendfile: config.sendfile,
        waiting: Mutex::default(),
        arrived: Condvar::new(),
        done: Mutex::default(),
        is_closed: AtomicBool::new(false),
        wakeup: duplicate(&worker.getattr("PIPE")?.get_item(1)?)?,
    });
    start_threads(py, &pool, config.threads.max(1))?;
    let access = Access::new(py, &pool.common.access);
    let mut front = Front {
        pool: Arc::clone(&pool),
        journal: Journal::of(worker)?,
        access,
    };
    let served = Loop::new(worker, options, sockets, wakeup)?.run(&mut front, |engine, front| {
        for (place, exchange) in front.pool.take_done() {
            engine.give_back(place, exchange, front);
        }
        false
    });
    pool.close();
    served
}

/// Python threads and not Rust's, so that applications find what they expect of a thread.
fn start_threads(py: Python<'_>, pool: &Arc<Pool>, threads: usize) -> PyResult<()> {
    let thread_class = py.import("threading")?.getattr("Thread")?;
    for number in 0..threads {
        let runner = Bound::new(
            py,
            PoolThread {
                pool: Arc::clone(pool),
            },
        )?;
        let keywords = PyDict::new(py);
        keywords.set_item("target", runner)?;
        keywords.set_item("name", format!("oxicorn-{number}"))?;
        keywords.set_item("daemon", true)?;
        thread_class
            .call((), Some(&keywords))?
            .call_method0("start")?;
    }
    Ok(())
}

/// What the engine's thread and the pool's share.
struct Pool {
    worker: Py<PyAny>,
    common: Common,
    listeners: Vec<Listener>,
    sendfile: bool,
    waiting: Mutex<VecDeque<Job>>,
    arrived: Condvar,
    done: Mutex<Vec<(Place, Option<Exchange<Client>>)>>,
    is_closed: AtomicBool,
    /// Wakes the engine's thread.
    wakeup: OwnedFd,
}

/// A request on its way to a thread.
struct Job {
    head: Head,
    bytes: Vec<u8>,
    body: JobBody,
    listener: usize,
    number: u32,
    exchange: Exchange<Client>,
}

enum JobBody {
    Memory(Vec<u8>),
    File { file: File, length: u64 },
}

/// The state stays usable after a panic of another thread: each change of it is one operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    fn submit(&self, job: Job) {
        lock(&self.waiting).push_back(job);
        self.arrived.notify_one();
    }

    /// Waits for a request; `None` when there will be none any more.
    fn next(&self) -> Option<Job> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(job) = waiting.pop_front() {
                return Some(job);
            }
            if self.is_closed.load(Ordering::Acquire) {
                return None;
            }
            waiting = self
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, place: Place, exchange: Option<Exchange<Client>>) {
        let mut done = lock(&self.done);
        done.push((place, exchange));
        if done.len() == 1 {
            // A full pipe wakes as well.
            let _ = rustix::io::write(&self.wakeup, b"\0");
        }
    }

    fn take_done(&self) -> Vec<(Place, Option<Exchange<Client>>)> {
        std::mem::take(&mut *lock(&self.done))
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        // Under the lock, so that no thread is between its look and its wait.
        let _waiting = lock(&self.waiting);
        self.arrived.notify_all();
    }
}

/// What a thread of the pool runs.
#[pyclass(frozen)]
struct PoolThread {
    pool: Arc<Pool>,
}

#[pymethods]
impl PoolThread {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let pool = &self.pool;
        let worker = pool.worker.bind(py);
        let mut wsgi = Wsgi::new(worker, &pool.common, &pool.listeners, pool.sendfile)?;
        while let Some(job) = py.detach(|| pool.next()) {
            let place = job.exchange.place();
            let exchange = job.run(&mut wsgi);
            pool.finish(place, exchange);
        }
        Ok(())
    }
}

impl Job {
    fn run(self, wsgi: &mut Wsgi<'_>) -> Option<Exchange<Client>> {
        let Job {
            head,
            bytes,
            body,
            listener,
            number,
            exchange,
        } = self;
        let body = match &body {
            JobBody::Memory(bytes) => Body::Memory(bytes),
            JobBody::File { file, length } => Body::File {
                file: file.try_clone().ok()?,
                length: *length,
            },
        };
        wsgi.run(
            Request {
                head: &head,
                bytes: &bytes,
                body,
                listener,
                number,
            },
            exchange,
        )
    }
}

/// The pool as the engine sees it.
struct Front<'py> {
    pool: Arc<Pool>,
    journal: Journal<'py>,
    access: Access<'py>,
}

impl Application for Front<'_> {
    type Client = Client;

    const INLINE: bool = false;

    fn call(&mut self, request: Request<'_>, exchange: Exchange<Client>) -> Called<Client> {
        let Request {
            head,
            bytes,
            body,
            listener,
            number,
        } = request;
        let body = match body {
            Body::Memory(bytes) => JobBody::Memory(bytes.to_vec()),
            Body::File { file, length } => JobBody::File { file, length },
        };
        let (head, bytes) = (head.clone(), bytes.to_vec());
        self.pool.submit(Job {
            head,
            bytes,
            body,
            listener,
            number,
            exchange,
        });
        Called::Taken
    }

    fn refused(&mut self, peer: &Peer, received: &[u8], refused: &Refused) {
        self.journal.refused(peer, refused);
        self.access.refused(peer, received, refused);
    }

    fn timed_out(&mut self, peer: &Peer, received: &[u8]) {
        self.access.timed_out(peer, received);
    }

    fn turned(&mut self, now: Moment) -> Option<Moment> {
        self.access.turned(now)
    }

    fn trouble(&mut self, peer: &Peer, what: &str, error: &io::Error) {
        self.journal.trouble(peer, what, error);
    }

    fn retiring(&mut self, reason: Retirement) {
        self.journal.retiring(reason);
    }
}
