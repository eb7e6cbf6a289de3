//! Which thread leads: receives and sends for all connections, and runs what has come.
//!
//! ```text
//!              take                 begin_call
//!   Vacant ───────────▶ Leading(t) ───────────▶ Calling(t)
//!     ▲                  │      ▲                │      │
//!     │      pass        │      │    end_call    │      │
//!     ├──────────────────┘      └────────────────┘      │
//!     │                    depose                       │
//!     └─────────────────────────────────────────────────┘
//! ```
//!
//! A leader runs short calls itself, one after the other, and nobody else has to wake up. A call that
//! turns out to be long has the lead taken from it by the helper; its thread notices when
//! [`Lead::end_call`] fails. Where calls are long as a rule, the leader passes the lead on before each.
//!
//! All of this is one word that threads exchange; nobody waits for it here.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Calls that take longer on average are not worth a try: the lead is passed before them.
pub const SHORT: Duration = Duration::from_micros(300);

/// Who leads.
#[derive(Debug, Default)]
pub struct Lead {
    word: AtomicUsize,
}

const VACANT: usize = 0;

fn leading(thread: usize) -> usize {
    thread.saturating_add(1) << 1
}

fn calling(thread: usize) -> usize {
    leading(thread) | 1
}

impl Lead {
    /// Nobody leads and no follower is on the way.
    pub fn is_vacant(&self) -> bool {
        self.word.load(SeqCst) == VACANT
    }

    /// Takes the lead, if nobody has it.
    pub fn take(&self, thread: usize) -> bool {
        self.change(VACANT, leading(thread))
    }

    /// The leader enters a call.
    #[inline]
    pub fn begin_call(&self, thread: usize) {
        // Nobody else changes the word of a leader that is in no call.
        self.word.store(calling(thread), SeqCst);
    }

    /// The leader is back from its call; false if it does not lead any more.
    #[inline]
    pub fn end_call(&self, thread: usize) -> bool {
        self.change(calling(thread), leading(thread))
    }

    /// The leader lets go. Somebody has to be told.
    pub fn pass(&self, thread: usize) -> bool {
        self.change(leading(thread), VACANT)
    }

    /// Takes the lead from a thread that is in a call; false if it is not, or does not lead. Somebody has
    /// to be told.
    pub fn depose(&self, thread: usize) -> bool {
        self.change(calling(thread), VACANT)
    }

    fn change(&self, from: usize, to: usize) -> bool {
        self.word.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }
}

/// What calls take, as a decaying average over the last few dozen. Threads write it without a lock: a
/// sample that is lost matters to nobody.
#[derive(Debug, Default)]
pub struct CallTime {
    micros: AtomicUsize,
}

impl CallTime {
    /// A call took this long.
    #[inline]
    pub fn observe(&self, micros: u64) {
        use std::sync::atomic::Ordering::Relaxed;
        let micros = usize::try_from(micros).unwrap_or(usize::MAX);
        let former = self.micros.load(Relaxed);
        let average = former.saturating_mul(31).saturating_add(micros) / 32;
        self.micros.store(average, Relaxed);
    }

    /// Whether the next call may be expected to be short.
    #[inline]
    pub fn is_short(&self) -> bool {
        let micros = self.micros.load(std::sync::atomic::Ordering::Relaxed);
        (micros as u128) <= SHORT.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_leads_until_it_passes_the_lead() {
        let lead = Lead::default();
        assert!(lead.is_vacant() && lead.take(3));
        assert!(!lead.take(4) && !lead.pass(4));
        assert!(lead.pass(3) && lead.is_vacant());
        assert!(lead.take(4));
    }

    #[test]
    fn a_short_call_leaves_the_lead_where_it_is() {
        let lead = Lead::default();
        lead.take(0);
        lead.begin_call(0);
        assert!(!lead.take(1) && !lead.depose(1));
        assert!(lead.end_call(0));
        assert!(!lead.depose(0), "it is in no call any more");
    }

    #[test]
    fn a_deposed_thread_notices_even_if_it_leads_again() {
        let lead = Lead::default();
        lead.take(0);
        lead.begin_call(0);
        assert!(lead.depose(0) && lead.take(1));
        assert!(!lead.end_call(0));
        // The other one is in a call of its own meanwhile.
        lead.begin_call(1);
        assert!(!lead.end_call(0) && lead.end_call(1));
    }

    #[test]
    fn one_long_call_among_many_short_ones_changes_little_and_several_do() {
        let time = CallTime::default();
        for _ in 0..100 {
            time.observe(20);
        }
        time.observe(5_000);
        assert!(time.is_short());
        time.observe(5_000);
        assert!(!time.is_short());
        for _ in 0..40 {
            time.observe(20);
        }
        assert!(time.is_short());
    }
}
