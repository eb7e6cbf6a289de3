//! Leaving: who is asked, until when, and with which status.

use std::time::Duration;

/// What a quick shutdown leaves of the graceful time.
pub const QUICK: Duration = Duration::from_secs(2);

/// How long killed workers may take to be gone. Only a process stuck inside the kernel takes longer.
pub const LAST_WAIT: Duration = Duration::from_secs(2);

/// Exit status of a worker that failed to boot, and of the server that gives up over it.
pub const BOOT_FAILED: i32 = 3;

/// The same for an application that is there but unusable.
pub const APP_UNUSABLE: i32 = 4;

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status.
    pub status: i32,
}

impl Outcome {
    /// What the log gives as the reason, for the two statuses that have one.
    pub fn reason(&self) -> Option<&'static str> {
        match self.status {
            BOOT_FAILED => Some("Worker failed to boot."),
            APP_UNUSABLE => Some("App failed to load."),
            _ => None,
        }
    }
}

impl Phase {
    /// Workers are kept up.
    pub fn is_serving(&self) -> bool {
        matches!(self, Phase::Running | Phase::Delayed { .. })
    }
}

/// What the arbiter is about.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// Nothing started yet.
    Idle,
    /// Keeping the workers up.
    Running,
    /// Asked to leave, and serving until then: whoever sends requests has to learn of it first.
    Delayed {
        /// Then the workers are asked.
        until: Duration,
    },
    /// The workers were asked to leave.
    Asked {
        /// Then they are killed. Only ever gets earlier: a second signal must not prolong it.
        deadline: Duration,
        /// With which status the server ends.
        outcome: Outcome,
    },
    /// The workers were killed.
    Killed {
        /// Then the arbiter leaves without them.
        deadline: Duration,
        /// With which status the server ends.
        outcome: Outcome,
    },
    /// [`crate::Action::Exit`] was given.
    Over,
}
