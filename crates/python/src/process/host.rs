//! `oxicorn.arbiter.Arbiter` as the loop's host.

use std::sync::Arc;
use std::time::Duration;

use oxicorn_arbiter::{DeathReport, Forked, Host, Level, Options, Request};
use oxicorn_sys::channel::Channel;
use oxicorn_sys::scoreboard;
use oxicorn_sys::wait::WakeUp;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::inbox::Inbox;
use super::slot::Slot;
use crate::ffi;

/// What a hook may raise and the loop still can be left in order.
const UNHANDLED: i32 = 255;

/// The arbiter object and its inbox.
pub struct PythonHost<'py> {
    arbiter: Bound<'py, PyAny>,
    inbox: Bound<'py, Inbox>,
    /// Of all workers, made before the first of them.
    channel: Arc<Channel>,
    /// After a fork, in the child: the worker that this process is.
    worker: Option<Bound<'py, PyAny>>,
}

impl<'py> PythonHost<'py> {
    /// A host that calls the methods of `arbiter`.
    pub fn new(
        arbiter: &Bound<'py, PyAny>,
        inbox: &Bound<'py, Inbox>,
        channel: Arc<Channel>,
    ) -> PythonHost<'py> {
        PythonHost {
            arbiter: arbiter.clone(),
            inbox: inbox.clone(),
            channel,
            worker: None,
        }
    }

    /// The worker that this process has become.
    pub fn into_worker(self) -> Option<Bound<'py, PyAny>> {
        self.worker
    }

    fn py(&self) -> Python<'py> {
        self.arbiter.py()
    }

    fn call(&self, method: &Bound<'py, PyString>) -> PyResult<()> {
        self.arbiter.call_method0(method)?;
        Ok(())
    }

    /// Sends the metric if that is wanted; then the loop has to come by again after a second.
    fn report_backlog(&self) -> PyResult<Option<Duration>> {
        let cfg = self.arbiter.getattr(intern!(self.py(), "cfg"))?;
        if !cfg
            .getattr(intern!(self.py(), "enable_backlog_metric"))?
            .is_truthy()?
        {
            return Ok(None);
        }
        self.call(intern!(self.py(), "report_backlog"))?;
        Ok(Some(Duration::from_secs(1)))
    }

    /// Forks; `None` after having logged why it cannot be done.
    fn fork(&mut self) -> Option<Option<i32>> {
        match ffi::fork::fork(self.py()) {
            Ok(pid) => Some(pid),
            Err(error) => {
                self.log(Level::Error, &format!("Cannot fork: {error}"));
                None
            }
        }
    }
}

impl Host for PythonHost<'_> {
    type Error = PyErr;

    fn log(&mut self, level: Level, message: &str) {
        let py = self.py();
        let method = match level {
            Level::Debug => intern!(py, "debug"),
            Level::Info => intern!(py, "info"),
            Level::Warning => intern!(py, "warning"),
            Level::Error => intern!(py, "error"),
            Level::Critical => intern!(py, "critical"),
        };
        let logged = self
            .arbiter
            .getattr(intern!(py, "log"))
            .and_then(|log| log.call_method1(method, ("%s", message)));
        if let Err(error) = logged {
            error.print(py);
        }
    }

    fn report_death(&mut self, report: &DeathReport) {
        if let Err(error) = super::death::log(&self.arbiter, report) {
            error.print(self.py());
        }
    }

    fn sleep(&mut self, wakeup: &WakeUp, limit: Option<Duration>) -> PyResult<()> {
        let limit = self
            .report_backlog()?
            .map_or(limit, |pass| Some(limit.unwrap_or(pass).min(pass)));
        self.py().detach(|| wakeup.sleep(limit))?;
        self.py().check_signals()
    }

    fn requests(&mut self) -> Vec<Request> {
        self.inbox.get().take()
    }

    fn spawn(&mut self, age: u32, slot: scoreboard::Slot) -> PyResult<Option<Forked>> {
        let py = self.py();
        let wakeup = self.inbox.get().wakeup().clone();
        let slot = Slot::new(slot, wakeup, Arc::clone(&self.channel));
        let prepare = intern!(py, "prepare_worker");
        let worker = self.arbiter.call_method1(prepare, (age, slot))?;
        let Some(forked) = self.fork() else {
            return Ok(None);
        };
        Ok(Some(match forked {
            Some(pid) => {
                let forked = intern!(py, "worker_forked");
                self.arbiter.call_method1(forked, (pid, worker))?;
                Forked::Parent(pid)
            }
            None => {
                self.worker = Some(worker);
                Forked::Child
            }
        }))
    }

    fn bury(&mut self, age: u32, boot_failure: bool) -> PyResult<()> {
        let method = intern!(self.py(), "worker_gone");
        self.arbiter.call_method1(method, (age, boot_failure))?;
        Ok(())
    }

    fn reload(&mut self) -> PyResult<Option<Options>> {
        let reloaded = self
            .arbiter
            .call_method0(intern!(self.py(), "reload_config"))?;
        match reloaded.is_truthy()? {
            true => super::options(&self.arbiter).map(Some),
            false => Ok(None),
        }
    }

    fn commit_reload(&mut self) -> PyResult<()> {
        self.call(intern!(self.py(), "commit_reload"))
    }

    fn call_off_reload(&mut self) -> PyResult<()> {
        self.call(intern!(self.py(), "call_off_reload"))
    }

    fn reexec(&mut self) -> PyResult<Option<i32>> {
        let Some(forked) = self.fork() else {
            return Ok(None);
        };
        let Some(pid) = forked else {
            // Replaces this process or ends it; it never comes back.
            self.call(intern!(self.py(), "become_successor"))?;
            return Err(PyOSError::new_err("the successor was not started"));
        };
        self.arbiter
            .setattr(intern!(self.py(), "reexec_pid"), pid)?;
        Ok(Some(pid))
    }

    fn promote(&mut self) -> PyResult<()> {
        self.call(intern!(self.py(), "promote"))
    }

    fn reopen_logs(&mut self) -> PyResult<()> {
        self.call(intern!(self.py(), "reopen_logs"))
    }

    fn target_changed(&mut self, new: usize, _old: usize) -> PyResult<()> {
        self.arbiter.setattr(intern!(self.py(), "num_workers"), new)
    }

    fn close_listeners(&mut self, shared: bool) -> PyResult<()> {
        let method = intern!(self.py(), "close_listeners");
        self.arbiter.call_method1(method, (shared,))?;
        Ok(())
    }

    fn failed(&mut self, error: PyErr) -> i32 {
        let py = self.py();
        let status = self
            .arbiter
            .call_method1(intern!(py, "unhandled"), (error.value(py),))
            .and_then(|status| status.extract());
        status.unwrap_or_else(|error: PyErr| {
            error.print(py);
            UNHANDLED
        })
    }
}
