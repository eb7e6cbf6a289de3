//! fork(2) with every signal blocked.
//!
//! A signal that arrives between the fork and the child's own `sigaction` would run the handler that
//! the child inherited: the parent's, which queues it for a loop the child does not have. So signals are
//! blocked across the fork, and the child unblocks them itself once its handlers are installed.

use std::io;

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
