//! The arbiter's view of one worker.

use std::time::Duration;

use oxicorn_sys::signals::Signal;

use crate::Source;

/// A worker as the arbiter knows it. The process itself is elsewhere.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    /// Number in the order of forks; identifies the worker for as long as the arbiter runs.
    pub age: u32,
    /// Workers of one generation run with the same settings and code.
    pub generation: u32,
    /// Which process forked it.
    pub source: Source,
    /// When it was forked.
    pub born: Duration,
    /// Last heartbeat. No timeout applies before the first: loading an application takes what it takes.
    pub last_beat: Option<Duration>,
    /// How far it is.
    pub life: Life,
}

/// The stages of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The fork was ordered, there is no process yet.
    Forking,
    /// Loading the application.
    Booting(i32),
    /// Serving.
    Ready(i32),
    /// Serving, and asking for a replacement.
    Retiring(i32),
    /// Silent for too long and sent SIGABRT.
    Aborted {
        /// Its process.
        pid: i32,
        /// Then it is killed.
        kill_at: Duration,
    },
    /// Asked to leave. It may finish what it has for as long as its heartbeat goes on.
    Leaving(i32),
}

impl WorkerHandle {
    /// Its process, once there is one.
    pub fn pid(&self) -> Option<i32> {
        match self.life {
            Life::Forking => None,
            Life::Booting(pid)
            | Life::Ready(pid)
            | Life::Retiring(pid)
            | Life::Aborted { pid, .. }
            | Life::Leaving(pid) => Some(pid),
        }
    }

    /// It serves requests.
    pub fn is_ready(&self) -> bool {
        matches!(self.life, Life::Ready(_) | Life::Retiring(_))
    }

    /// It serves, until there is a replacement for it.
    pub fn is_retiring(&self) -> bool {
        matches!(self.life, Life::Retiring(_))
    }

    /// It serves or is going to, and has not been told to leave.
    pub fn stays(&self) -> bool {
        matches!(
            self.life,
            Life::Forking | Life::Booting(_) | Life::Ready(_) | Life::Retiring(_)
        )
    }

    /// When its heartbeat becomes overdue.
    pub fn silent_at(&self, timeout: Duration) -> Option<Duration> {
        let overdue = matches!(self.life, Life::Aborted { .. }) || timeout.is_zero();
        self.last_beat
            .filter(|_| !overdue)
            .map(|beat| beat + timeout)
    }

    /// When it is killed if SIGABRT has not ended it by then.
    pub fn killed_at(&self) -> Option<Duration> {
        match self.life {
            Life::Aborted { kill_at, .. } => Some(kill_at),
            _ => None,
        }
    }

    /// Makes it leave; gives the signal to send, none if it was told before.
    pub fn leave(&mut self) -> Option<(i32, Signal)> {
        match self.life {
            Life::Booting(pid) | Life::Ready(pid) | Life::Retiring(pid) => {
                self.life = Life::Leaving(pid);
                Some((pid, Signal::Term))
            }
            Life::Forking | Life::Aborted { .. } | Life::Leaving(_) => None,
        }
    }
}
