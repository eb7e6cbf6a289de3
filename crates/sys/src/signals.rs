//! The signals that operators send, and the mask that keeps them out of a fork.

use std::io;
use std::mem::MaybeUninit;

use rustix::process::{Pid, Signal as RawSignal, kill_process};

macro_rules! signals {
    ($($variant:ident = $number:ident, $name:literal;)*) => {
        /// A signal that the arbiter handles or sends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Signal {
            $(#[doc = concat!("SIG", $name)] $variant,)*
        }

        impl Signal {
            /// The kernel's number of this signal.
            pub fn number(self) -> i32 {
                match self { $(Signal::$variant => libc::$number,)* }
            }

            /// The signal with this number, if it is one that the arbiter knows.
            pub fn from_number(number: i32) -> Option<Signal> {
                match number { $(libc::$number => Some(Signal::$variant),)* _ => None }
            }

            /// Name without `SIG`, in upper case.
            pub fn name(self) -> &'static str {
                match self { $(Signal::$variant => $name,)* }
            }
        }
    };
}

signals! {
    Hup = SIGHUP, "HUP";
    Int = SIGINT, "INT";
    Quit = SIGQUIT, "QUIT";
    Abrt = SIGABRT, "ABRT";
    Kill = SIGKILL, "KILL";
    Usr1 = SIGUSR1, "USR1";
    Usr2 = SIGUSR2, "USR2";
    Term = SIGTERM, "TERM";
    Chld = SIGCHLD, "CHLD";
    Ttin = SIGTTIN, "TTIN";
    Ttou = SIGTTOU, "TTOU";
    Winch = SIGWINCH, "WINCH";
}

/// The name of any signal that can end a process, `SIG` included, as in "was sent SIGSEGV!".
pub fn name(number: i32) -> String {
    let known = match number {
        libc::SIGSEGV => "SEGV",
        libc::SIGBUS => "BUS",
        libc::SIGILL => "ILL",
        libc::SIGFPE => "FPE",
        libc::SIGTRAP => "TRAP",
        libc::SIGSYS => "SYS",
        libc::SIGPIPE => "PIPE",
        libc::SIGALRM => "ALRM",
        libc::SIGXCPU => "XCPU",
        libc::SIGXFSZ => "XFSZ",
        libc::SIGVTALRM => "VTALRM",
        libc::SIGPROF => "PROF",
        libc::SIGIO => "IO",
        libc::SIGPWR => "PWR",
        libc::SIGSTKFLT => "STKFLT",
        _ => match Signal::from_number(number) {
            Some(signal) => signal.name(),
            None => return format!("signal {number}"),
        },
    };
    format!("SIG{known}")
}

/// Whether the processor or the kernel sends this signal for something that the process itself did.
pub fn is_fault(number: i32) -> bool {
    matches!(
        number,
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP | libc::SIGSYS
    )
}

/// Sends a signal. A process that is already gone is no error: its exit is on the way.
pub fn kill(pid: i32, signal: Signal) -> io::Result<()> {
    // 0 and negative numbers would address process groups, never one worker.
    let process = if pid > 0 { Pid::from_raw(pid) } else { None };
    let (Some(pid), Some(signal)) = (process, RawSignal::from_named_raw(signal.number())) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

/// A thread's signal mask as it was before [`Mask::block_all`].
#[must_use = "signals stay blocked until the mask is restored"]
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// Blocks every signal that can be blocked; they stay pending until [`Mask::restore`].
    pub fn block_all() -> io::Result<Mask> {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set it is given, pthread_sigmask reads that set and
        // initialises `before`; both live on this stack frame.
        let failed = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
        };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        // SAFETY: pthread_sigmask succeeded, so it has written the old mask.
        Ok(Mask(unsafe { before.assume_init() }))
    }

    /// Puts the mask back. Pending signals are delivered before this returns.
    pub fn restore(&self) {
        // SAFETY: the set was written by the kernel; a null third argument means no old mask is wanted.
        // The call can only fail for an invalid first argument.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_log() {
        assert_eq!(name(libc::SIGKILL), "SIGKILL");
        assert_eq!(name(libc::SIGSEGV), "SIGSEGV");
        assert_eq!(name(40), "signal 40");
        assert_eq!(Signal::from_number(libc::SIGTTIN), Some(Signal::Ttin));
    }

    #[test]
    fn groups_are_never_signalled() {
        assert!(kill(0, Signal::Term).is_err());
        assert!(kill(-1, Signal::Term).is_err());
    }
}
