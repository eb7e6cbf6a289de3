//! A thread that notices calls of the application that take long, and does something about it.
//!
//! While a thread is inside a call it can do nothing for anybody else. The helper can: it is no
//! Python thread, never waits for the interpreter and runs no application code. It looks at the calls
//! once a [`TICK`], or every few ticks while all of them are short, and asks its [`Watcher`]s about those that have gone on
//! for longer.
//!
//! Costs, since every call pays them: a call that begins or ends writes one word of its own. The helper is
//! woken only when it sleeps for longer than a nap, which it does after a nap in which no call began,
//! until the next moment that a watcher asked for. Which call is due when is decided by
//! [`schedule`](crate::schedule), which knows no thread and no clock.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use oxicorn_sys::signals::Mask;

use crate::clock::Moment;
use crate::schedule::{Schedule, Sleep};

/// A call that is shorter is none of the helper's business.
pub const TICK: Duration = Duration::from_millis(1);

/// Enough for what watchers do; the address space of a worker is not the place to be generous.
const STACK: usize = 256 * 1024;

/// What the helper does about calls that take long.
///
/// It runs in the helper's thread, so it must not block, not take the interpreter, and not wait for
/// a lock whose holder may wait for the interpreter.
pub trait Watcher: Send {
    /// A call has gone on for `age`, which is at least the helper's tick. Says at which age it wants to be
    /// asked again about the same call, should that still run then; `None`: not again.
    ///
    /// The call may be over by now, and its thread in the next one: where that makes a difference,
    /// ask [`Calls::is_running`], and use an exchange of words that fails if it is too late.
    fn outlasted(&mut self, call: Call, age: Duration) -> Option<Duration>;
}

/// One call of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number of the thread that runs it; each runs one call at a time.
    pub thread: usize,
    /// When it began.
    pub began: Moment,
}

/// The calls that run now, at most one a thread.
pub struct Calls {
    lines: Box<[Line]>,
    /// The helper sleeps for longer than a nap.
    is_asleep: AtomicBool,
    is_closed: AtomicBool,
    helper: OnceLock<Thread>,
}

/// What a thread is at. In a cache line of its own, since it changes with every call.
#[derive(Default)]
#[repr(align(64))]
struct Line {
    word: AtomicU64,
}

impl Calls {
    /// A table for `threads` threads.
    pub fn new(threads: usize) -> Arc<Calls> {
        Arc::new(Calls {
            lines: (0..threads.max(1)).map(|_| Line::default()).collect(),
            is_asleep: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            helper: OnceLock::new(),
        })
    }

    /// A thread enters a call. Only the thread itself says so.
    #[inline]
    pub fn begin(&self, thread: usize, now: Moment) -> Call {
        let Some(line) = self.lines.get(thread) else {
            return Call { thread, began: now };
        };
        // No two calls of a thread begin at the same time, even where the clock says so.
        let last = Moment::from_micros(line.word.load(Ordering::Relaxed) >> 1);
        let began = now.max(last.after(Duration::from_micros(1)));
        // Sequentially consistent, here and in `sleep`: either the helper sees this call before it
        // sleeps, or this thread sees that it sleeps.
        line.word.store(running(began), Ordering::SeqCst);
        if self.is_asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Call { thread, began }
    }

    /// The thread's call is over.
    #[inline]
    pub fn end(&self, thread: usize) {
        if let Some(line) = self.lines.get(thread) {
            let ended = line.word.load(Ordering::Relaxed) & !RUNNING;
            line.word.store(ended, Ordering::Release);
        }
    }

    /// Whether this very call still runs.
    pub fn is_running(&self, call: Call) -> bool {
        self.lines
            .get(call.thread)
            .is_some_and(|line| line.word.load(Ordering::Acquire) == running(call.began))
    }

    /// Calls that run now.
    pub fn count(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| line.word.load(Ordering::Acquire) & RUNNING != 0)
            .count()
    }

    /// No thread is left that could begin with one.
    pub fn are_at_most(&self) -> bool {
        self.count() == self.lines.len()
    }

    /// When the oldest of the calls began that run now.
    pub fn oldest(&self) -> Option<Moment> {
        let running = self.look().filter(|(_, is_running)| *is_running);
        running.map(|(began, _)| began).min()
    }

    /// What each thread is at, in order.
    fn look(&self) -> impl Iterator<Item = (Moment, bool)> {
        self.lines.iter().map(|line| {
            let word = line.word.load(Ordering::SeqCst);
            (Moment::from_micros(word >> 1), word & RUNNING != 0)
        })
    }

    #[cold]
    fn wake(&self) {
        if self.is_asleep.swap(false, Ordering::SeqCst)
            && let Some(helper) = self.helper.get()
        {
            helper.unpark();
        }
    }
}

/// Set while the call goes on; the bits above are when it began, also after its end, so that calls between
/// two looks leave a trace.
const RUNNING: u64 = 1;

fn running(began: Moment) -> u64 {
    began.micros() << 1 | RUNNING
}

/// The helper's thread; it ends when this is dropped.
pub struct Helper {
    calls: Arc<Calls>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    /// Starts it. In a worker, after the fork: a thread does not survive one. Calls are looked at once they are as
    /// old as `tick`, which is a [`TICK`] or more.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start(
        calls: &Arc<Calls>,
        watchers: Vec<Box<dyn Watcher>>,
        tick: Duration,
    ) -> io::Result<Helper> {
        let schedule = Schedule::new(calls.lines.len(), watchers.len(), tick);
        let routine = Routine {
            calls: Arc::clone(calls),
            watchers,
            schedule,
        };
        // Signals are for the threads that expect them: this one inherits a mask that blocks all.
        let mask = Mask::block_all()?;
        let spawned = thread::Builder::new()
            .name("oxicorn-helper".to_owned())
            .stack_size(STACK)
            .spawn(move || routine.run());
        mask.restore();
        let thread = spawned?;
        // Its first look waits for this.
        let _ = calls.helper.set(thread.thread().clone());
        thread.thread().unpark();
        Ok(Helper {
            calls: Arc::clone(calls),
            thread: Some(thread),
        })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.calls.is_closed.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Watchers do not block, and their panics are caught.
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Routine {
    calls: Arc<Calls>,
    watchers: Vec<Box<dyn Watcher>>,
    schedule: Schedule,
}

impl Routine {
    fn run(mut self) {
        while self.calls.helper.get().is_none() {
            thread::park();
        }
        while !self.calls.is_closed.load(Ordering::SeqCst) {
            match self.look() {
                Sleep::Nap(nap) => thread::park_timeout(nap),
                Sleep::Until(moment) => self.sleep(Some(moment)),
                Sleep::Forever => self.sleep(None),
            }
        }
    }

    fn look(&mut self) -> Sleep {
        let watchers = &mut self.watchers;
        self.schedule
            .look(Moment::now(), self.calls.look(), |watcher, call, age| {
                let watcher = watchers.get_mut(watcher)?;
                // A watcher with a fault must not take the others down.
                catch_unwind(AssertUnwindSafe(|| watcher.outlasted(call, age))).unwrap_or(None)
            })
    }

    /// Sleeps until a call begins, or until `moment`.
    fn sleep(&mut self, moment: Option<Moment>) {
        self.calls.is_asleep.store(true, Ordering::SeqCst);
        // What began before the flag was up woke nobody.
        let is_quiet = !self.schedule.has_news(self.calls.look());
        if is_quiet && !self.calls.is_closed.load(Ordering::SeqCst) {
            match moment {
                Some(moment) => thread::park_timeout(Moment::now().until(moment)),
                None => thread::park(),
            }
        }
        self.calls.is_asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Nothing that is waited for takes longer.
    const PATIENCE: Duration = Duration::from_secs(10);

    struct Report(Sender<(Call, Duration)>);

    impl Watcher for Report {
        fn outlasted(&mut self, call: Call, age: Duration) -> Option<Duration> {
            self.0.send((call, age)).ok()?;
            Some(age * 2)
        }
    }

    struct Faulty;

    impl Watcher for Faulty {
        fn outlasted(&mut self, _: Call, _: Duration) -> Option<Duration> {
            panic!("a watcher should not")
        }
    }

    #[test]
    fn a_sleeping_helper_notices_a_call_and_asks_again_while_it_goes_on() {
        let calls = Calls::new(2);
        let (sender, reports) = channel();
        let helper = Helper::start(
            &calls,
            vec![Box::new(Faulty), Box::new(Report(sender))],
            TICK,
        )
        .unwrap();
        while !calls.is_asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let begun = calls.begin(1, Moment::now());
        let (call, first) = reports.recv_timeout(PATIENCE).unwrap();
        assert_eq!(call, begun);
        assert!(first >= TICK && calls.is_running(call));
        let (_, second) = reports.recv_timeout(PATIENCE).unwrap();
        assert!(second >= first * 2);
        calls.end(1);
        assert!(!calls.is_running(call));
        assert_eq!(calls.count(), 0);
        // It ends, and its watchers with it.
        drop(helper);
        assert_eq!(
            reports
                .try_iter()
                .filter(|(other, _)| *other != call)
                .count(),
            0
        );
        assert!(reports.recv().is_err());
    }

    #[test]
    fn no_call_is_missed_however_it_falls_on_the_helpers_sleep() {
        let calls = Calls::new(1);
        let (sender, reports) = channel();
        let _helper = Helper::start(&calls, vec![Box::new(Report(sender))], TICK).unwrap();
        for _ in 0..50 {
            let call = calls.begin(0, Moment::from_micros(1));
            while reports.recv_timeout(PATIENCE).unwrap().0 != call {}
            calls.end(0);
        }
    }
}
