//! What the driver needs from the world above it.

use std::time::Duration;

use oxicorn_sys::scoreboard::Slot;
use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::WakeUp;

use crate::{DeathReport, Level, Options, Source};

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The arbiter, with the process of the worker or template.
    Parent(i32),
    /// That process itself.
    Child,
}

/// What signals and hooks ask of the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A signal arrived.
    Signal(Signal),
    /// The number of workers was assigned.
    Target(usize),
    /// Have another look at everything.
    Manage,
}

/// The hooks, the logger and the interpreter. An error ends the server with the status that
/// [`Host::failed`] finds for it.
pub trait Host {
    /// What a hook raises.
    type Error;

    /// Writes a line to the error log.
    fn log(&mut self, level: Level, message: &str);

    /// Writes the report of a worker's death to the error log, as one record.
    fn report_death(&mut self, report: &DeathReport);

    /// Sleeps on `wakeup`, at most for `limit`.
    fn sleep(&mut self, wakeup: &WakeUp, limit: Option<Duration>) -> Result<(), Self::Error>;

    /// What has been asked since the last call, in order.
    fn requests(&mut self) -> Vec<Request>;

    /// Has `source` fork worker number `age`, which writes to `slot`. `None`: the system has no process to spare.
    fn spawn(
        &mut self,
        age: u32,
        slot: Slot,
        source: Source,
    ) -> Result<Option<Forked>, Self::Error>;

    /// Forks a template. `None`: the system has no process to spare.
    fn prepare(&mut self, number: u32) -> Result<Option<Forked>, Self::Error>;

    /// Templates that have loaded the application since the last call.
    fn loaded_templates(&mut self) -> Vec<u32>;

    /// Has a template stop listening.
    fn retire_template(&mut self, number: u32);

    /// Lets go of a template, which ends it.
    fn end_template(&mut self, number: u32);

    /// A worker is gone. `boot_failure`: it could not boot, so no hook is run.
    fn bury(&mut self, age: u32, boot_failure: bool) -> Result<(), Self::Error>;

    /// Reads the settings again. `None`: they are unusable, which has been logged, and nothing has changed.
    fn reload(&mut self) -> Result<Option<Options>, Self::Error>;

    /// The reload stands.
    fn commit_reload(&mut self) -> Result<(), Self::Error>;

    /// The reload is taken back.
    fn call_off_reload(&mut self) -> Result<(), Self::Error>;

    /// Starts a new arbiter. `None`: no process to spare.
    fn reexec(&mut self) -> Result<Option<i32>, Self::Error>;

    /// This is the only arbiter now.
    fn promote(&mut self) -> Result<(), Self::Error>;

    /// Opens the log files anew.
    fn reopen_logs(&mut self) -> Result<(), Self::Error>;

    /// The operator changed the number of workers.
    fn target_changed(&mut self, new: usize, old: usize) -> Result<(), Self::Error>;

    /// Closes the listeners of this process; removes their files unless they are `shared`.
    fn close_listeners(&mut self, shared: bool) -> Result<(), Self::Error>;

    /// Something raised: logs it and says which status the server shall end with.
    fn failed(&mut self, error: Self::Error) -> i32;
}
