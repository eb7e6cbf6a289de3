//! Whether the loop stays awake because the client of a WebSocket is about to answer.
//!
//! To put a process to sleep and to wake it up costs more than to handle a message. Two that talk back and
//! forth pay that with every message, unless the server looks again for as long as the wake-up would cost. It
//! does so while that succeeds: each time that nothing came it lets twice as many messages pass before it tries again.

use std::time::Duration;

use oxicorn_worker::clock::Moment;

/// How long the loop stays awake after a message: what sleeping and waking up cost both sides on a slow machine, where
/// the client needs longer for its answer as well.
const PATIENCE: Duration = Duration::from_micros(50);

/// Most messages that pass before the next attempt.
const LONGEST_PAUSE: u32 = 1024;

/// When to stay awake, told of messages as they come.
#[derive(Debug)]
pub struct BusyPoll {
    state: State,
    /// Messages that will pass after the next failure.
    pause: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The loop may sleep, also after so many more messages.
    Asleep { messages: u32 },
    /// It may not before that.
    Awake { until: Moment },
}

impl Default for BusyPoll {
    fn default() -> BusyPoll {
        BusyPoll {
            state: State::Asleep { messages: 0 },
            pause: 1,
        }
    }
}

impl BusyPoll {
    /// Something came. True if the loop shall be kept awake from now on, until [`BusyPoll::is_over`].
    pub fn heard(&mut self, now: Moment) -> bool {
        let until = now.after(PATIENCE);
        match &mut self.state {
            State::Awake { until: former } => {
                *former = until;
                self.pause = 1;
                false
            }
            State::Asleep { messages: 0 } => {
                self.state = State::Awake { until };
                true
            }
            State::Asleep { messages } => {
                *messages = messages.saturating_sub(1);
                false
            }
        }
    }

    /// Whether the loop, which was kept awake, may sleep again.
    pub fn is_over(&mut self, now: Moment) -> bool {
        let State::Awake { until } = self.state else {
            return true;
        };
        if now < until {
            return false;
        }
        self.state = State::Asleep {
            messages: self.pause,
        };
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    #[test]
    fn the_loop_stays_awake_while_messages_come() {
        let mut poll = BusyPoll::default();
        assert!(poll.heard(at(0)));
        for micros in (20..1000).step_by(20) {
            assert!(!poll.is_over(at(micros)));
            assert!(!poll.heard(at(micros)));
        }
        assert!(!poll.is_over(at(1029)));
        assert!(poll.is_over(at(1030)));
    }

    #[test]
    fn each_failure_lets_twice_as_many_messages_pass() {
        let mut poll = BusyPoll::default();
        let mut messages = 0_u64;
        let mut tries = Vec::new();
        while messages < 5000 {
            let now = messages * 1000;
            if poll.heard(at(now)) {
                tries.push(messages);
                assert!(poll.is_over(at(now + 50)));
            }
            messages += 1;
        }
        assert_eq!(tries[..5], [0, 2, 5, 10, 19]);
        assert_eq!(tries.len(), 14);
    }

    #[test]
    fn one_success_makes_up_for_all_failures() {
        let mut poll = BusyPoll::default();
        for now in (0..100_000_000).step_by(1000) {
            if poll.heard(at(now)) {
                poll.is_over(at(now + 50));
            }
        }
        let now = 100_000_000;
        while !poll.heard(at(now)) {}
        poll.heard(at(now + 10));
        assert!(poll.is_over(at(now + 60)));
        assert!(!poll.heard(at(now + 1000)));
        assert!(poll.heard(at(now + 2000)));
    }
}
