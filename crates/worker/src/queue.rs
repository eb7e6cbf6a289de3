//! Requests that wait: for how long and how many, and what becomes of the rest.
//!
//! A request waits from when its first bytes could be read until it is started. Beyond the limits it is
//! answered with 503 at once, here or, while the loop is inside a call, by the helper
//! ([`crate::overload`]). One whose client has given up meanwhile is never started.

use std::io;
use std::time::Duration;

use oxicorn_http::error_page;
use oxicorn_sys::stream;

use crate::application::Application;
use crate::clock::Moment;
use crate::connection::{Connection, Place};
use crate::cycle::{Flow, READ_ON};
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::helper::TICK;
use crate::relief::PART;

/// From this long a wait on it is worth a system call to ask whether the client is still there.
const GIVEN_UP: Duration = Duration::from_millis(500);

/// The limits of a worker's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many requests may wait for one that takes long.
    pub longest: Option<usize>,
    /// How long each may wait.
    pub patience: Option<Duration>,
}

/// Why a request was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// Too many waited, or it waited for too long; its client was told 503.
    Overloaded,
    /// Its client has left.
    Abandoned,
}

impl NotStarted {
    /// As the access log tells it.
    pub fn status(self) -> u16 {
        match self {
            NotStarted::Overloaded => 503,
            NotStarted::Abandoned => 499,
        }
    }
}

impl Queue {
    /// There is a limit.
    pub fn is_limited(self) -> bool {
        self != Queue::default()
    }

    /// So many others wait already that there is no place for one more.
    pub(crate) fn is_full(self, waiting: usize) -> bool {
        self.longest.is_some_and(|longest| waiting >= longest)
    }

    /// A request that has waited since then is not started any more.
    pub(crate) fn is_overdue(self, since: Moment, now: Moment) -> bool {
        self.patience
            .is_some_and(|patience| u128::from(now.micros_since(since)) > patience.as_micros())
    }

    /// Requests that have waited for less need no look.
    fn carefree(self) -> Duration {
        let longest = self.longest.map(|_| TICK);
        [longest, self.patience]
            .into_iter()
            .flatten()
            .fold(GIVEN_UP, Duration::min)
    }
}

/// The answer to a request for which there is no place.
pub(crate) fn unavailable(date: &[u8]) -> Vec<u8> {
    let fields = [date, b"Retry-After: 1\r\n"].concat();
    error_page(503, "Service Unavailable", "", &fields)
}

/// The earliest moment at which what a turn finds ready can have come: while the loop waited that is
/// now, else any time of the turn before, which `looked` first and was over at `ended`. One that finds things at
/// once has not waited, however long the machine kept it from looking.
fn may_have_come(looked: Moment, ended: Moment, now: Moment, is_found_at_once: bool) -> Moment {
    let has_paused = u128::from(now.micros_since(ended)) > TICK.as_micros();
    if has_paused && !is_found_at_once {
        now
    } else {
        looked
    }
}

impl<C> Exchange<C> {
    /// Its client has left while it waited to be started, until `now`. Then nobody answers it any more: it is for
    /// [`Engine::abandon`].
    pub fn is_abandoned(&mut self, now: Moment) -> bool {
        u128::from(now.micros_since(self.began())) >= GIVEN_UP.as_micros()
            && stream::peer_has_ended(self.socket())
            && self.reserve()
    }
}

impl<A: Application> Engine<A> {
    /// [`Engine::poll`] without a wait, directly after a turn: what it finds may have come at any time of that.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn glance(&mut self) -> io::Result<usize> {
        let ready = self.poll(Duration::ZERO)?;
        self.is_found_at_once = ready > 0;
        Ok(ready)
    }

    pub(crate) fn begin_turn(&mut self) {
        let ended = self.now;
        self.now = Moment::now();
        let is_found_at_once = std::mem::take(&mut self.is_found_at_once);
        self.looked_before = may_have_come(self.looked, ended, self.now, is_found_at_once);
        self.looked = self.now;
    }

    /// Whether a request whose turn has come now may have waited for so long that it needs a look.
    #[inline]
    pub(crate) fn may_be_late(&self) -> bool {
        u128::from(self.now.micros_since(self.looked_before)) > self.carefree
    }

    /// What [`Engine::may_be_late`] compares with.
    pub(crate) fn carefree(queue: Queue) -> u128 {
        queue.carefree().as_micros()
    }

    /// Decides whether a request is still worth to be started; if not, it is done with.
    #[cold]
    pub(crate) fn admit(&mut self, place: Place, received: &[u8], application: &mut A) -> bool {
        self.shorten_queue(application);
        let queue = self.options.queue;
        let now = self.now;
        let seat = self.seats.get(place.key);
        let Some(connection) = seat
            .filter(|seat| seat.generation == place.generation)
            .and_then(|seat| seat.connection.as_ref())
            .filter(|connection| connection.is_movable())
        else {
            return true;
        };
        let since = connection.waits_since;
        if queue.is_overdue(since.unwrap_or(self.looked), now) {
            self.turn_away(place, received, application);
            return false;
        }
        // Or, where nobody saw it come, since the earliest moment at which it can have.
        let waited = now.micros_since(since.unwrap_or(self.looked_before));
        if u128::from(waited) < GIVEN_UP.as_micros() || !stream::peer_has_ended(&connection.socket)
        {
            return true;
        }
        self.slot.count_abandoned();
        let received = first_bytes(&connection.input, received);
        application.not_started(&connection.peer, received, NotStarted::Abandoned);
        self.seats.remove(place.key);
        false
    }

    /// From when the time of a request counts that is called now. Where it waited in a worker whose own request
    /// took too long, it may well be of the same kind, and has waited as long as one may take: it gets the rest
    /// of that, or a part of the whole.
    #[inline]
    pub(crate) fn started(&self, connection: &mut Connection<A::Client>) -> Moment {
        if !std::mem::take(&mut connection.is_rescued) {
            return self.now;
        }
        let timeout = self.options.timeout.unwrap_or_default();
        let since = connection.waits_since.unwrap_or(self.now);
        let at_least = timeout.checked_div(PART).unwrap_or_default();
        since.max(self.now.before(timeout.saturating_sub(at_least)))
    }

    /// Refuses those at the end of the present batch for which there is no place.
    fn shorten_queue(&mut self, application: &mut A) {
        let Some(longest) = self.options.queue.longest else {
            return;
        };
        for gathered in self.batch.beyond(longest) {
            let inbound = self.batch.inbound();
            let received = gathered.bytes.and_then(|bytes| inbound.get(bytes));
            let is_movable = self
                .seats
                .get(gathered.place.key)
                .and_then(|seat| seat.connection.as_ref())
                .is_some_and(|one| one.is_movable() && one.waits_since.is_none());
            if is_movable && let Some(received) = received {
                self.turn_away(gathered.place, received, application);
            }
        }
    }

    /// Says how many were refused since it was said last.
    pub(crate) fn tell_refusals(&mut self, application: &mut A) {
        let refused = self.slot.refused();
        let told = std::mem::replace(&mut self.refusals_told, refused);
        if refused > told {
            application.overloaded(refused.saturating_sub(told));
        }
    }

    /// Answers with 503 and ends the connection.
    fn turn_away(&mut self, place: Place, received: &[u8], application: &mut A) {
        let Some(mut connection) = self.take(place) else {
            return;
        };
        connection.is_gathered = false;
        self.slot.count_refused();
        let received = first_bytes(&connection.input, received);
        application.not_started(&connection.peer, received, NotStarted::Overloaded);
        let page = unavailable(self.date.line());
        let step = self
            .dismiss(connection, &page)
            .map(|(connection, flow)| match flow {
                Flow::Stop(next) => (connection, next),
                Flow::On => (connection, READ_ON),
            });
        self.conclude(place, step);
    }
}

/// The beginning of a request of which a part was received before.
fn first_bytes<'a>(input: &'a [u8], received: &'a [u8]) -> &'a [u8] {
    if input.is_empty() { received } else { input }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_limits_nothing_is_full_or_overdue() {
        let queue = Queue::default();
        assert!(!queue.is_limited() && !queue.is_full(usize::MAX));
        assert!(!queue.is_overdue(Moment::from_micros(0), Moment::from_micros(u64::MAX)));
        assert_eq!(queue.carefree(), GIVEN_UP);
    }

    #[test]
    fn a_loop_that_was_kept_from_looking_has_not_paused() {
        let [looked, ended, now] = [1_000, 900_000, 990_000].map(Moment::from_micros);
        assert_eq!(may_have_come(looked, ended, now, true), looked);
        assert_eq!(may_have_come(looked, ended, now, false), now);
        let soon = ended.after(TICK);
        assert_eq!(may_have_come(looked, ended, soon, false), looked);
    }

    #[test]
    fn the_nearest_limit_decides_when_to_look() {
        let queue = Queue {
            longest: None,
            patience: Some(Duration::from_millis(100)),
        };
        assert_eq!(queue.carefree(), Duration::from_millis(100));
        let (early, late) = (Moment::from_micros(1), Moment::from_micros(100_002));
        assert!(queue.is_overdue(early, late) && !queue.is_overdue(late, late));
        let bounded = Queue {
            longest: Some(3),
            ..queue
        };
        assert_eq!(bounded.carefree(), TICK);
        assert!(bounded.is_full(3) && !bounded.is_full(2));
    }

    #[test]
    fn a_refusal_says_when_to_come_again() {
        let page = String::from_utf8(unavailable(b"Date: x\r\n")).unwrap();
        assert!(
            page.starts_with("HTTP/1.1 503 Service Unavailable\r\nDate: x\r\nRetry-After: 1\r\n")
        );
    }
}
