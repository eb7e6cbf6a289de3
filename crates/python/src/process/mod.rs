//! The arbiter's border: the loop of `oxicorn-arbiter` under `oxicorn.arbiter.Arbiter`.
//!
//! The start, the hooks and everything that an operator may override are Python; who is forked and signalled when,
//! and the system calls, are not.

mod death;
mod host;
mod inbox;
mod service;
mod slot;
mod sockets;
mod template;

use std::sync::Arc;
use std::time::Duration;

use oxicorn_arbiter::{Arbiter, Driver, End, Kills, Options};
use oxicorn_sys::channel::Channel;
use oxicorn_sys::notify::Notifier;
use oxicorn_sys::scoreboard::{self, Scoreboard};
use oxicorn_sys::wait::WakeUp;
use pyo3::intern;
use pyo3::prelude::*;

use self::host::PythonHost;
use self::inbox::Inbox;

/// Records of the scoreboard at least; unused ones cost nothing.
const RECORDS: usize = 1024;

/// How the loop ended: the worker or template that this process has become, or else a status and a reason.
type Ended<'py> = (Option<Bound<'py, PyAny>>, i32, Option<&'static str>);

/// Adds what this module gives to Python.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Inbox>()?;
    module.add_class::<slot::Slot>()?;
    module.add_class::<template::Template>()?;
    module.add_function(wrap_pyfunction!(template::die_with_parent, module)?)?;
    module.add_function(wrap_pyfunction!(supervise, module)?)?;
    module.add_function(wrap_pyfunction!(check_settings, module)?)?;
    sockets::register(module)?;
    service::register(module)
}

/// Runs the server until it ends, and gives its exit status. In every worker this returns as well, with the status of
/// the worker.
pub fn run(py: Python<'_>, app: &Bound<'_, PyAny>) -> PyResult<i32> {
    // Before anything is touched: what this version does not do is refused.
    crate::config::typed(&app.getattr(intern!(py, "cfg"))?)?;
    py.import("oxicorn.arbiter")?
        .getattr("Arbiter")?
        .call1((app,))?
        .call_method0("run")?
        .extract()
}

/// The scoreboard record of a worker.
pub fn slot_of(worker: &Bound<'_, PyAny>) -> PyResult<scoreboard::Slot> {
    let slot = worker.getattr(intern!(worker.py(), "slot"))?;
    Ok(slot.cast::<slot::Slot>()?.get().record())
}

/// What wakes the arbiter of a worker.
pub fn arbiter_of(worker: &Bound<'_, PyAny>) -> PyResult<Arc<WakeUp>> {
    let slot = worker.getattr(intern!(worker.py(), "slot"))?;
    Ok(slot.cast::<slot::Slot>()?.get().arbiter())
}

/// What a worker and its siblings give each other connections through.
pub fn channel_of(worker: &Bound<'_, PyAny>) -> PyResult<Arc<Channel>> {
    let slot = worker.getattr(intern!(worker.py(), "slot"))?;
    Ok(Arc::clone(slot.cast::<slot::Slot>()?.get().channel()))
}

/// The loop. In the arbiter it gives `(None, status, reason)` once every worker is gone, in a worker or template that was
/// just forked `(it, 0, None)`, with all signals still blocked.
#[pyfunction]
fn supervise<'py>(arbiter: &Bound<'py, PyAny>, inbox: &Bound<'py, Inbox>) -> PyResult<Ended<'py>> {
    let py = arbiter.py();
    let options = options(arbiter)?;
    let parent: i32 = arbiter.getattr(intern!(py, "master_pid"))?.extract()?;
    let scoreboard = Scoreboard::new(RECORDS.max(options.workers.saturating_mul(4)))?;
    let mut host = PythonHost::new(arbiter, inbox, Arc::new(Channel::new()?), scoreboard);
    let driver = Driver {
        arbiter: Arbiter::new(options, parent != 0),
        scoreboard,
        wakeup: inbox.get().wakeup(),
        notifier: Notifier::from_env(|name| std::env::var_os(name)),
        parent,
        kills: Kills::default(),
    };
    Ok(match driver.run(&mut host) {
        End::Exit(outcome) => (None, outcome.status, outcome.reason()),
        End::Child { .. } | End::Template { .. } => (host.into_child(), 0, None),
    })
}

/// Raises `oxicorn.errors.ConfigError` if the settings do not fit together.
#[pyfunction]
fn check_settings(cfg: &Bound<'_, PyAny>) -> PyResult<()> {
    crate::config::typed(cfg).map(drop)
}

/// What the policy needs of the configuration that is in force.
fn options(arbiter: &Bound<'_, PyAny>) -> PyResult<Options> {
    let py = arbiter.py();
    let config = crate::config::typed(&arbiter.getattr(intern!(py, "cfg"))?)?;
    Ok(Options {
        workers: arbiter.getattr(intern!(py, "num_workers"))?.extract()?,
        timeout: Duration::from_secs(config.timeout),
        graceful_timeout: Duration::from_secs(config.graceful_timeout),
        drain_delay: Duration::from_secs(config.drain_delay),
        daemon: config.daemon,
        max_surge: config.max_surge,
        preload: config.preload_app,
    })
}
