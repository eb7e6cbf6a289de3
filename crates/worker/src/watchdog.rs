//! A thread that answers requests which take too long.
//!
//! It needs neither the loop nor the interpreter, so it does its work also while both are stuck. It costs
//! requests nothing: it reads when they began from the scoreboard, and it wakes up when the oldest could be
//! overdue, or when it hears of one that has waited in a worker until that was killed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use oxicorn_http::error_page;
use oxicorn_sys::clock::monotonic_ms;
use oxicorn_sys::scoreboard::Slot;
use oxicorn_sys::signals::Mask;

use crate::clock::{DateLine, Moment};

/// Enough for what it does.
const STACK: usize = 256 * 1024;

/// Has the watchdog look: a request begins whose time is partly over.
#[derive(Clone)]
pub struct Alarm(Thread);

impl Alarm {
    /// After the request is on the scoreboard.
    pub fn raise(&self) {
        self.0.unpark();
    }
}

/// The thread; it ends when this is dropped.
pub struct Watchdog {
    thread: Option<JoinHandle<()>>,
    is_closed: Arc<AtomicBool>,
}

impl Watchdog {
    /// Answers requests of this worker with 504 whose response has not begun `timeout` after they went to the
    /// application. `expired` is called after each time that it did, from its thread; it must not block.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start(
        slot: Slot,
        timeout: Duration,
        expired: impl FnMut() + Send + 'static,
    ) -> io::Result<Watchdog> {
        let is_closed = Arc::new(AtomicBool::new(false));
        let mut routine = Routine {
            slot,
            timeout,
            expired,
            is_closed: Arc::clone(&is_closed),
        };
        // Signals are for the threads that expect them: this one inherits a mask that blocks all.
        let mask = Mask::block_all()?;
        let spawned = thread::Builder::new()
            .name("oxicorn-watchdog".to_owned())
            .stack_size(STACK)
            .spawn(move || routine.run());
        mask.restore();
        Ok(Watchdog {
            thread: Some(spawned?),
            is_closed,
        })
    }
}

impl Watchdog {
    /// What wakes it up.
    pub fn alarm(&self) -> Option<Alarm> {
        let thread = self.thread.as_ref()?;
        Some(Alarm(thread.thread().clone()))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It blocks nowhere but in its sleep.
            let _ = thread.join();
        }
    }
}

/// Answers all requests that began at `limit_ms` or before and whose response has not; says whether there were any,
/// and when the oldest of the others began.
pub fn answer_overdue(slot: Slot, limit_ms: u64) -> (bool, Option<u64>) {
    let (oldest, overdue) = slot.overdue(limit_ms);
    let mut has_answered = false;
    for request in overdue {
        has_answered |= slot.answer(request, &page(request.is_head()));
    }
    (has_answered, oldest)
}

struct Routine<F> {
    slot: Slot,
    timeout: Duration,
    expired: F,
    is_closed: Arc<AtomicBool>,
}

impl<F: FnMut()> Routine<F> {
    fn run(&mut self) {
        while !self.is_closed.load(Ordering::SeqCst) {
            let wait = self.look(monotonic_ms());
            thread::park_timeout(wait);
        }
    }

    /// Answers what is overdue at `now_ms`; gives the time until something else can be.
    fn look(&mut self, now_ms: u64) -> Duration {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let (has_answered, oldest) = answer_overdue(self.slot, now_ms.saturating_sub(timeout));
        if has_answered {
            (self.expired)();
        }
        // What begins from now on cannot be overdue earlier than a whole timeout from now, but for those that an alarm
        // is raised for.
        let due = oldest.unwrap_or(now_ms).saturating_add(timeout);
        Duration::from_millis(due.saturating_sub(now_ms).max(1))
    }
}

fn page(is_head: bool) -> Vec<u8> {
    let date = DateLine::new(Moment::now());
    let mut page = error_page(504, "Gateway Timeout", "", date.line());
    if is_head && let Some(end) = page.windows(4).position(|four| four == b"\r\n\r\n") {
        page.truncate(end.saturating_add(4));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use oxicorn_sys::scoreboard::Scoreboard;

    use super::*;

    fn routine(slot: Slot) -> Routine<impl FnMut()> {
        Routine {
            slot,
            timeout: Duration::from_secs(2),
            expired: || {},
            is_closed: Arc::default(),
        }
    }

    #[test]
    fn it_sleeps_until_the_oldest_request_could_be_overdue() {
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        let mut routine = routine(slot);
        assert_eq!(routine.look(10_000), Duration::from_secs(2));
        let (near, _far) = UnixStream::pair().unwrap();
        for started in [11_000, 10_500] {
            let ticket = slot.begin_request(b"GET", b"/", b"", started);
            slot.attach(ticket, near.as_fd());
        }
        assert_eq!(routine.look(12_000), Duration::from_millis(500));
    }

    #[test]
    fn what_is_overdue_gets_a_504_and_what_is_not_does_not() {
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        let mut routine = routine(slot);
        let (near, mut far) = UnixStream::pair().unwrap();
        let ticket = slot.begin_request(b"GET", b"/", b"", 10_000);
        slot.attach(ticket, near.as_fd());
        routine.look(11_999);
        assert!(slot.claim(slot.begin_request(b"GET", b"/2", b"", 11_000)));
        assert_eq!(routine.look(12_000), Duration::from_secs(2));
        let mut page = String::new();
        far.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 504 Gateway Timeout\r\nDate: "));
        assert!(page.contains("Connection: close\r\n"));
        assert!(!slot.claim(ticket));
    }

    #[test]
    fn the_answer_to_head_has_no_body() {
        assert!(page(true).ends_with(b"\r\n\r\n"));
        assert!(page(false).ends_with(b"</html>\n"));
    }

    #[test]
    fn a_request_is_answered_while_everybody_else_is_stuck() {
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let (sender, expired) = std::sync::mpsc::channel();
        let ticket = slot.begin_request(b"GET", b"/", b"", monotonic_ms());
        slot.attach(ticket, near.as_fd());
        let _watchdog = Watchdog::start(slot, Duration::from_millis(20), move || {
            let _ = sender.send(());
        })
        .unwrap();
        let mut page = String::new();
        far.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 504 "));
        expired.recv().unwrap();
    }
}
