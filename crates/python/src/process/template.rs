//! The template's side of its orders.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use oxicorn_arbiter::{Order, Reply};
use oxicorn_sys::channel::Channel;
use oxicorn_sys::control::{Control, Message};
use oxicorn_sys::fork;
use oxicorn_sys::scoreboard::Scoreboard;
use oxicorn_sys::wait::WakeUp;
use pyo3::exceptions::{PyConnectionError, PyValueError};
use pyo3::prelude::*;

use super::slot::Slot;
use crate::ffi;

/// What every worker of the arbiter shares.
pub struct Roots {
    /// Their records.
    pub scoreboard: Scoreboard,
    /// What wakes the arbiter.
    pub wakeup: Arc<WakeUp>,
    /// Through which they give each other connections.
    pub channel: Arc<Channel>,
}

/// What a template is told and what it answers. It stands in for the arbiter's inbox, too.
#[pyclass(frozen, module = "oxicorn._oxicorn")]
pub struct Template {
    /// Gone in workers that were forked here.
    control: Mutex<Option<Control>>,
    #[pyo3(get)]
    number: u32,
    roots: Roots,
}

impl Template {
    /// For the process that is to be template `number`.
    pub fn new(control: Control, number: u32, roots: Roots) -> Template {
        Template {
            control: Mutex::new(Some(control)),
            number,
            roots,
        }
    }

    fn send(&self, reply: Reply) -> PyResult<()> {
        let sent = self.with_control(|control| control.send(reply.encode()));
        sent.map_err(PyConnectionError::new_err)
    }

    fn receive(&self) -> io::Result<Option<Message>> {
        self.with_control(Control::receive)
    }

    fn with_control<T>(&self, f: impl FnOnce(&Control) -> io::Result<T>) -> io::Result<T> {
        // Nothing panics under the lock, and the one thread that waits in it is the one that forks.
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        match control.as_ref() {
            Some(control) => f(control),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

#[pymethods]
impl Template {
    /// The application is loaded.
    fn ready(&self) -> PyResult<()> {
        self.send(Reply::Ready)?;
        self.roots.wakeup.wake();
        Ok(())
    }

    /// Waits for the next order: its name and what belongs to it. None: there is no arbiter any more.
    fn order(&self, py: Python<'_>) -> PyResult<Option<(&'static str, u32, u32)>> {
        loop {
            let message = match py.detach(|| self.receive()) {
                Ok(Some(message)) => message,
                Ok(None) => {
                    py.check_signals()?;
                    continue;
                }
                Err(_) => return Ok(None),
            };
            return Ok(Order::decode(message).map(|order| match order {
                Order::Fork { age, slot } => ("fork", age, u32::try_from(slot).unwrap_or(u32::MAX)),
                Order::Bury { age, boot_failure } => ("bury", age, boot_failure.into()),
                Order::Retire => ("retire", 0, 0),
            }));
        }
    }

    /// The record at this position, for a worker that is about to be forked.
    fn slot(&self, position: usize) -> PyResult<Slot> {
        let record = self.roots.scoreboard.at(position);
        let record = record.ok_or_else(|| PyValueError::new_err("there is no such record"))?;
        let wakeup = Arc::clone(&self.roots.wakeup);
        Ok(Slot::new(record, wakeup, Arc::clone(&self.roots.channel)))
    }

    /// Forks a worker, a child of the arbiter; gives its pid, and None in itself.
    fn fork(&self, py: Python<'_>, slot: &Slot) -> PyResult<Option<i32>> {
        let forked = ffi::fork::fork_away(py)?;
        if forked.is_none() {
            // In this order: if the template dies before it answers, the arbiter has to know whom to end.
            slot.record().set_pid(std::process::id());
            let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
            *control = None;
        }
        Ok(forked)
    }

    /// Answers an order to fork.
    fn forked(&self, pid: i32) -> PyResult<()> {
        self.send(Reply::Forked(pid))
    }

    /// Answers that the system did not let it fork.
    fn cannot_fork(&self) -> PyResult<()> {
        self.send(Reply::CannotFork)
    }

    /// Answers that an order was carried out.
    fn done(&self) -> PyResult<()> {
        self.send(Reply::Done)
    }

    /// Answers that a hook failed and the server has to end with this status.
    fn failed(&self, status: i32) -> PyResult<()> {
        self.send(Reply::Failed(status))
    }

    /// As the inbox has it: sets the number of workers.
    fn set_target(&self, target: usize) {
        // In a worker there is no way to the arbiter, and one that is gone needs no number.
        let _ = self.send(Reply::Target(target));
        self.roots.wakeup.wake();
    }

    /// As the inbox has it: has the arbiter look at everything again.
    fn wake(&self) {
        self.roots.wakeup.wake();
    }
}

/// Has the kernel kill this process when its parent dies.
#[pyfunction]
pub fn die_with_parent() -> PyResult<()> {
    Ok(fork::die_with_parent()?)
}
