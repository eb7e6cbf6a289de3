//! Time as the loop sees it: read once a turn and once a request, handed on as an argument.

use std::time::{Duration, SystemTime};

use oxicorn_sys::clock;

/// A moment of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    micros: u64,
}

impl Moment {
    /// The present.
    pub fn now() -> Moment {
        Moment::from_micros(clock::monotonic_us())
    }

    /// A moment by its reading of the clock.
    pub fn from_micros(micros: u64) -> Moment {
        Moment { micros }
    }

    /// The reading of the clock.
    pub fn micros(self) -> u64 {
        self.micros
    }

    /// Milliseconds of the clock, as the scoreboard keeps them.
    pub fn millis(self) -> u64 {
        self.micros / 1000
    }

    /// Microseconds since `earlier`; 0 if that is later.
    pub fn micros_since(self, earlier: Moment) -> u64 {
        self.micros.saturating_sub(earlier.micros)
    }

    /// How long it is until `later`; nothing if that has passed.
    pub fn until(self, later: Moment) -> Duration {
        Duration::from_micros(later.micros_since(self))
    }

    /// The moment `wait` earlier.
    pub fn before(self, wait: Duration) -> Moment {
        let wait = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Moment::from_micros(self.micros.saturating_sub(wait))
    }

    /// The moment `wait` later.
    pub fn after(self, wait: Duration) -> Moment {
        let wait = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Moment::from_micros(self.micros.saturating_add(wait))
    }
}

/// Length of `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its line end.
const DATE_LINE: usize = 37;

/// The Date field line (RFC 9110 §6.6.1), rendered once a second instead of once a response.
#[derive(Clone, Copy)]
pub struct DateLine {
    text: [u8; DATE_LINE],
    stale_at: Moment,
}

impl Default for DateLine {
    /// Stale from the beginning.
    fn default() -> DateLine {
        DateLine {
            text: *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            stale_at: Moment::from_micros(0),
        }
    }
}

impl DateLine {
    /// The line for the present second.
    pub fn new(now: Moment) -> DateLine {
        let mut line = DateLine::default();
        line.refresh(now);
        line
    }

    /// Renders the line again if its second is over.
    #[inline]
    pub fn refresh(&mut self, now: Moment) {
        if now >= self.stale_at {
            self.render(now, SystemTime::now());
        }
    }

    fn render(&mut self, now: Moment, wall: SystemTime) {
        let since_epoch = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let left = 1_000_000 - u64::from(since_epoch.subsec_micros());
        self.stale_at = now.after(Duration::from_micros(left));
        let line = format!("Date: {}\r\n", httpdate::fmt_http_date(wall));
        if let Ok(text) = line.as_bytes().try_into() {
            self.text = text;
        }
    }

    /// `Date: …` with its line end.
    #[inline]
    pub fn line(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_changes_with_the_second_of_the_wall_clock() {
        let start = Moment::from_micros(5_000_000);
        let mut line = DateLine::new(start);
        let wall = SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 900_000_000);
        line.render(start, wall);
        assert_eq!(line.line(), b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!(line.stale_at, start.after(Duration::from_millis(100)));
    }

    #[test]
    fn moments_do_not_run_backwards() {
        let (early, late) = (Moment::from_micros(1), Moment::from_micros(2_000_001));
        assert_eq!(early.micros_since(late), 0);
        assert_eq!(early.until(late), Duration::from_secs(2));
        assert_eq!(late.until(early), Duration::ZERO);
        assert_eq!(late.millis(), 2000);
    }
}
