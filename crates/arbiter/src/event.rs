//! What the policy is told.

use std::time::Duration;

use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::Death;

/// The part of the settings that the policy needs. A reload brings new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of workers to keep.
    pub workers: usize,
    /// A worker silent for longer is aborted; zero switches this off.
    pub timeout: Duration,
    /// What a worker gets to finish its requests once it was asked to leave.
    pub graceful_timeout: Duration,
    /// How long the server goes on serving after SIGTERM.
    pub drain_delay: Duration,
    /// Detached from the terminal: only then SIGWINCH means "stop the workers", in a terminal it is a resized window.
    pub daemon: bool,
    /// How many processes there may be beyond `workers` while workers are replaced; zero: no limit.
    pub max_surge: usize,
    /// Workers are forked from a template that has loaded the application.
    pub preload: bool,
}

/// What a worker says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Nothing yet.
    Nothing,
    /// Its application is loaded.
    Ready,
    /// It serves, and wants to be replaced.
    Retiring,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The listeners are open; fork the first generation.
    Start,
    /// The arbiter got a signal.
    Signal(Signal),
    /// [`crate::Action::Spawn`] succeeded.
    Spawned {
        /// The worker.
        age: u32,
        /// Its process.
        pid: i32,
    },
    /// [`crate::Action::Spawn`] failed: no process or no scoreboard record to be had.
    SpawnFailed {
        /// The worker that will not exist.
        age: u32,
    },
    /// The answer to [`crate::Action::Prepare`].
    TemplateForked {
        /// The template.
        number: u32,
        /// Its process; `None`: there was none to be had.
        pid: Option<i32>,
    },
    /// A template has loaded the application.
    TemplateReady {
        /// The template.
        number: u32,
    },
    /// What the scoreboard says about a worker.
    Seen {
        /// The worker.
        age: u32,
        /// Its last heartbeat, if there was one.
        beat: Option<Duration>,
        /// What it says about itself.
        says: Says,
    },
    /// A child has ended.
    Exited {
        /// Its process, a worker or not.
        pid: i32,
        /// How.
        death: Death,
    },
    /// The answer to [`crate::Action::Reload`]: the settings are read and in force.
    Reloaded(Options),
    /// The other answer: they are unusable, nothing has changed.
    ReloadRefused,
    /// The answer to [`crate::Action::Reexec`]: the new arbiter's process.
    Reexecuted {
        /// The new arbiter.
        pid: i32,
    },
    /// The old arbiter, our parent, is gone.
    ParentGone,
    /// A hook assigned the number of workers.
    Target(usize),
    /// A hook asked for another pass of [`crate::Arbiter::handle`], or the time has come for one.
    Tick,
    /// A hook raised where that is fatal.
    Failed {
        /// The exit status that it asks for.
        status: i32,
    },
}
