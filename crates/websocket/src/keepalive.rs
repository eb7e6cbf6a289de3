//! When to ping a client, and when to give it up.

use std::time::Duration;

/// Pings a client that was silent for an interval, and gives up one that stays silent.
///
/// Every byte from the client is a sign of life, not the pong alone: a client in the middle of a
/// large message is not dead. Times are those of a clock that only goes forward.
#[derive(Clone, Debug)]
pub struct Keepalive {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The client gave its last sign of life at this time.
    Alive { since: Duration },
    /// It was asked for one at this time.
    Asked { since: Duration },
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing.
    Rest,
    /// Send a ping.
    Ping,
    /// The client is gone.
    Dead,
}

impl Keepalive {
    /// `interval`: the silence after which a ping is sent; `timeout`: the silence after that, which
    /// ends the connection. `None` turns either off.
    #[must_use]
    pub fn new(interval: Option<Duration>, timeout: Option<Duration>, now: Duration) -> Self {
        Self {
            interval,
            timeout,
            state: State::Alive { since: now },
        }
    }

    /// The client sent something. Call it also when we begin to read again after a pause of ours.
    pub fn heard(&mut self, now: Duration) {
        self.state = State::Alive { since: now };
    }

    /// Looks at the clock.
    pub fn look(&mut self, now: Duration) -> Pulse {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Pulse::Rest;
        }
        match self.state {
            State::Alive { .. } => {
                self.state = State::Asked { since: now };
                Pulse::Ping
            }
            State::Asked { .. } => Pulse::Dead,
        }
    }

    /// When to look again, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let (since, patience) = match self.state {
            State::Alive { since } => (since, self.interval?),
            State::Asked { since } => (since, self.timeout?),
        };
        Some(since.saturating_add(patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_is_asked_and_then_given_up() {
        let mut keepalive = Keepalive::new(Some(s(20)), Some(s(5)), s(100));
        assert_eq!(keepalive.deadline(), Some(s(120)));
        assert_eq!(keepalive.look(s(119)), Pulse::Rest);
        assert_eq!(keepalive.look(s(120)), Pulse::Ping);
        assert_eq!(keepalive.look(s(124)), Pulse::Rest);
        assert_eq!(keepalive.look(s(125)), Pulse::Dead);
    }

    #[test]
    fn any_sign_of_life_starts_the_interval_again() {
        let mut keepalive = Keepalive::new(Some(s(20)), Some(s(5)), s(0));
        assert_eq!(keepalive.look(s(20)), Pulse::Ping);
        keepalive.heard(s(24));
        assert_eq!(keepalive.look(s(43)), Pulse::Rest);
        assert_eq!(keepalive.look(s(44)), Pulse::Ping);
    }

    #[test]
    fn either_may_be_off() {
        let mut never = Keepalive::new(None, Some(s(5)), s(0));
        assert_eq!((never.look(s(1000)), never.deadline()), (Pulse::Rest, None));
        let mut patient = Keepalive::new(Some(s(20)), None, s(0));
        assert_eq!(patient.look(s(20)), Pulse::Ping);
        assert_eq!(patient.look(s(9999)), Pulse::Rest);
    }
}
