//! What is said about a worker that ended unasked, or with requests in flight.

use std::fmt;
use std::time::Duration;

use oxicorn_sys::scoreboard::{InFlight, Phase, Slot};
use oxicorn_sys::signals::{self, Signal};
use oxicorn_sys::wait::Death;

use crate::notice::client;

/// What the policy knows about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Number of the worker.
    pub age: u32,
    /// Its process.
    pub pid: i32,
    /// How it ended.
    pub death: Death,
    /// The arbiter killed it, for this reason.
    pub by_arbiter: Option<Reason>,
    /// Time since its fork.
    pub lived: Duration,
    /// Nobody asked it to: there is something to say even if no request was in flight.
    pub unasked: bool,
}

/// Why the arbiter kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was silent for longer than `timeout`.
    Timeout,
    /// It had not left when `graceful_timeout` was over.
    Graceful,
}

/// What is behind an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The arbiter killed it.
    Arbiter(Reason),
    /// It called exit.
    Exit,
    /// It did something that the processor or the C library does not let pass, in code that is not Python.
    Fault,
    /// The kernel killed it, because memory ran out.
    OutOfMemory,
    /// Somebody sent that signal; memory had not run out.
    Sent,
    /// Somebody sent SIGKILL, or memory ran out: the kernel does not count here.
    Unknown,
}

impl Cause {
    /// From the end itself; `out_of_memory`: whether the kernel's count went up, if it counts.
    pub fn of(ended: &Ended, out_of_memory: Option<bool>) -> Cause {
        let Death::Signal(number) = ended.death else {
            return ended.by_arbiter.map_or(Cause::Exit, Cause::Arbiter);
        };
        match (Signal::from_number(number), out_of_memory) {
            (Some(Signal::Kill), Some(true)) => Cause::OutOfMemory,
            (Some(Signal::Kill | Signal::Abrt), _) if ended.by_arbiter.is_some() => {
                ended.by_arbiter.map_or(Cause::Unknown, Cause::Arbiter)
            }
            (Some(Signal::Kill), None) => Cause::Unknown,
            (Some(Signal::Abrt), _) => Cause::Fault,
            (None, _) if signals::is_fault(number) => Cause::Fault,
            _ => Cause::Sent,
        }
    }

    /// For programs that read the log.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Arbiter(Reason::Timeout) => "timeout",
            Cause::Arbiter(Reason::Graceful) => "graceful_timeout",
            Cause::Exit => "exit",
            Cause::Fault => "fault",
            Cause::OutOfMemory => "out_of_memory",
            Cause::Sent => "signal",
            Cause::Unknown => "unknown",
        }
    }

    /// Whether memory had run out, where that is the question.
    pub fn out_of_memory(self) -> Option<bool> {
        match self {
            Cause::OutOfMemory => Some(true),
            Cause::Unknown => None,
            _ => Some(false),
        }
    }
}

/// The whole report: one record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeathReport {
    /// How it ended.
    pub ended: Ended,
    /// Why.
    pub cause: Cause,
    /// Requests that it had answered.
    pub requests: u64,
    /// Resident memory in KiB as it measured it last; 0 if never.
    pub rss_kib: u64,
    /// The same an hour before; `None` if it is younger.
    pub rss_hour_ago_kib: Option<u64>,
    /// What it was at, and for how long.
    pub in_flight: Vec<(InFlight, Duration)>,
    /// More requests in flight than the scoreboard lists.
    pub unlisted: u64,
}

impl DeathReport {
    /// From what the worker left on the scoreboard.
    pub fn new(ended: Ended, cause: Cause, slot: Slot, now: Duration) -> DeathReport {
        let in_flight = slot.in_flight().into_iter().map(|request| {
            let age = now.saturating_sub(Duration::from_millis(request.started_ms));
            (request, age)
        });
        let counters = slot.counters();
        DeathReport {
            ended,
            cause,
            requests: counters.requests,
            rss_kib: counters.rss_kib,
            rss_hour_ago_kib: slot.rss_hour_ago(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
            in_flight: in_flight.collect(),
            unlisted: slot.unlisted(),
        }
    }

    /// There is something to say.
    pub fn is_due(&self) -> bool {
        let is_unanswered = |(request, _): &(InFlight, Duration)| request.phase != Phase::Answered;
        self.ended.unasked || self.in_flight.iter().any(is_unanswered)
    }
}

impl fmt::Display for DeathReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended {
            age,
            pid,
            death,
            lived,
            ..
        } = self.ended;
        write!(f, "Death of worker {age} (pid:{pid}): ")?;
        match death {
            Death::Code(code) => write!(f, "exit code {code}")?,
            Death::Signal(number) => f.write_str(&signals::name(number))?,
        }
        f.write_str(match self.cause {
            Cause::Arbiter(Reason::Timeout) => ", from the arbiter after its timeout",
            Cause::Arbiter(Reason::Graceful) => ", from the arbiter after graceful_timeout",
            Cause::Exit => "",
            Cause::Fault => ", a fault in native code",
            Cause::OutOfMemory => ", out of memory",
            Cause::Sent => ", sent by another process; not out of memory",
            Cause::Unknown => ", cause unknown: out of memory or sent by another process",
        })?;
        write!(
            f,
            "; lived {:.1} s; requests answered: {}; memory ",
            lived.as_secs_f64(),
            self.requests
        )?;
        match self.rss_kib {
            0 => f.write_str("unknown")?,
            kib => write!(f, "{:.1} MiB", mib(kib))?,
        }
        if let Some(kib) = self.rss_hour_ago_kib {
            write!(f, " (an hour ago {:.1} MiB)", mib(kib))?;
        }
        if self.in_flight.is_empty() {
            return f.write_str("; no request in flight.");
        }
        f.write_str("; was serving ")?;
        for (index, (request, age)) in self.in_flight.iter().enumerate() {
            let before = if index > 0 { ", " } else { "" };
            write!(
                f,
                "{before}{} {} from {} for {:.1} s",
                request.method.escape_ascii(),
                request.target.escape_ascii(),
                client(request),
                age.as_secs_f64()
            )?;
            if request.phase != Phase::Called {
                write!(f, " ({})", request.phase.word())?;
            }
        }
        match self.unlisted {
            0 => f.write_str("."),
            more => write!(f, " and {more} more."),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxicorn_sys::scoreboard::Scoreboard;

    fn ended(death: Death, by_arbiter: Option<Reason>) -> Ended {
        Ended {
            age: 3,
            pid: 77,
            death,
            by_arbiter,
            lived: Duration::from_millis(12_340),
            unasked: true,
        }
    }

    #[test]
    fn sigkill_is_out_of_memory_when_the_kernel_counted_one() {
        let killed = ended(Death::Signal(9), None);
        assert_eq!(Cause::of(&killed, Some(true)), Cause::OutOfMemory);
        assert_eq!(Cause::of(&killed, Some(false)), Cause::Sent);
        assert_eq!(Cause::of(&killed, None), Cause::Unknown);
    }

    #[test]
    fn what_the_arbiter_killed_is_no_riddle() {
        let reason = Reason::Timeout;
        for death in [Death::Signal(9), Death::Signal(6), Death::Code(1)] {
            let killed = ended(death, Some(reason));
            assert_eq!(Cause::of(&killed, Some(false)), Cause::Arbiter(reason));
        }
    }

    #[test]
    fn faults_and_exits_are_told_apart() {
        for number in [libc_number::SEGV, libc_number::BUS, 6] {
            let fault = ended(Death::Signal(number), None);
            assert_eq!(Cause::of(&fault, Some(false)), Cause::Fault);
        }
        assert_eq!(Cause::of(&ended(Death::Code(9), None), None), Cause::Exit);
        assert_eq!(
            Cause::of(&ended(Death::Signal(15), None), None),
            Cause::Sent
        );
    }

    mod libc_number {
        pub const BUS: i32 = 7;
        pub const SEGV: i32 = 11;
    }

    #[test]
    fn the_report_is_one_line_that_nobody_can_forge() {
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        slot.set_rss(2048, 1000);
        let done = slot.begin_request(b"GET", b"/", b"", 1000);
        slot.end_request(done, 200, 1, 0, 0);
        slot.begin_request(b"GET", b"/a\nb", b"192.0.2.1", 1000);
        slot.begin_request(b"POST", b"/c", b"", 2500);
        let end = ended(Death::Signal(9), None);
        let now = Duration::from_secs(3);
        let report = DeathReport::new(end, Cause::OutOfMemory, slot, now);
        assert!(report.is_due());
        assert_eq!(
            report.to_string(),
            "Death of worker 3 (pid:77): SIGKILL, out of memory; lived 12.3 s; requests answered: 1; \
             memory 2.0 MiB; was serving GET /a\\nb from 192.0.2.1 for 2.0 s, \
             POST /c from a unix socket for 0.5 s."
        );
    }
}
