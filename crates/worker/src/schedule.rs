//! Which calls the helper's watchers are to be asked about, and how long the helper may sleep.
//!
//! While call follows call the helper naps: for one tick after a long call and after silence, and each time that it
//! finds nothing to do for twice as long, up to [`LONGEST_NAP`]. Waking up costs several times what a short call does,
//! on a busy machine most of all; a thousand times a second it would be felt.

use std::time::Duration;

use crate::clock::Moment;
use crate::helper::{Call, TICK};

/// In ticks: so much later a long call may be noticed when none was for a while.
const LONGEST_NAP: u32 = 4;

/// How long the helper may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Calls began lately, so there may be a long one among the next. Calls do not end it.
    Nap(Duration),
    /// Until this moment, or until a call begins.
    Until(Moment),
    /// Until a call begins.
    Forever,
}

/// What the helper knows of each thread's call.
pub(crate) struct Schedule {
    known: Vec<Known>,
    tick: Duration,
    /// The next nap.
    nap: Duration,
}

struct Known {
    /// Of the call seen last, whether or not it still runs.
    began: Moment,
    /// When each watcher is asked about it.
    due: Vec<Option<Moment>>,
}

impl Schedule {
    /// For that many threads and watchers; a call is first due at the age of a `tick`.
    pub fn new(threads: usize, watchers: usize, tick: Duration) -> Schedule {
        let known = || Known {
            began: Moment::from_micros(0),
            due: vec![None; watchers],
        };
        Schedule {
            known: (0..threads).map(|_| known()).collect(),
            tick,
            nap: tick,
        }
    }

    /// Takes note of what each thread is at (when its last call began, and whether that still runs) and
    /// asks the watchers whose time has come.
    pub fn look(
        &mut self,
        now: Moment,
        calls: impl Iterator<Item = (Moment, bool)>,
        mut ask: impl FnMut(usize, Call, Duration) -> Option<Duration>,
    ) -> Sleep {
        let mut has_news = false;
        let mut is_calm = true;
        let mut next: Option<Moment> = None;
        for (thread, (known, (began, is_running))) in self.known.iter_mut().zip(calls).enumerate() {
            if known.began != began {
                has_news = true;
                known.began = began;
                known.due.fill(Some(began.after(self.tick)));
            }
            if !is_running {
                known.due.fill(None);
                continue;
            }
            let age = Duration::from_micros(now.micros_since(began));
            for (watcher, due) in known.due.iter_mut().enumerate() {
                if due.is_some_and(|due| due <= now) {
                    is_calm = false;
                    // At a greater age each time, whatever a watcher says.
                    *due = ask(watcher, Call { thread, began }, age)
                        .map(|age| began.after(age).max(now.after(TICK.min(self.tick))));
                }
                next = match (next, *due) {
                    (Some(next), Some(due)) => Some(next.min(due)),
                    (next, due) => next.or(due),
                };
            }
        }
        if !has_news || !is_calm {
            self.nap = self.tick;
        }
        match next {
            _ if has_news => Sleep::Nap(self.take_nap()),
            Some(moment) => Sleep::Until(moment),
            None => Sleep::Forever,
        }
    }

    fn take_nap(&mut self) -> Duration {
        let longer = self.nap.saturating_mul(2);
        let longest = self.tick.saturating_mul(LONGEST_NAP);
        std::mem::replace(&mut self.nap, longer.min(longest))
    }

    /// Whether a call has begun since the last look.
    pub fn has_news(&self, calls: impl Iterator<Item = (Moment, bool)>) -> bool {
        self.known
            .iter()
            .zip(calls)
            .any(|(known, (began, _))| known.began != began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAP: Sleep = Sleep::Nap(TICK);

    /// A schedule whose watchers' questions are kept.
    struct Table {
        schedule: Schedule,
        calls: Vec<(Moment, bool)>,
        asked: Vec<(usize, Call, u64)>,
    }

    impl Table {
        fn new(threads: usize, watchers: usize) -> Table {
            Table {
                schedule: Schedule::new(threads, watchers, TICK),
                calls: vec![(Moment::from_micros(0), false); threads],
                asked: Vec::new(),
            }
        }

        fn begin(&mut self, thread: usize, micros: u64) {
            self.calls[thread] = (Moment::from_micros(micros), true);
        }

        fn end(&mut self, thread: usize) {
            self.calls[thread].1 = false;
        }

        /// Looks at this moment; watcher 0 asks for twice the age, watcher 1 for nothing more.
        fn look(&mut self, micros: u64) -> Sleep {
            let asked = &mut self.asked;
            let calls = self.calls.iter().copied();
            self.schedule
                .look(Moment::from_micros(micros), calls, |watcher, call, age| {
                    asked.push((watcher, call, age.as_micros() as u64));
                    (watcher == 0).then_some(age * 2)
                })
        }

        fn take_asked(&mut self) -> Vec<(usize, usize, u64)> {
            let asked = self.asked.drain(..);
            asked.map(|(w, call, age)| (w, call.thread, age)).collect()
        }
    }

    #[test]
    fn nobody_is_asked_about_short_calls() {
        let mut table = Table::new(1, 2);
        for tick in 1..100 {
            table.begin(0, tick * 1000 - 20);
            if tick % 2 == 0 {
                table.end(0);
            }
            assert!(matches!(table.look(tick * 1000), Sleep::Nap(_)));
        }
        assert_eq!(table.take_asked(), []);
    }

    #[test]
    fn naps_grow_while_calls_are_short_and_not_for_ever() {
        let mut table = Table::new(1, 1);
        let mut nap = |began: u64, at: u64| {
            table.begin(0, began);
            table.look(at)
        };
        let naps = [1000, 2000, 4000, 8000].map(|at| nap(at - 10, at));
        assert_eq!(naps, [1, 2, 4, 4].map(|ticks| Sleep::Nap(TICK * ticks)));
        // A long one, and the next look that finds news.
        assert_eq!(nap(10_000, 12_000), Sleep::Nap(TICK));
        assert_eq!(nap(12_990, 13_000), Sleep::Nap(TICK * 2));
        // Silence.
        table.end(0);
        assert_eq!(table.look(15_000), Sleep::Forever);
        table.begin(0, 20_000);
        assert_eq!(table.look(20_010), Sleep::Nap(TICK));
    }

    #[test]
    fn the_helper_sleeps_after_a_tick_without_a_new_call() {
        let mut table = Table::new(1, 1);
        assert_eq!(table.look(1000), Sleep::Forever);
        table.begin(0, 1500);
        table.end(0);
        assert_eq!(table.look(2000), NAP);
        assert_eq!(table.look(3000), Sleep::Forever);
    }

    #[test]
    fn a_call_is_asked_about_at_the_ages_that_its_watcher_names() {
        let mut table = Table::new(1, 2);
        table.begin(0, 500);
        assert_eq!(table.look(1000), NAP);
        // Both at first, and then only the one that wants more.
        assert_eq!(table.look(2000), Sleep::Until(Moment::from_micros(3500)));
        assert_eq!(table.take_asked(), [(0, 0, 1500), (1, 0, 1500)]);
        assert_eq!(table.look(3000), Sleep::Until(Moment::from_micros(3500)));
        assert_eq!(table.take_asked(), []);
        assert_eq!(table.look(3500), Sleep::Until(Moment::from_micros(6500)));
        assert_eq!(table.take_asked(), [(0, 0, 3000)]);
        table.end(0);
        assert_eq!(table.look(6500), Sleep::Forever);
        assert_eq!(table.take_asked(), []);
    }

    #[test]
    fn each_thread_has_its_own_call() {
        let mut table = Table::new(3, 1);
        table.begin(0, 100);
        table.begin(2, 900);
        assert_eq!(table.look(1000), NAP);
        table.begin(0, 1900);
        assert_eq!(table.look(2000), NAP);
        assert_eq!(table.take_asked(), [(0, 2, 1100)]);
        assert_eq!(table.look(2900), Sleep::Until(Moment::from_micros(3100)));
        assert_eq!(table.take_asked(), [(0, 0, 1000)]);
    }

    #[test]
    fn a_call_that_began_since_the_last_look_is_news() {
        let mut table = Table::new(2, 1);
        table.begin(1, 100);
        assert!(table.schedule.has_news(table.calls.iter().copied()));
        table.look(200);
        assert!(!table.schedule.has_news(table.calls.iter().copied()));
        table.end(1);
        assert!(!table.schedule.has_news(table.calls.iter().copied()));
    }
}
