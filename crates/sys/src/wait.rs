//! Reaping children, and waiting for something to happen.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, wait};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It called exit.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
}

/// One child that has ended; `None` while all others live, or when there are none.
pub fn reap() -> io::Result<Option<(i32, Death)>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get();
                if let Some(code) = status.exit_status() {
                    return Ok(Some((pid, Death::Code(code))));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(Some((pid, Death::Signal(signal))));
                }
            }
            Ok(None) | Err(Errno::CHILD) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A pipe that wakes a sleeping loop: signal handlers and children write a byte into it.
pub struct WakeUp {
    read: OwnedFd,
    write: OwnedFd,
}

impl WakeUp {
    /// Both ends are non-blocking and closed on exec.
    pub fn new() -> io::Result<WakeUp> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        Ok(WakeUp { read, write })
    }

    /// The end that the loop polls.
    pub fn reader(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// The end for `signal.set_wakeup_fd` and for children.
    pub fn writer(&self) -> impl AsFd + '_ {
        self.write.as_fd()
    }

    /// Wakes the loop. A full pipe wakes it just as well.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.write, &[0]);
    }

    /// Sleeps until something was written, at most `limit`; then empties the pipe. A signal ends the sleep too.
    pub fn sleep(&self, limit: Option<Duration>) -> io::Result<()> {
        wait_readable([&self.read], limit)?;
        self.clear();
        Ok(())
    }

    /// Empties the pipe: that something was written matters, not what.
    pub fn clear(&self) {
        let mut buffer = [0; 256];
        while matches!(rustix::io::read(&self.read, &mut buffer), Ok(1..)) {}
    }
}

/// Sleeps until one of the descriptors can be read, at most `limit`. A signal ends the sleep too.
pub fn wait_readable<const N: usize>(
    descriptors: [impl AsFd; N],
    limit: Option<Duration>,
) -> io::Result<()> {
    let limit = limit.map(|limit| Timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let mut watched = descriptors
        .each_ref()
        .map(|descriptor| PollFd::new(descriptor, PollFlags::IN));
    match poll(&mut watched, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
