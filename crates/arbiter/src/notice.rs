//! The lines that the arbiter writes to the log.

use std::fmt;
use std::time::Duration;

use oxicorn_sys::scoreboard::InFlight;
use oxicorn_sys::signals::{self, Signal};
use oxicorn_sys::wait::Death;

/// How loud a line is, as Python's `logging` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only with `--log-level debug`.
    Debug,
    /// The usual course of things.
    Info,
    /// Unusual, nothing lost.
    Warning,
    /// Something was lost or refused.
    Error,
    /// Somebody should look.
    Critical,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A signal is about to be obeyed.
    Handling(Signal),
    /// A reload is wanted.
    HangUp,
    /// It has to wait for another.
    ReloadWaits,
    /// The new generation failed, the old one stays.
    ReloadCalledOff {
        /// The new worker that did not make it.
        pid: i32,
        /// How it ended.
        death: Death,
    },
    /// A template has loaded the application.
    Preloaded(i32),
    /// The application of a reload cannot be loaded, the old one stays.
    ReloadNotLoaded {
        /// The template that was to load it.
        pid: i32,
        /// How it ended.
        death: Death,
    },
    /// A template in place of one that died could not load the application, while others serve.
    NotLoaded {
        /// The template.
        pid: i32,
        /// How it ended.
        death: Death,
        /// Workers that are serving.
        serving: usize,
    },
    /// A template ended, unasked.
    TemplateDied {
        /// The template.
        pid: i32,
        /// How it ended.
        death: Death,
    },
    /// A replacement failed to boot while others serve.
    BootFailed {
        /// Workers that are serving.
        serving: usize,
    },
    /// Workers die as soon as they are born.
    Respawning {
        /// Deaths in a row.
        deaths: u32,
        /// Until the next attempt.
        pause: Duration,
    },
    /// A worker has loaded its application, and serves.
    Ready(i32),
    /// A worker's heartbeat is overdue.
    Timeout(i32),
    /// How a worker ended.
    Exited(i32, Death),
    /// What a worker was doing.
    Serving {
        /// The worker.
        pid: i32,
        /// The request.
        request: InFlight,
        /// For how long.
        age: Duration,
    },
    /// TERM: the server serves for so long yet.
    DrainDelayed(Duration),
    /// INT or QUIT after TERM.
    QuickShutdown,
    /// SIGWINCH stops the workers of a daemon.
    GracefulStop,
    /// SIGWINCH in a terminal.
    WinchIgnored,
    /// SIGUSR2 while a new arbiter is up already.
    ChildExists,
    /// SIGUSR2 in a new arbiter whose parent is still there.
    ParentExists,
    /// The new arbiter ended.
    ReexecEnded(i32),
    /// The old arbiter ended.
    Promoted,
    /// A child that is no worker, adopted when running as process 1.
    Adopted(i32),
}

impl Notice {
    /// Its level.
    pub fn level(&self) -> Level {
        match self {
            Notice::Handling(Signal::Chld)
            | Notice::Ready(_)
            | Notice::WinchIgnored
            | Notice::Adopted(_) => Level::Debug,
            Notice::Handling(_)
            | Notice::HangUp
            | Notice::ReloadWaits
            | Notice::Preloaded(_)
            | Notice::DrainDelayed(_)
            | Notice::QuickShutdown
            | Notice::GracefulStop
            | Notice::Promoted => Level::Info,
            Notice::Exited(_, Death::Signal(signal)) => match Signal::from_number(*signal) {
                Some(Signal::Kill) => Level::Error,
                Some(Signal::Term) => Level::Info,
                _ => Level::Warning,
            },
            Notice::ChildExists
            | Notice::ParentExists
            | Notice::ReexecEnded(_)
            | Notice::Respawning { .. } => Level::Warning,
            Notice::Exited(_, Death::Code(_))
            | Notice::Serving { .. }
            | Notice::BootFailed { .. }
            | Notice::NotLoaded { .. }
            | Notice::TemplateDied { .. }
            | Notice::ReloadNotLoaded { .. }
            | Notice::ReloadCalledOff { .. } => Level::Error,
            Notice::Timeout(_) => Level::Critical,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Handling(signal) => {
                write!(f, "Handling signal: {}", signal.name().to_lowercase())
            }
            Notice::HangUp => f.write_str("Hang up: Master"),
            Notice::ReloadWaits => {
                f.write_str("A reload is under way; another one follows when it is over.")
            }
            Notice::ReloadCalledOff { pid, death } => write!(
                f,
                "Reload called off: new worker (pid:{pid}) {} before it was ready; the old workers serve on.",
                Ending(*death)
            ),
            Notice::Preloaded(pid) => {
                write!(
                    f,
                    "The application is loaded in the template process (pid:{pid})"
                )
            }
            Notice::ReloadNotLoaded { pid, death } => write!(
                f,
                "Reload called off: the new template process (pid:{pid}) {} before it had loaded the \
                 application; the old workers serve on.",
                Ending(*death)
            ),
            Notice::NotLoaded {
                pid,
                death,
                serving,
            } => write!(
                f,
                "A new template process (pid:{pid}) {} before it had loaded the application; {serving} \
                 serving. It is tried again.",
                Ending(*death)
            ),
            Notice::TemplateDied { pid, death } => write!(
                f,
                "The template process (pid:{pid}) {}; its workers serve on, and a new one loads the \
                 application.",
                Ending(*death)
            ),
            Notice::BootFailed { serving } => write!(
                f,
                "A replacement worker could not boot; {serving} serving. It is tried again."
            ),
            Notice::Respawning { deaths, pause } => write!(
                f,
                "{deaths} workers in a row died right after their start; the next one starts in {:.1} s.",
                pause.as_secs_f64()
            ),
            Notice::Ready(pid) => write!(f, "Worker (pid:{pid}) is ready."),
            Notice::Timeout(pid) => write!(f, "WORKER TIMEOUT (pid:{pid})"),
            Notice::Exited(pid, death) => exited(f, *pid, *death),
            Notice::Serving { pid, request, age } => write!(
                f,
                "Worker (pid:{pid}) was serving {} {} from {} for {:.1} s.",
                request.method.escape_ascii(),
                request.target.escape_ascii(),
                client(request),
                age.as_secs_f64()
            ),
            Notice::DrainDelayed(delay) => write!(
                f,
                "Serving for {:.0} s more, until load balancers know.",
                delay.as_secs_f64()
            ),
            Notice::QuickShutdown => f.write_str("Quick shutdown requested"),
            Notice::GracefulStop => f.write_str("graceful stop of workers"),
            Notice::WinchIgnored => f.write_str("SIGWINCH ignored. Not daemonized"),
            Notice::ChildExists => f.write_str("USR2 signal ignored. Child exists."),
            Notice::ParentExists => f.write_str("USR2 signal ignored. Parent exists."),
            Notice::ReexecEnded(pid) => {
                write!(f, "The new master (pid:{pid}) is gone; this one serves on.")
            }
            Notice::Promoted => f.write_str("Master has been promoted."),
            Notice::Adopted(pid) => write!(f, "Reaped a child that is no worker (pid:{pid})"),
        }
    }
}

fn exited(f: &mut fmt::Formatter<'_>, pid: i32, death: Death) -> fmt::Result {
    write!(f, "Worker (pid:{pid}) {}", Ending(death))?;
    match death {
        Death::Code(_) => f.write_str("."),
        Death::Signal(signal) if signal == Signal::Kill.number() => {
            f.write_str("! Perhaps out of memory?")
        }
        Death::Signal(_) => f.write_str("!"),
    }
}

/// Who sent a request.
pub(crate) fn client(request: &InFlight) -> String {
    match request.peer.as_slice() {
        b"" => "a unix socket".to_owned(),
        peer => peer.escape_ascii().to_string(),
    }
}

struct Ending(Death);

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Death::Code(code) => write!(f, "exited with code {code}"),
            Death::Signal(signal) => write!(f, "was sent {}", signals::name(signal)),
        }
    }
}
