//! How much of a turn goes into pushing large responses into sockets.
//!
//! A socket takes megabytes at once, and the kernel needs milliseconds to copy them. Fifty such
//! responses in one turn would make everybody else wait for a quarter of a second. So sending may
//! take as long as the application's calls do, within bounds, and a little more; then what is left waits in the
//! connections' outputs, and the loop looks at new requests before it goes on.

use std::time::Duration;

use crate::clock::Moment;

/// Sending may take that much longer than the rest of a turn.
const SHARE: Duration = Duration::from_millis(10);

/// Calls that took longer count as this long: the machine may have done something else meanwhile.
const CALLS: Duration = Duration::from_millis(30);

/// Most bytes that are offered to one socket at once.
pub(crate) const LEAP: usize = 4 * 1024 * 1024;

/// The same in a turn that has sent its share: enough that most responses need no second turn.
const STEP: usize = 64 * 1024;

/// In such a turn an exchange whose application goes on for longer takes a step that often.
const STEP_EVERY: Duration = Duration::from_millis(1);

/// What the present turn has spent.
pub(crate) struct Pace {
    began: Moment,
    /// Microseconds that went into sending.
    sending: u64,
}

impl Pace {
    pub fn new(now: Moment) -> Pace {
        Pace {
            began: now,
            sending: 0,
        }
    }

    /// Takes note of microseconds that went into sending.
    pub fn spend(&mut self, micros: u64) {
        self.sending = self.sending.saturating_add(micros);
    }

    /// Sending has had its share of this turn.
    #[inline]
    pub fn is_spent(&self, now: Moment) -> bool {
        u128::from(self.sending) > SHARE.as_micros() && self.is_more_than_calls(now)
    }

    #[cold]
    fn is_more_than_calls(&self, now: Moment) -> bool {
        let calls = now.micros_since(self.began).saturating_sub(self.sending);
        let calls = u128::from(calls).min(CALLS.as_micros());
        u128::from(self.sending) > SHARE.as_micros().saturating_add(calls)
    }

    /// What one response may push now.
    #[inline]
    pub fn push(&self, now: Moment) -> Push {
        Push {
            haste: self.is_spent(now).then_some(Haste {
                left: STEP,
                since: now,
            }),
            sending: 0,
        }
    }
}

/// How far one exchange may push its response into its socket itself. The default has no limits.
#[derive(Default)]
pub(crate) struct Push {
    /// The turn has sent its share.
    haste: Option<Haste>,
    /// Microseconds that went into sending.
    sending: u64,
}

struct Haste {
    /// Bytes until the rest waits for the loop.
    left: usize,
    since: Moment,
}

impl Push {
    /// Most bytes that may be offered now.
    #[inline]
    pub fn most(&mut self) -> usize {
        match &mut self.haste {
            None => LEAP,
            Some(haste) => haste.most(),
        }
    }

    /// Takes note of bytes that were sent, and of when that began if it may have taken long.
    #[inline]
    pub fn sent(&mut self, bytes: usize, since: Option<Moment>) {
        if let Some(since) = since {
            let took = Moment::now().micros_since(since);
            self.sending = self.sending.saturating_add(took);
        }
        if let Some(haste) = &mut self.haste {
            haste.left = haste.left.saturating_sub(bytes);
        }
    }

    /// Microseconds that went into sending.
    pub fn sending(&self) -> u64 {
        self.sending
    }
}

impl Haste {
    #[cold]
    fn most(&mut self) -> usize {
        if self.left == 0 {
            let now = Moment::now();
            // The application is still at work, which nobody else can use the time for.
            if u128::from(now.micros_since(self.since)) >= STEP_EVERY.as_micros() {
                self.left = STEP;
                self.since = now;
            }
        }
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    #[test]
    fn sending_may_take_its_share_and_as_long_as_the_calls() {
        let mut pace = Pace::new(at(0));
        pace.spend(10_000);
        assert!(!pace.is_spent(at(10_000)));
        pace.spend(5_000);
        assert!(pace.is_spent(at(15_000)));
        assert!(pace.is_spent(at(19_000)));
        assert!(!pace.is_spent(at(20_000)));
        pace.spend(25_000);
        assert!(!pace.is_spent(at(1_000_000)));
        pace.spend(1);
        assert!(
            pace.is_spent(at(1_000_000)),
            "nobody waits for longer than that"
        );
    }

    #[test]
    fn a_response_in_haste_takes_one_step_at_once() {
        let mut pace = Pace::new(at(0));
        assert_eq!(pace.push(at(0)).most(), LEAP);
        pace.spend(30_000);
        let now = Moment::now();
        let mut push = Pace { began: now, ..pace }.push(now);
        assert_eq!(push.most(), STEP);
        push.sent(STEP - 1, None);
        assert_eq!(push.most(), 1);
    }
}
