//! Requests that take too long, where the watchdog answers and Python logs where they are stuck; and requests of
//! a worker that crashes.

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use oxicorn_http::error_page;
use oxicorn_sys::crash;
use oxicorn_sys::signals::Mask;
use oxicorn_worker::clock::Moment;
use oxicorn_worker::watchdog::Watchdog;
use pyo3::intern;
use pyo3::prelude::*;

use crate::process;
use crate::worker::duplicate;

/// Has a crash of this worker in native code answer the requests that it was at.
pub fn prepare_last_words(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    let page = error_page(502, "Bad Gateway", "", b"");
    crash::answer_with(process::slot_of(worker)?, page)?;
    Ok(())
}

/// The setting `timeout`, in seconds, as a limit.
pub fn timeout(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// What applications read as their request's deadline, for `time.monotonic()`.
#[inline]
pub fn deadline(began: Moment, timeout: Duration) -> f64 {
    began.after(timeout).micros() as f64 / 1e6
}

/// Watches the requests of `worker`, if it has a `timeout`. `elsewhere`: they run outside of the thread of the
/// loop, which reports them.
pub fn watch(worker: &Bound<'_, PyAny>, elsewhere: bool) -> PyResult<Option<Watchdog>> {
    let timeout: u64 = worker.getattr("cfg")?.getattr("timeout")?.extract()?;
    let Some(timeout) = self::timeout(timeout) else {
        return Ok(None);
    };
    let slot = process::slot_of(worker)?;
    let wakeup = duplicate(&worker.getattr("PIPE")?.get_item(1)?)?;
    let worker = Arc::new(worker.clone().unbind());
    let watchdog = Watchdog::start(slot, timeout, move || {
        if elsewhere {
            // The loop does the rest. A full pipe wakes as well.
            let _ = rustix::io::write(&wakeup, b"\0");
        } else {
            // The loop is stuck itself. Another thread, because the interpreter may be so too, and the
            // watchdog has others to answer; one that cannot be had costs a log record.
            let _ = report(Arc::clone(&worker));
        }
    })?;
    Ok(Some(watchdog))
}

/// Has the worker log what is overdue, as soon as the interpreter can be had.
fn report(worker: Arc<Py<PyAny>>) -> io::Result<()> {
    let mask = Mask::block_all()?;
    let spawned = thread::Builder::new()
        .name("oxicorn-report".to_owned())
        .spawn(move || {
            Python::attach(|py| {
                let method = intern!(py, "report_overdue");
                if let Err(error) = worker.call_method1(py, method, (false,)) {
                    error.print(py);
                }
            });
        });
    mask.restore();
    spawned.map(drop)
}
