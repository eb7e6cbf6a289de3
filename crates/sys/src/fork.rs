//! fork(2) with every signal blocked.
//!
//! A signal that arrives between the fork and the child's own `sigaction` would run the handler that
//! the child inherited: the parent's, which queues it for a loop the child does not have. So signals are
//! blocked across the fork, and the child unblocks them itself once its handlers are installed.

use std::io::{self, Read, Write};
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, set_child_subreaper,
    set_parent_process_death_signal, waitpid,
};

use crate::signals::Mask;

/// Which side of the fork this is.
pub enum Fork {
    /// The parent, with the child's pid; its signal mask is restored already.
    Parent(i32),
    /// The child. Signals are blocked until [`Mask::restore`].
    Child(Mask),
}

/// Forks.
///
/// # Safety
///
/// The process must have no other thread: the child would inherit whatever locks those threads held, and
/// it goes on to run arbitrary code.
pub unsafe fn fork() -> io::Result<Fork> {
    let mask = Mask::block_all()?;
    // SAFETY: the caller promises a single-threaded process, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => {
            let error = io::Error::last_os_error();
            mask.restore();
            Err(error)
        }
        0 => Ok(Fork::Child(mask)),
        pid => {
            mask.restore();
            Ok(Fork::Parent(pid))
        }
    }
}

/// Makes this process the parent of what its descendants leave behind.
///
/// # Errors
///
/// When the kernel is older than 3.4.
pub fn adopt_descendants() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Has the kernel kill this process when its parent dies. A fork of it does not inherit that.
///
/// # Errors
///
/// Never on Linux.
pub fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Forks a process that is not a child of this one but of the nearest ancestor that called
/// [`adopt_descendants`]: a process in between forks it and ends.
///
/// # Safety
///
/// As for [`fork`].
pub unsafe fn fork_away() -> io::Result<Fork> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the caller promises what `fork` asks for.
    let mask = match unsafe { fork() }? {
        Fork::Parent(between) => {
            drop(write);
            return parent_of_grandchild(between, std::fs::File::from(read));
        }
        Fork::Child(mask) => mask,
    };
    drop(read);
    let between = getpid();
    // SAFETY: this process has one thread, and if it is not to be the worker it does nothing but write
    // and end.
    let pid = match unsafe { libc::fork() } {
        0 => {
            // A worker leaves when its parent is not the arbiter, so it begins when it is.
            while getppid() == Some(between) {
                std::thread::sleep(Duration::from_micros(50));
            }
            return Ok(Fork::Child(mask));
        }
        -1 => -io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EAGAIN),
        pid => pid,
    };
    let _ = std::fs::File::from(write).write_all(&pid.to_ne_bytes());
    // SAFETY: _exit does not return, and runs nothing of what this process inherited.
    unsafe { libc::_exit(0) }
}

/// Waits for the process in between; then the new process has its final parent.
fn parent_of_grandchild(between: i32, mut pipe: std::fs::File) -> io::Result<Fork> {
    let mut bytes = [0; 4];
    let read = pipe.read_exact(&mut bytes);
    if let Some(between) = Pid::from_raw(between) {
        while matches!(
            waitpid(Some(between), WaitOptions::empty()),
            Err(Errno::INTR)
        ) {}
    }
    read?;
    match i32::from_ne_bytes(bytes) {
        pid @ 1.. => Ok(Fork::Parent(pid)),
        error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
    }
}
