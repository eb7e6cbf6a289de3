//! How long to wait before replacing workers that die right after their start.
//!
//! Gunicorn does not wait and forks as fast as the machine can. Here the first replacement is immediate too;
//! only when that one dies young as well the pause begins to double.

use std::time::Duration;

/// A worker that dies earlier than this, and not in good order, died young.
pub const YOUNG: Duration = Duration::from_secs(1);

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Deaths this far apart have nothing to do with each other.
const FORGET: Duration = Duration::from_secs(60);

/// The row of early deaths so far.
#[derive(Clone, Debug, Default)]
pub struct Pause {
    deaths: u32,
    last: Duration,
    until: Duration,
}

impl Pause {
    /// A worker died young; gives the deaths in this row and the pause, if there is to be one.
    pub fn died_young(&mut self, now: Duration) -> Option<(u32, Duration)> {
        if now.saturating_sub(self.last) > FORGET {
            self.deaths = 0;
        }
        self.last = now;
        self.deaths = self.deaths.saturating_add(1);
        let doublings = self.deaths.checked_sub(2)?;
        let pause = FIRST
            .saturating_mul(2u32.saturating_pow(doublings))
            .min(LONGEST);
        self.until = now + pause;
        Some((self.deaths, pause))
    }

    /// A worker lived, or the code is new: start over.
    pub fn reset(&mut self) {
        *self = Pause::default();
    }

    /// When the next worker may be forked, if not yet.
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        (now < self.until).then_some(self.until)
    }
}
