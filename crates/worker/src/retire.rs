//! When a worker asks to be replaced.
//!
//! It only asks: it serves on until the arbiter, which has forked a replacement and seen it ready,
//! tells it to leave. So no moment has fewer workers than another.

use std::fmt;
use std::time::Duration;

use oxicorn_sys::resources;
use oxicorn_sys::scoreboard::State;

use crate::application::Application;
use crate::engine::{Engine, Stage};

/// What a worker may reach before it asks. All of them include the worker's jitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests called.
    pub requests: Option<u64>,
    /// Resident memory in KiB.
    pub memory_kib: Option<u64>,
    /// Time since it began to serve.
    pub lifetime: Option<Duration>,
}

/// Why it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has served as many requests as it should.
    Requests,
    /// Its memory, in KiB, is above its limit.
    Memory {
        /// What it has.
        kib: u64,
        /// What it may have.
        limit: u64,
    },
    /// It is that old.
    Lifetime(Duration),
    /// A request has exceeded its time and goes on.
    Overdue,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Gunicorn's line, which people look for.
            Reason::Requests => f.write_str("Autorestarting worker after current request."),
            Reason::Memory { kib, limit } => write!(
                f,
                "Autorestarting worker: it has {} MiB of memory, more than its limit of {} MiB (max_worker_memory).",
                kib / 1024,
                limit / 1024
            ),
            Reason::Overdue => {
                f.write_str("Autorestarting worker: a request does not end (timeout).")
            }
            Reason::Lifetime(age) => write!(
                f,
                "Autorestarting worker: it is {} s old (max_worker_lifetime).",
                age.as_secs()
            ),
        }
    }
}

impl Limits {
    /// Whether a worker with this age and memory should ask.
    fn exceeded(&self, age: Duration, kib: Option<u64>) -> Option<Reason> {
        if let (Some(limit), Some(kib)) = (self.memory_kib, kib)
            && kib > limit
        {
            return Some(Reason::Memory { kib, limit });
        }
        let lifetime = self.lifetime?;
        (age >= lifetime).then_some(Reason::Lifetime(age))
    }
}

impl<A: Application> Engine<A> {
    /// Asks for a replacement. Once is enough, and one who leaves needs none.
    pub(crate) fn retire(&mut self, reason: Reason, application: &mut A) {
        if self.stage == Stage::Serving {
            self.stage = Stage::Retiring;
            self.slot.set_state(State::Retiring);
            application.retiring(reason);
        }
    }

    /// Measures the worker's memory, for the report should it die, and looks at its limits.
    pub(crate) fn examine(&mut self, application: &mut A) {
        if self.is_draining() {
            return;
        }
        let kib = self.measure_memory();
        let age = Duration::from_micros(self.now.micros_since(self.born));
        if let Some(reason) = self.options.limits.exceeded(age, kib) {
            self.retire(reason, application);
        }
    }

    /// Once a second at most.
    pub(crate) fn measure_memory(&self) -> Option<u64> {
        let kib = resources::resident_kib()?;
        self.slot.set_rss(kib, self.now.millis());
        Some(kib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn limits_that_are_not_set_are_never_exceeded() {
        let none = Limits::default();
        assert_eq!(none.exceeded(SECOND * 1_000_000, Some(u64::MAX)), None);
    }

    #[test]
    fn memory_and_age_are_limits() {
        let limits = Limits {
            requests: None,
            memory_kib: Some(1000),
            lifetime: Some(SECOND * 60),
        };
        assert_eq!(limits.exceeded(SECOND * 59, Some(1000)), None);
        let (kib, limit) = (1001, 1000);
        assert_eq!(
            limits.exceeded(SECOND, Some(1001)),
            Some(Reason::Memory { kib, limit })
        );
        assert_eq!(
            limits.exceeded(SECOND * 60, None),
            Some(Reason::Lifetime(SECOND * 60))
        );
    }
}
