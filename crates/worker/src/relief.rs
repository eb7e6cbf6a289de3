//! What the helper does for a loop that is inside a long call: it gives the connections that wait there
//! to workers that have time, and sends the responses that are ready.
//!
//! It never waits and touches no object of the application's: what the application kept with a
//! connection is left for the loop's thread.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use oxicorn_sys::epoll::Poller;
use oxicorn_sys::scoreboard::Slot;
use slab::Slab;

use crate::application::Application;
use crate::batch::Batch;
use crate::clock::Moment;
use crate::desk::Desk;
use crate::engine::{EVENTS, Engine};
use crate::handoff::Sender;
use crate::helper::{Call, Calls, TICK, Watcher};
use crate::lending::{Leftovers, Shared, lock};
use crate::overload::{Door, Overload};
use crate::seat::Seat;

/// One in so many looks that can do nothing else takes note of who waits: they are served in that order.
const NOTED: u32 = 8;

/// How long before a request's time is over the connections that wait behind it are brought to safety.
const RESCUE: Duration = Duration::from_millis(50);

/// The part of the timeout that a call may take before who waits behind it is taken note of; and that
/// a request gets at least that has waited in a worker until it was killed.
pub(crate) const PART: u32 = 4;

/// How often a call that goes on is looked at after its time is over, where nobody else has to be watched for.
const LATE_LOOK: Duration = Duration::from_millis(20);

/// Relieves one loop that runs its calls itself.
pub struct Relief<C> {
    shared: Shared<C>,
    calls: Arc<Calls>,
    means: Means,
    purpose: Purpose,
    bell: Option<Bell>,
}

/// What a loop is relieved of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Of whatever waits behind a call that outlasts a tick.
    Dispatch,
    /// Only of what waits behind a call that takes a good part of its time limit, and perhaps never ends.
    Rescue(Duration),
}

/// For a loop that waits outside of the engine, where waiting and being blocked look alike.
struct Bell {
    /// The bell was rung during this wait.
    suspect: Option<Call>,
    /// Where its requests are listed.
    slot: Slot,
    /// Has the loop take a turn, if it is well.
    ring: Box<dyn FnMut() + Send>,
}

/// What relieving a loop takes.
pub(crate) struct Means {
    pub poller: Poller,
    pub sender: Option<Sender>,
    /// Gives to workers that have time, and not only to whoever replaces this one.
    gives_to_siblings: bool,
    pub overload: Option<Overload>,
    /// Of a request.
    pub timeout: Option<Duration>,
    /// Looks that found nobody to give anything to.
    looks: u32,
    /// It is about to be killed, and what waits in the channel is marked.
    has_marked: bool,
    /// Where messages are received for that.
    inbox: Vec<u8>,
}

impl<A: Application> Engine<A> {
    /// What a helper needs to relieve this loop, whose calls are those of thread 0 from now on.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn relief(
        &mut self,
        calls: &Arc<Calls>,
        purpose: Purpose,
    ) -> io::Result<Relief<A::Client>> {
        self.calls = Some(Arc::clone(calls));
        let means = self.means(purpose)?;
        let shared = self.lent.get_or_insert_default();
        Ok(Relief {
            shared: Arc::clone(shared),
            calls: Arc::clone(calls),
            means,
            purpose,
            bell: None,
        })
    }

    pub(crate) fn means(&self, purpose: Purpose) -> io::Result<Means> {
        Ok(Means {
            gives_to_siblings: purpose == Purpose::Dispatch,
            poller: self.poller.share(EVENTS)?,
            overload: self.overload(),
            timeout: self.options.timeout,
            looks: 0,
            has_marked: false,
            inbox: Vec::new(),
            sender: self
                .dispatch
                .as_ref()
                .map(|dispatch| dispatch.sender.clone()),
        })
    }
}

impl<C> Relief<C> {
    /// For a loop that lends its connections also while it waits ([`Engine::lend`]): `ring` has it take a turn.
    pub fn with_bell(mut self, slot: Slot, ring: impl FnMut() + Send + 'static) -> Relief<C> {
        self.bell = Some(Bell {
            suspect: None,
            slot,
            ring: Box::new(ring),
        });
        self
    }
}

impl<C: Send> Watcher for Relief<C> {
    fn outlasted(&mut self, call: Call, age: Duration) -> Option<Duration> {
        let shared = Arc::clone(&self.shared);
        let mut loan = lock(&shared);
        // Once the lock is held the call cannot end without waiting for it.
        if !self.calls.is_running(call) {
            return None;
        }
        let (table, left) = loan.open()?;
        let now = Moment::now();
        let since = table.started.until(now);
        let since = match &self.bell {
            Some(bell) => since.max(bell.age_of_oldest(now)),
            None => since,
        };
        let hope = Hope::at(since, self.means.timeout);
        let mut lent = table.lent();
        let is_well = match &mut self.bell {
            Some(bell) if hope != Hope::Good => bell.may_be_well(call),
            Some(_) => true,
            None => self.purpose != Purpose::Dispatch && hope == Hope::Good,
        };
        if !is_well {
            self.means.relieve(&mut lent, left, hope, 0, now);
            if let Some(bell) = &mut self.bell {
                (bell.ring)();
            }
        }
        Some(age.saturating_add(self.purpose.until_next_look(since, self.means.timeout)))
    }
}

impl Bell {
    /// What blocks the loop, if anything does, may be a request that had waited elsewhere.
    fn age_of_oldest(&self, now: Moment) -> Duration {
        let (oldest, _) = self.slot.overdue(0);
        Duration::from_millis(oldest.map_or(0, |began| now.millis().saturating_sub(began)))
    }

    /// The loop only waits, as far as it is known: one that is well is back before it is asked about again.
    fn may_be_well(&mut self, call: Call) -> bool {
        let is_known = self.suspect.replace(call) == Some(call);
        if !is_known {
            (self.ring)();
        }
        !is_known
    }
}

impl Purpose {
    /// How long a call goes on before the helper has to notice it.
    pub fn tick(self) -> Duration {
        match self {
            Purpose::Dispatch => TICK,
            Purpose::Rescue(timeout) => part(timeout, 4 * PART).max(TICK),
        }
    }

    /// A call that has gone on since that long is looked at again after this time.
    fn until_next_look(self, since: Duration, timeout: Option<Duration>) -> Duration {
        let (Purpose::Rescue(_), Some(timeout)) = (self, timeout) else {
            return TICK;
        };
        let next = match Hope::at(since, Some(timeout)) {
            Hope::Good => part(timeout, PART),
            Hope::Dim => since
                .saturating_add(self.tick())
                .min(timeout.saturating_sub(RESCUE)),
            Hope::Gone => since.saturating_add(LATE_LOOK),
        };
        next.saturating_sub(since).max(TICK)
    }
}

fn part(timeout: Duration, parts: u32) -> Duration {
    timeout.checked_div(parts).unwrap_or_default()
}

/// What a loop works with, while it is inside of a call.
pub(crate) struct Lent<'a, C> {
    pub seats: &'a mut Slab<Seat<C>>,
    pub batch: &'a Batch,
    /// Responses that are ready.
    pub outbound: &'a [u8],
    pub listeners: &'a [OwnedFd],
}

impl Means {
    /// Workers that would begin with a connection at once.
    pub fn free_siblings(&self) -> usize {
        let sender = self.sender.as_ref().filter(|_| self.gives_to_siblings);
        sender.map_or(0, Sender::free_siblings)
    }

    /// The same for workers that run several at a time.
    pub fn free_places(&self) -> usize {
        let sender = self.sender.as_ref().filter(|_| self.gives_to_siblings);
        sender.map_or(0, Sender::free_places)
    }

    /// Does for a loop what it cannot do now. So many others wait before what it knows of.
    pub fn relieve<C>(
        &mut self,
        lent: &mut Lent<'_, C>,
        left: &mut Leftovers<C>,
        hope: Hope,
        others: usize,
        now: Moment,
    ) {
        let siblings = self.free_siblings();
        let mut desk = Desk {
            poller: &mut self.poller,
            seats: lent.seats,
            clients: &mut left.clients,
        };
        for to_send in lent.batch.to_send() {
            desk.send_response(to_send, lent.outbound);
        }
        let overload = self
            .overload
            .as_mut()
            .filter(|overload| overload.queue.is_limited() || hope != Hope::Good);
        if siblings == 0 && overload.is_none() {
            self.looks = self.looks.wrapping_add(1);
            if self.looks.is_multiple_of(NOTED) {
                let ready = desk.ready();
                desk.note_waits(lent.batch, &ready, now);
            }
            return;
        }
        let is_rescue = hope == Hope::Gone;
        if let Some(sender) = self
            .sender
            .as_ref()
            .filter(|_| is_rescue && !self.has_marked)
        {
            sender.mark_rescued(&mut self.inbox);
        }
        self.has_marked = is_rescue;
        let ready = desk.ready();
        // What is in the channel is in no worker's queue: where queues have limits it has to be little.
        // Where they have none there is no need to count: what siblings do not take soon this worker
        // takes out again after its call.
        let at_most = match &overload {
            Some(overload) if overload.queue.is_limited() && !is_rescue => siblings,
            _ => usize::MAX,
        };
        let sender = self.sender.as_ref().filter(|_| siblings > 0 || is_rescue);
        let mut given = 0;
        if let Some(sender) = sender {
            given = desk.give_away(sender, lent.batch, &ready, at_most, is_rescue, now);
            if is_rescue {
                desk.give_idle_away(sender);
            }
        }
        if let Some(overload) = overload {
            if let Some(sender) = sender {
                let at_most = at_most.saturating_sub(given);
                overload.give_away(sender, at_most, is_rescue, &mut left.newcomers);
            }
            if !overload.queue.is_limited() && (is_rescue || siblings > 0) {
                // Others accept them.
                return;
            }
            let mut door = Door {
                listeners: lent.listeners,
                newcomers: &mut left.newcomers,
                refusals: &mut left.refusals,
            };
            overload.keep_limits(&mut desk, lent.batch, &ready, others, &mut door, now);
        }
    }
}

/// Whether a call will come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hope {
    /// It is young.
    Good,
    /// It has gone on for long: who waits behind it is taken note of.
    Dim,
    /// It has reached its time limit, and the worker will be killed.
    Gone,
}

impl Hope {
    pub fn at(age: Duration, timeout: Option<Duration>) -> Hope {
        match timeout {
            Some(timeout) if age.saturating_add(RESCUE) >= timeout => Hope::Gone,
            Some(timeout) if age >= part(timeout, PART) => Hope::Dim,
            _ => Hope::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_time_limit_is_never_given_up() {
        assert_eq!(Hope::at(Duration::from_secs(3600), None), Hope::Good);
    }

    #[test]
    fn who_waits_is_noted_after_a_part_of_the_time_and_brought_to_safety_before_its_end() {
        let at = |ms| Hope::at(Duration::from_millis(ms), Some(Duration::from_secs(2)));
        assert_eq!([at(499), at(500)], [Hope::Good, Hope::Dim]);
        assert_eq!([at(1949), at(1950)], [Hope::Dim, Hope::Gone]);
    }

    #[test]
    fn where_only_time_limits_matter_looks_are_few_until_one_is_near() {
        let timeout = Duration::from_secs(2);
        let purpose = Purpose::Rescue(timeout);
        let next = |ms| purpose.until_next_look(Duration::from_millis(ms), Some(timeout));
        assert_eq!(purpose.tick(), Duration::from_millis(125));
        assert_eq!(next(130), Duration::from_millis(370));
        assert_eq!(next(500), Duration::from_millis(125));
        assert_eq!(next(1900), RESCUE);
        assert_eq!(next(1950), LATE_LOOK);
        assert_eq!(
            Purpose::Dispatch.until_next_look(timeout, Some(timeout)),
            TICK
        );
    }
}
