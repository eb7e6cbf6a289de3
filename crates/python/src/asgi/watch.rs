//! Functions that the loop calls about a request whose time is over.

use std::ffi::CStr;

use pyo3::intern;
use pyo3::prelude::*;

use super::callback::Callback;
use super::cycle::Cycle;
use super::endpoint::Endpoint;
use crate::ffi::Function;

/// The client has gone some time ago, and the task goes on: it is cancelled.
pub struct Cancel;

impl Callback for Cancel {
    const NAME: &'static CStr = c"cancel";
    const DOC: &'static CStr = c"Cancel the task of a request whose client has gone.";
    type About = Cycle;

    fn run(bound: &Bound<'_, Cycle>) -> PyResult<()> {
        let py = bound.py();
        let cycle = bound.get();
        let shared = cycle.shared_here()?;
        let mut state = cycle.state(py)?;
        state.timer = None;
        let is_answered = state.exchange.is_none();
        let sent = state.body_sent();
        let still_reads = !state.is_lost && sent > state.sent_at_end;
        state.sent_at_end = sent;
        let task = state.task.as_ref().map(|task| task.clone_ref(py));
        drop(state);
        let Some(task) = task.filter(|_| !is_answered) else {
            return Ok(());
        };
        if still_reads && !shared.is_leaving.get() {
            // It has only ended its own side, and takes what is sent.
            let cancel = Function::bind::<Cancel>(bound.as_any())?;
            let timer = shared.calls.later(shared.grace, &cancel)?;
            cycle.state(py)?.timer = Some(timer.unbind());
        } else {
            task.call_method0(py, intern!(py, "cancel"))?;
        }
        Ok(())
    }
}

/// The worker leaves: the request is told that its client is gone.
pub struct Disconnect;

impl Callback for Disconnect {
    const NAME: &'static CStr = c"disconnect";
    const DOC: &'static CStr = c"End a stream because the worker leaves.";
    type About = Cycle;

    fn run(bound: &Bound<'_, Cycle>) -> PyResult<()> {
        let py = bound.py();
        let cycle = bound.get();
        let shared = cycle.shared_here()?;
        if cycle.state(py)?.exchange.is_none() {
            return Ok(());
        }
        cycle.disconnect(py);
        let cancel = Function::bind::<Cancel>(bound.as_any())?;
        let timer = shared.calls.later(shared.grace, &cancel)?;
        cycle.state(py)?.timer = Some(timer.unbind());
        Ok(())
    }
}
