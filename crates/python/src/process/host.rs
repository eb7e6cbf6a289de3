//! `oxicorn.arbiter.Arbiter` as the loop's host.

use std::sync::Arc;
use std::time::Duration;

use oxicorn_arbiter::{DeathReport, Forked, Host, Level, Options, Order, Reply, Request, Source};
use oxicorn_sys::channel::Channel;
use oxicorn_sys::control::Control;
use oxicorn_sys::fork;
use oxicorn_sys::resources;
use oxicorn_sys::scoreboard::{self, Scoreboard};
use oxicorn_sys::signals::{self, Signal};
use oxicorn_sys::wait::WakeUp;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::inbox::Inbox;
use super::slot::Slot;
use super::template::{Roots, Template};
use crate::ffi;

/// What a hook may raise and the loop still can be left in order.
const UNHANDLED: i32 = 255;

/// The arbiter object and its inbox.
pub struct PythonHost<'py> {
    arbiter: Bound<'py, PyAny>,
    inbox: Bound<'py, Inbox>,
    /// Of all workers, made before the first of them.
    channel: Arc<Channel>,
    scoreboard: Scoreboard,
    templates: Templates,
    /// After a fork, in the child: the worker or template that this process is.
    child: Option<Bound<'py, PyAny>>,
}

impl<'py> PythonHost<'py> {
    /// A host that calls the methods of `arbiter`.
    pub fn new(
        arbiter: &Bound<'py, PyAny>,
        inbox: &Bound<'py, Inbox>,
        channel: Arc<Channel>,
        scoreboard: Scoreboard,
    ) -> PythonHost<'py> {
        PythonHost {
            arbiter: arbiter.clone(),
            inbox: inbox.clone(),
            channel,
            scoreboard,
            templates: Templates::default(),
            child: None,
        }
    }

    /// The worker or template that this process has become.
    pub fn into_child(self) -> Option<Bound<'py, PyAny>> {
        self.child
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

    /// Has a template fork a worker. The arbiter has an object for it as well, for its hooks.
    fn spawn_from(
        &mut self,
        number: u32,
        age: u32,
        slot: scoreboard::Slot,
    ) -> PyResult<Option<Forked>> {
        let py = self.py();
        let order = Order::Fork {
            age,
            slot: slot.index(),
        };
        match self.templates.ask(number, order) {
            Some(Reply::Forked(pid)) => {
                self.templates.forked.push((age, number));
                let wakeup = self.inbox.get().wakeup().clone();
                let slot = Slot::new(slot, wakeup, Arc::clone(&self.channel));
                let make = intern!(py, "make_worker");
                let worker = self.arbiter.call_method1(make, (age, slot))?;
                let forked = intern!(py, "worker_forked");
                self.arbiter.call_method1(forked, (pid, worker))?;
                Ok(Some(Forked::Parent(pid)))
            }
            Some(Reply::Failed(status)) => Err(self.halt(status)),
            Some(_) => Ok(None),
            None => {
                // It has died. A worker that it had forked has said so before it let go of the socket.
                let pid = i32::try_from(slot.pid()).unwrap_or_default();
                if pid > 0 {
                    let _ = signals::kill(pid, Signal::Kill);
                }
                Ok(None)
            }
        }
    }

    /// What ends the server with this status; the reason has been logged.
    fn halt(&self, status: i32) -> PyErr {
        let errors = self.py().import("oxicorn.errors");
        let error = errors
            .and_then(|errors| errors.getattr("HaltServer"))
            .and_then(|class| class.call1(("a hook failed", status)));
        match error {
            Ok(error) => PyErr::from_value(error),
            Err(error) => error,
        }
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

/// For the children that an arbiter can replace. Its successor (USR2) is none of them.
fn go_before_arbiter() {
    // Without /proc it has to do without.
    let _ = resources::go_before_parent();
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
        let mut requests = self.inbox.get().take();
        for target in self.templates.targets.drain(..) {
            requests.push(Request::Target(target));
            let name = intern!(self.arbiter.py(), "_num_workers");
            if let Err(error) = self.arbiter.setattr(name, target) {
                error.print(self.arbiter.py());
            }
        }
        requests
    }

    fn spawn(
        &mut self,
        age: u32,
        slot: scoreboard::Slot,
        source: Source,
    ) -> PyResult<Option<Forked>> {
        let py = self.py();
        if let Source::Template(number) = source {
            return self.spawn_from(number, age, slot);
        }
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
                go_before_arbiter();
                self.child = Some(worker);
                Forked::Child
            }
        }))
    }

    fn prepare(&mut self, number: u32) -> PyResult<Option<Forked>> {
        let py = self.py();
        fork::adopt_descendants()?;
        let (ours, theirs) = Control::pair()?;
        let Some(forked) = self.fork() else {
            return Ok(None);
        };
        let Some(pid) = forked else {
            go_before_arbiter();
            let roots = Roots {
                scoreboard: self.scoreboard,
                wakeup: self.inbox.get().wakeup().clone(),
                channel: Arc::clone(&self.channel),
            };
            let template = Template::new(theirs, number, roots);
            self.child = Some(Bound::new(py, template)?.into_any());
            return Ok(Some(Forked::Child));
        };
        self.templates.open.push((number, ours));
        Ok(Some(Forked::Parent(pid)))
    }

    fn loaded_templates(&mut self) -> Vec<u32> {
        self.templates.poll()
    }

    fn retire_template(&mut self, number: u32) {
        self.templates.tell(number, Order::Retire);
    }

    fn end_template(&mut self, number: u32) {
        self.templates.open.retain(|(other, _)| *other != number);
    }

    fn bury(&mut self, age: u32, boot_failure: bool) -> PyResult<()> {
        let boot_failure = match self.templates.bury(age, boot_failure) {
            Some(Reply::Failed(status)) => return Err(self.halt(status)),
            // The hook was run where the worker was made.
            Some(_) => true,
            None => boot_failure,
        };
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

/// The arbiter's side of its templates.
#[derive(Default)]
struct Templates {
    open: Vec<(u32, Control)>,
    /// Which template has forked a worker, by the worker's number.
    forked: Vec<(u32, u32)>,
    /// What hooks in templates assigned to the number of workers.
    targets: Vec<usize>,
}

impl Templates {
    /// Those that have loaded the application since the last call.
    fn poll(&mut self) -> Vec<u32> {
        let mut loaded = Vec::new();
        for (number, control) in &self.open {
            while let Ok(Some(message)) = control.poll() {
                match Reply::decode(message) {
                    Some(Reply::Ready) => loaded.push(*number),
                    Some(Reply::Target(target)) => self.targets.push(target),
                    _ => {}
                }
            }
        }
        loaded
    }

    /// Gives an order that has no answer. One who is gone needs none.
    fn tell(&self, number: u32, order: Order) {
        if let Some(control) = self.control(number) {
            let _ = control.send(order.encode());
        }
    }

    /// Gives an order and waits for its answer. `None`: the template is gone.
    fn ask(&mut self, number: u32, order: Order) -> Option<Reply> {
        let (_, control) = self.open.iter().find(|(other, _)| *other == number)?;
        control.send(order.encode()).ok()?;
        loop {
            let Some(message) = control.receive().ok()? else {
                continue;
            };
            match Reply::decode(message)? {
                Reply::Ready => {}
                Reply::Target(target) => self.targets.push(target),
                reply => return Some(reply),
            }
        }
    }

    /// Has `child_exit` run where the worker was made. `None`: that is here, or the template is gone.
    fn bury(&mut self, age: u32, boot_failure: bool) -> Option<Reply> {
        let at = self.forked.iter().position(|(other, _)| *other == age)?;
        let (_, number) = self.forked.swap_remove(at);
        self.ask(number, Order::Bury { age, boot_failure })
    }

    fn control(&self, number: u32) -> Option<&Control> {
        let found = self.open.iter().find(|(other, _)| *other == number);
        found.map(|(_, control)| control)
    }
}
