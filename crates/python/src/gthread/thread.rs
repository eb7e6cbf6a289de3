//! One thread of a gthread worker: leads, is deposed, helps out, parks.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use oxicorn_worker::Application;
use oxicorn_worker::clock::Moment;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::job::Job;
use super::lobby::Lobby;
use super::pool::Pool;
use crate::worker::{ATTACHED_AT_MOST, IDLE};
use crate::wsgi::Wsgi;

/// How long finished responses may wait for others to be sent with.
const PATIENCE: Duration = Duration::from_millis(1);

/// Longest wait of a leader while others are in calls: they may leave lines of the access log, whose
/// time comes.
const BUSY: Duration = Duration::from_millis(100);

/// Python threads and not Rust's, so that applications find what they expect of a thread.
pub fn start_all(py: Python<'_>, pool: &Arc<Pool>, threads: usize) -> PyResult<()> {
    let thread_class = py.import("threading")?.getattr("Thread")?;
    for number in 0..threads {
        let runner = Bound::new(
            py,
            PoolThread {
                pool: Arc::clone(pool),
                number,
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

/// What a thread of the pool runs.
#[pyclass(frozen)]
struct PoolThread {
    pool: Arc<Pool>,
    number: usize,
}

#[pymethods]
impl PoolThread {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let pool = &*self.pool;
        // However this thread ends, it does not take the lead with it.
        let _service = Service::begin(pool, self.number);
        let worker = pool.worker.bind(py);
        let mut wsgi = Wsgi::new(worker, &pool.common, &pool.listeners, pool.sendfile)?;
        wsgi.leave_overdue();
        let now = Moment::now();
        let mut hand = Hand {
            py,
            pool,
            number: self.number,
            wsgi,
            now,
            attached_since: now,
            waited: 0,
        };
        while hand.take_lead() {
            hand.lead();
            hand.help_out();
        }
        Ok(())
    }
}

struct Service<'p> {
    pool: &'p Pool,
    number: usize,
}

impl<'p> Service<'p> {
    fn begin(pool: &'p Pool, number: usize) -> Service<'p> {
        pool.count_thread(true);
        Service { pool, number }
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        self.pool.calls.end(self.number);
        if self.pool.lead.depose(self.number) {
            self.pool.wake_follower();
        }
        self.pool.pass_lead(self.number);
        self.pool.count_thread(false);
    }
}

/// A thread at work.
struct Hand<'py, 'p> {
    py: Python<'py>,
    pool: &'p Pool,
    number: usize,
    wsgi: Wsgi<'py>,
    /// As of the last call or turn.
    now: Moment,
    attached_since: Moment,
    /// What it waited for the interpreter since its last call, in microseconds.
    waited: u64,
}

impl<'p> Hand<'_, 'p> {
    /// Gets the lead, or parks until it does. False when the worker leaves.
    fn take_lead(&mut self) -> bool {
        let (pool, number) = (self.pool, self.number);
        (!pool.is_closed() && pool.lead.take(number)) || self.detached(|| pool.park(number))
    }

    /// Leads until deposed, or until the worker leaves.
    fn lead(&mut self) {
        while !self.pool.is_closed() {
            let began = self.now;
            while let Some(job) = self.pool.next_job() {
                if !self.run_leading(job) {
                    return;
                }
                if u128::from(self.now.micros_since(began)) > PATIENCE.as_micros() {
                    break;
                }
            }
            self.turn();
        }
    }

    /// Runs a job; false if this thread does not lead any more.
    fn run_leading(&mut self, mut job: Box<Job>) -> bool {
        let is_short = self.pool.call_time.is_short();
        if is_short {
            self.pool.lead.begin_call(self.number);
        } else {
            self.pool.pass_lead(self.number);
        }
        self.call(&mut job);
        let leads = is_short && self.pool.lead.end_call(self.number);
        if !leads {
            job.send_now();
        }
        self.pool.push_done(job);
        leads
    }

    fn call(&mut self, job: &mut Job) {
        let began = self.now;
        if job.is_abandoned(began) {
            return;
        }
        self.pool.calls.begin(self.number, began);
        job.run(&mut self.wsgi);
        self.pool.calls.end(self.number);
        self.now = Moment::now();
        job.call = self.now.micros_since(began);
        job.waited = std::mem::take(&mut self.waited);
        self.pool.call_time.observe(job.call);
    }

    /// After the lead is lost: gives back what this thread has done, and goes on with what is
    /// queued as long as it is at it.
    fn help_out(&mut self) {
        loop {
            self.pool.settle();
            self.wsgi.turned(self.now);
            if self.pool.lead.is_vacant() || self.pool.is_closed() {
                return;
            }
            let Some(mut job) = self.pool.next_job() else {
                return;
            };
            if self.pool.has_jobs() {
                // Jobs that came of what was given back: a leader that waits does not know of them.
                self.pool.ring();
            }
            self.call(&mut job);
            job.send_now();
            self.pool.push_done(job);
        }
    }

    /// A turn of the engine; waits if there is nothing else to do.
    fn turn(&mut self) {
        let pool = self.pool;
        let attached = self.now.micros_since(self.attached_since);
        if u128::from(attached) > ATTACHED_AT_MOST.as_micros() {
            // An application that is all native code would never offer the interpreter.
            self.detached(|| ());
        }
        let due = self.wsgi.turned(self.now);
        let mut lobby = self.enter();
        // First what can be sent: its clients have the more time to send the next.
        pool.work_off(&mut lobby);
        let ready = match lobby.engine.poll(Duration::ZERO) {
            Ok(ready) => ready,
            Err(error) => return pool.fail(error),
        };
        if ready > 0 {
            pool.turn(&mut lobby, ready);
            drop(lobby);
        } else if !pool.has_jobs() {
            let now = Moment::now();
            let until = now.after(if pool.calls.count() > 0 { BUSY } else { IDLE });
            let until = due.map_or(until, |due| due.min(until));
            let wait = lobby.engine.begin_wait(now.until(until));
            drop(lobby);
            return self.detached(|| pool.wait(wait, until));
        }
        self.now = Moment::now();
    }

    fn enter(&mut self) -> MutexGuard<'p, Lobby> {
        let pool = self.pool;
        loop {
            if let Some(lobby) = pool.try_enter() {
                return lobby;
            }
            self.detached(|| drop(pool.enter()));
        }
    }

    /// Does something that may take time while others have the interpreter.
    fn detached<T: Send>(&mut self, act: impl Send + FnOnce() -> T) -> T {
        let pool = self.pool;
        let (result, wanted) = self.py.detach(|| {
            let result = act();
            let wanted = Moment::now();
            // Of all threads that come through here only the leader is waited for.
            pool.note_wait(Some(wanted));
            (result, wanted)
        });
        pool.note_wait(None);
        self.now = Moment::now();
        self.attached_since = self.now;
        self.waited = self.waited.saturating_add(self.now.micros_since(wanted));
        result
    }
}
