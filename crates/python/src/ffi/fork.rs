//! fork(2) as the interpreter wants it: with its locks held and its threads' state put right.

use std::io;

use oxicorn_sys::fork::{self, Fork};
use oxicorn_sys::signals::Mask;
use pyo3::ffi;
use pyo3::prelude::*;

/// Forks with every signal blocked, before the interpreter's own preparations and until they are undone. The
/// child goes on with signals blocked: it has to install its handlers first. It knows the mask to
/// go back to, because it is the one that its parent always has.
pub fn fork(py: Python<'_>) -> io::Result<Option<i32>> {
    // SAFETY: see `prepared`.
    prepared(py, || unsafe { fork::fork() })
}

/// The same for a child that becomes one of the arbiter's.
pub fn fork_away(py: Python<'_>) -> io::Result<Option<i32>> {
    // SAFETY: see `prepared`.
    prepared(py, || unsafe { fork::fork_away() })
}

fn prepared(_py: Python<'_>, fork: impl FnOnce() -> io::Result<Fork>) -> io::Result<Option<i32>> {
    let mask = Mask::block_all()?;
    // SAFETY: the token says that this thread is attached to the interpreter, which is what the three PyOS
    // functions ask for, and they are called in the documented order. The arbiter has one thread; what
    // threads an application started in the template do not exist in the child, as after os.fork.
    let forked = unsafe {
        ffi::PyOS_BeforeFork();
        let forked = fork();
        match forked {
            Ok(Fork::Child(_)) => ffi::PyOS_AfterFork_Child(),
            _ => ffi::PyOS_AfterFork_Parent(),
        }
        forked
    };
    if let Ok(Fork::Child(_)) = forked {
        return Ok(None);
    }
    mask.restore();
    match forked? {
        Fork::Parent(pid) => Ok(Some(pid)),
        Fork::Child(_) => Ok(None),
    }
}
