//! A worker's record on the scoreboard, as Python sees it.

use std::sync::Arc;
use std::time::Duration;

use oxicorn_sys::channel::Channel;
use oxicorn_sys::clock::monotonic_ms;
use oxicorn_sys::resources;
use oxicorn_sys::scoreboard::{self, State};
use oxicorn_sys::wait::WakeUp;
use oxicorn_worker::{keeper, watchdog};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::death;

/// How often a worker's memory is measured.
const MEASURE_MS: u64 = 1000;

/// Lets a worker say how it is.
#[pyclass(frozen, module = "oxicorn._oxicorn")]
pub struct Slot {
    record: scoreboard::Slot,
    /// The arbiter's pipe: it wants to know at once when a worker is ready.
    wakeup: Arc<WakeUp>,
    /// Through which workers give each other connections.
    channel: Arc<Channel>,
}

impl Slot {
    /// For the worker that is about to be forked.
    pub fn new(record: scoreboard::Slot, wakeup: Arc<WakeUp>, channel: Arc<Channel>) -> Slot {
        Slot {
            record,
            wakeup,
            channel,
        }
    }

    /// The channel of all workers of the arbiter.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// What wakes the arbiter.
    pub fn arbiter(&self) -> Arc<WakeUp> {
        Arc::clone(&self.wakeup)
    }

    /// The record itself.
    pub fn record(&self) -> scoreboard::Slot {
        self.record
    }
}

#[pymethods]
impl Slot {
    /// The worker is alive.
    fn beat(&self) {
        let now = monotonic_ms();
        // For worker classes with a loop of their own; some beat with every request.
        let last = self.record.last_beat().unwrap_or(0);
        if last / MEASURE_MS != now / MEASURE_MS
            && let Some(kib) = resources::resident_kib()
        {
            self.record.set_rss(kib, now);
        }
        self.record.beat(now);
    }

    /// Starts the process that goes on with this worker's connections if it is killed.
    fn start_keeper(&self) -> PyResult<()> {
        Ok(keeper::start(self.record, &self.channel)?)
    }

    /// The worker ends as it was told to: who still waits for it is not answered in its place.
    fn end_tenure(&self) {
        self.record.end_tenure();
    }

    /// The application is loaded.
    fn ready(&self) {
        self.record.set_state(State::Ready);
        self.wakeup.wake();
    }

    /// Does the watchdog's work for requests that are older than `timeout` seconds.
    fn answer_overdue(&self, timeout: f64) {
        let timeout = Duration::try_from_secs_f64(timeout).unwrap_or_default();
        let limit = Duration::from_millis(monotonic_ms()).saturating_sub(timeout);
        let limit = u64::try_from(limit.as_millis()).unwrap_or(0);
        let _ = watchdog::answer_overdue(self.record, limit);
    }

    /// What the worker is at, oldest first.
    fn in_flight<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let requests = PyList::empty(py);
        for request in self.record.in_flight() {
            let age = Duration::from_millis(monotonic_ms().saturating_sub(request.started_ms));
            let entry = death::request(py, &request, age)?;
            entry.set_item("started_ms", request.started_ms)?;
            entry.set_item("entry", request.ticket.number())?;
            entry.set_item("thread", request.thread)?;
            requests.append(entry)?;
        }
        Ok(requests)
    }

    /// Time of the last heartbeat in seconds of the monotonic clock; None before the first.
    #[getter]
    fn last_beat(&self) -> Option<f64> {
        let beat = self.record.last_beat()?;
        Some(std::time::Duration::from_millis(beat).as_secs_f64())
    }

    /// Seconds that requests waited for the interpreter before they could run.
    #[getter]
    fn gil_wait(&self) -> f64 {
        std::time::Duration::from_micros(self.record.counters().call_wait_us).as_secs_f64()
    }

    /// Requests answered.
    #[getter]
    fn requests(&self) -> u64 {
        self.record.requests()
    }
}
