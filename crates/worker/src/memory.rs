//! How much of what clients sent or have not read yet a worker keeps in memory.
//!
//! One [`Budget`] a worker. What does not fit goes to an unlinked file in the upload directory: a
//! slow client costs disk, never unbounded memory, and never the application's thread.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes that all connections of a worker may hold in memory together.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
    directory: PathBuf,
}

impl Budget {
    /// A budget of `bytes`; what does not fit goes to files in `directory`.
    pub fn new(bytes: usize, directory: PathBuf) -> Arc<Budget> {
        Arc::new(Budget {
            left: AtomicUsize::new(bytes),
            directory,
        })
    }

    /// Takes `bytes` out of what is left; false, and nothing taken, when there is not enough.
    pub fn take(&self, bytes: usize) -> bool {
        self.left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes))
            .is_ok()
    }

    /// Gives back what [`Budget::take`] took.
    pub fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Relaxed);
    }

    /// A new file that has no name, so that it is gone when its last user is.
    pub fn spool(&self) -> io::Result<File> {
        oxicorn_sys::stream::unnamed_file(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_never_gives_more_than_it_has() {
        let budget = Budget::new(10, std::env::temp_dir());
        assert!(budget.take(7));
        assert!(!budget.take(4));
        assert!(budget.take(3));
        budget.give_back(7);
        assert!(budget.take(7));
    }
}
