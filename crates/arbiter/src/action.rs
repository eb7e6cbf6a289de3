//! What the policy wants done.

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal;

use crate::{Ended, Notice, Outcome, Source};

/// Something for the driver to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a line to the log.
    Log(Notice),
    /// Fork a worker; answer with [`crate::Event::Spawned`] or [`crate::Event::SpawnFailed`].
    Spawn {
        /// Its number, counted from 1 in the order of forks.
        age: u32,
        /// By this process.
        source: Source,
    },
    /// Fork a template, which loads the application; answer with [`crate::Event::TemplateForked`].
    Prepare {
        /// Its number, counted from 1 in the order of forks.
        number: u32,
    },
    /// No further worker is wanted of this template: it stops listening.
    RetireTemplate {
        /// The template.
        number: u32,
    },
    /// Let go of this template, which ends it if it has not ended.
    EndTemplate {
        /// The template.
        number: u32,
    },
    /// Send a signal to a worker or a template.
    Kill(i32, Signal),
    /// This worker's time to leave is over; who still waits for it is not answered in its place.
    EndTenure {
        /// The worker.
        age: u32,
    },
    /// Say which request this worker is working on.
    ReportRequest {
        /// The worker.
        age: u32,
    },
    /// A worker is gone: report how and what it was doing, if there is something to say. Its `Bury` follows.
    ReportDeath(Ended),
    /// A worker is gone: run `child_exit`, give its record back.
    Bury {
        /// The worker.
        age: u32,
        /// It never served because it could not boot; `child_exit` is not run for these.
        boot_failure: bool,
    },
    /// Read the settings again; answer with [`crate::Event::Reloaded`] or [`crate::Event::ReloadRefused`].
    Reload,
    /// The new settings have proved themselves; what was kept of the old ones may go.
    CommitReload,
    /// Put the old settings back.
    CallOffReload,
    /// Start a new arbiter from the installed files; answer with [`crate::Event::Reexecuted`].
    Reexec,
    /// This arbiter has no parent arbiter any more: take over its pid file and name.
    Promote,
    /// Open the log files anew.
    ReopenLogs,
    /// The operator changed the number of workers.
    TargetChanged {
        /// From now on.
        new: usize,
        /// Until now.
        old: usize,
    },
    /// Stop listening in this process.
    CloseListeners {
        /// Another arbiter listens on the same socket files, so leave them.
        shared: bool,
    },
    /// Tell the service manager.
    Notify(Milestone),
    /// All is done.
    Exit(Outcome),
}
