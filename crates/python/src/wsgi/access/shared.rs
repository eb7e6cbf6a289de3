//! What the threads of a worker share of the access log: who tells of requests, and the writer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxicorn_sys::log_sink::LogSink;
use oxicorn_worker::access_log::{Format, Writer};
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::ffi::with_descriptor;

/// What the threads of a worker share.
pub struct AccessLog {
    log: Py<PyAny>,
    /// Changes with `plan`, so that a look at it tells the threads that theirs is old.
    version: AtomicU64,
    plan: Mutex<Arc<Plan>>,
    /// Only taken while no Python code can run: whoever has it never waits for the interpreter.
    writer: Mutex<Writer>,
}

/// Who tells of requests.
pub enum Plan {
    /// Nobody asked for a log.
    Nobody,
    /// The logger's `access`.
    Python,
    /// The core writes the lines to the stream's descriptor.
    Core { format: Format, stream: Py<PyAny> },
}

/// The state stays usable after a panic of another thread: each change of it is one operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AccessLog {
    /// The log of `worker`.
    pub fn of(worker: &Bound<'_, PyAny>) -> PyResult<Arc<AccessLog>> {
        let log = AccessLog {
            log: worker.getattr("log")?.unbind(),
            version: AtomicU64::new(1),
            plan: Mutex::new(Arc::new(Plan::Nobody)),
            writer: Mutex::new(Writer::new()),
        };
        log.refresh(worker.py())?;
        let log = Arc::new(log);
        let core = CoreWriter {
            shared: Arc::clone(&log),
        };
        // A logger that takes no attributes is none of those that the core writes for.
        let _ = worker
            .getattr("log")?
            .setattr("core_writer", Bound::new(worker.py(), core)?);
        Ok(log)
    }

    /// The logger.
    pub fn log<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.log.bind(py)
    }

    /// What lines go to.
    pub fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    /// Who tells of requests now.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&lock(&self.plan))
    }

    /// Of the plan: it is another number after each change.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Asks the logger; files may have been reopened or handlers added.
    pub fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let ask = py
            .import(intern!(py, "oxicorn.logs.plan"))?
            .getattr(intern!(py, "access_plan"))?;
        let answer = ask.call1((&self.log,))?;
        let former = self.plan();
        let Ok((text, stream)) = answer.extract::<(String, Bound<'_, PyAny>)>() else {
            let plan = if answer.is_none() {
                Plan::Nobody
            } else {
                Plan::Python
            };
            if std::mem::discriminant(&plan) != std::mem::discriminant(&*former) {
                self.writer().flush();
                self.adopt(plan);
            }
            return Ok(());
        };
        let is_same = matches!(&*former, Plan::Core { stream: known, .. } if known.is(&stream));
        if is_same {
            return Ok(());
        }
        let Some(format) = Format::parse(&text) else {
            self.adopt(Plan::Python);
            return Ok(());
        };
        let descriptor: i32 = stream.call_method0(intern!(py, "fileno"))?.extract()?;
        let sink = with_descriptor(descriptor, |descriptor| Some(LogSink::of(descriptor)))
            .ok_or_else(|| PyOSError::new_err("the access log is closed"))??;
        self.writer().set_sink(Some(sink));
        self.adopt(Plan::Core {
            format,
            stream: stream.unbind(),
        });
        Ok(())
    }

    fn adopt(&self, plan: Plan) {
        *lock(&self.plan) = Arc::new(plan);
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// The core's part of the access log, for a logger whose files are opened anew: what was logged before
/// belongs into the old file, what comes after into the new one.
#[pyclass(frozen, module = "oxicorn")]
pub struct CoreWriter {
    shared: Arc<AccessLog>,
}

#[pymethods]
impl CoreWriter {
    fn flush(&self) {
        self.shared.writer().flush();
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.refresh(py)
    }
}

/// The shared part as one thread holds it: lines that it wrote are not left behind at its end. The
/// logger keeps the writer for longer, maybe beyond the end of the interpreter.
pub struct Flushed(Arc<AccessLog>);

impl Flushed {
    /// A thread's share in `log`.
    pub fn new(log: &Arc<AccessLog>) -> Flushed {
        Flushed(Arc::clone(log))
    }
}

impl std::ops::Deref for Flushed {
    type Target = AccessLog;

    fn deref(&self) -> &AccessLog {
        &self.0
    }
}

impl Drop for Flushed {
    fn drop(&mut self) {
        self.writer().flush();
    }
}
