//! What time does to connections.
//!
//! Every connection has one deadline, that of its present phase. Once a tick all of them are
//! looked at: cheaper than a timer a connection, and a second sooner or later matters to nobody.

use std::time::Duration;

use crate::application::Application;
use crate::clock::Moment;
use crate::connection::Phase;
use crate::engine::{Accepting, Engine, Stage};

/// How often deadlines are looked at while the worker leaves, when somebody waits for it.
pub(crate) const DRAIN_TICK: Duration = Duration::from_millis(20);

/// How long the listeners are left alone when no descriptor is left.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Between two arrivals of body bytes.
pub(crate) const BODY: Duration = Duration::from_secs(60);

/// Between two moments at which the client read something of a response.
pub(crate) const SENDING: Duration = Duration::from_secs(60);

/// For the client to end its side after ours has ended.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

impl<A: Application> Engine<A> {
    pub(crate) fn first_byte_deadline(&self) -> Moment {
        self.bounded(self.options.head_timeout, |silent_until, _| silent_until)
    }

    /// Of a connection between two requests.
    pub(crate) fn idle_deadline(&self) -> Moment {
        self.bounded(self.options.keepalive, |silent_until, _| silent_until)
    }

    /// Of a connection in the middle of something.
    pub(crate) fn busy_deadline(&self, patience: Duration) -> Moment {
        self.bounded(patience, |_, until| until)
    }

    fn bounded(&self, patience: Duration, bound: impl Fn(Moment, Moment) -> Moment) -> Moment {
        let deadline = self.now.after(patience);
        match self.stage {
            Stage::Serving | Stage::Retiring => deadline,
            Stage::Draining {
                silent_until,
                until,
            } => deadline.min(bound(silent_until, until)),
        }
    }

    /// Heartbeat, deadlines, and a second try where descriptors ran out.
    pub(crate) fn tick(&mut self, application: &mut A) {
        let tick = if self.is_draining() {
            DRAIN_TICK
        } else {
            self.options.tick
        };
        self.next_tick = self.now.after(tick);
        self.slot.beat(self.now.millis());
        self.examine(application);
        self.tell_refusals(application);
        let now = self.now;
        // Dropping a connection closes it. One whose response is under way is cut off: the
        // client has not read anything for long.
        self.seats.retain(|_, seat| {
            let Some(connection) = seat.connection.as_ref().filter(|one| one.deadline <= now)
            else {
                return true;
            };
            if let Some(received) = connection.unfinished() {
                application.timed_out(&connection.peer, received);
            }
            false
        });
        if A::STREAMS {
            self.lose_overdue(application);
        }
        if self.accepting == Accepting::Paused {
            self.accepting = Accepting::Yes;
            if self.watch_listeners().is_err() {
                self.accepting = Accepting::Paused;
            }
        }
    }

    /// Shortens every connection's deadline to what a draining worker grants.
    pub(crate) fn tighten_deadlines(&mut self) {
        let Stage::Draining {
            silent_until,
            until,
        } = self.stage
        else {
            return;
        };
        for (_, seat) in &mut self.seats {
            if let Some(connection) = &mut seat.connection {
                let idle = connection.is_idle() || matches!(connection.phase, Phase::Lingering);
                let bound = if idle { silent_until } else { until };
                connection.deadline = connection.deadline.min(bound);
            }
        }
    }
}
