//! How much of what clients sent or have not read yet a worker keeps in memory.
//!
//! One [`Budget`] a worker. What does not fit goes to an unlinked file in the upload directory: a
//! slow client costs disk, never unbounded memory, and never the application's thread.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bytes that all connections of a worker may hold in memory together.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
    /// Bytes that several responses send from where they are, by their first byte's address: how
    /// often they are held.
    shared: Mutex<HashMap<usize, usize>>,
    directory: PathBuf,
}

impl Budget {
    /// A budget of `bytes`; what does not fit goes to files in `directory`.
    pub fn new(bytes: usize, directory: PathBuf) -> Arc<Budget> {
        Arc::new(Budget {
            left: AtomicUsize::new(bytes),
            shared: Mutex::default(),
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

    /// Takes room for bytes that stay where they are as long as the caller holds them. An object that
    /// many responses consist of is in memory once, so it counts once.
    pub fn take_shared(&self, bytes: &[u8]) -> bool {
        let mut shared = self.shared();
        if let Some(holders) = shared.get_mut(&address(bytes)) {
            *holders = holders.saturating_add(1);
            return true;
        }
        let taken = self.take(bytes.len());
        if taken {
            shared.insert(address(bytes), 1);
        }
        taken
    }

    /// Gives back what [`Budget::take_shared`] took; the caller still holds the bytes.
    pub fn give_back_shared(&self, bytes: &[u8]) {
        if let Entry::Occupied(mut holders) = self.shared().entry(address(bytes)) {
            if *holders.get() > 1 {
                *holders.get_mut() -= 1;
            } else {
                holders.remove();
                self.give_back(bytes.len());
            }
        }
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<usize, usize>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new file that has no name, so that it is gone when its last user is.
    pub fn spool(&self) -> io::Result<File> {
        oxicorn_sys::stream::unnamed_file(&self.directory)
    }
}

/// What tells bytes from others that are held at the same time.
fn address(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr()
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

    #[test]
    fn what_many_hold_counts_once() {
        let budget = Budget::new(10, std::env::temp_dir());
        let (body, other) = ([0_u8; 6], [1_u8; 6]);
        assert!(budget.take_shared(&body));
        assert!(budget.take_shared(&body));
        assert!(!budget.take_shared(&other));
        budget.give_back_shared(&body);
        assert!(!budget.take(5));
        budget.give_back_shared(&body);
        assert!(budget.take(10));
    }
}
