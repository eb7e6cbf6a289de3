//! A request body while it comes in: in memory up to a limit, then in a file.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::Arc;

use crate::memory::Budget;

/// Largest request body that is kept in memory.
pub const MEMORY_LIMIT: usize = 512 * 1024;

/// What came of a request body so far.
pub struct Upload {
    place: Place,
    budget: Arc<Budget>,
}

enum Place {
    Memory(Vec<u8>),
    File { file: File, length: u64 },
}

/// A body that has come whole.
pub enum Received {
    /// It fitted into memory.
    Memory(Vec<u8>),
    /// It is in an unlinked file, whose position is at its start.
    File {
        /// Holds the body and nothing else.
        file: File,
        /// Of the body, in bytes.
        length: u64,
    },
}

impl Upload {
    /// A body of which nothing has come yet.
    pub fn new(budget: Arc<Budget>) -> Upload {
        Upload {
            place: Place::Memory(Vec::new()),
            budget,
        }
    }

    /// Adds what came next.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or written: a full disk, a directory that is gone.
    pub fn push(&mut self, data: &[u8]) -> io::Result<()> {
        if let Place::Memory(held) = &mut self.place {
            let length = held.len().saturating_add(data.len());
            if length <= MEMORY_LIMIT && self.budget.take(data.len()) {
                held.extend_from_slice(data);
                return Ok(());
            }
            let mut file = self.budget.spool()?;
            file.write_all(held)?;
            let moved = held.len();
            self.place = Place::File {
                file,
                length: moved as u64,
            };
            self.budget.give_back(moved);
        }
        if let Place::File { file, length } = &mut self.place {
            file.write_all(data)?;
            *length = length.saturating_add(data.len() as u64);
        }
        Ok(())
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// When the file cannot be set to its start.
    pub fn finish(mut self) -> io::Result<Received> {
        match &mut self.place {
            Place::Memory(held) => {
                let held = std::mem::take(held);
                self.budget.give_back(held.len());
                Ok(Received::Memory(held))
            }
            Place::File { file, length } => {
                file.rewind()?;
                Ok(Received::File {
                    file: file.try_clone()?,
                    length: *length,
                })
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Place::Memory(held) = &self.place {
            self.budget.give_back(held.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn budget(bytes: usize) -> Arc<Budget> {
        Budget::new(bytes, std::env::temp_dir())
    }

    fn contents(received: Received) -> (bool, Vec<u8>) {
        match received {
            Received::Memory(bytes) => (true, bytes),
            Received::File { mut file, length } => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                assert_eq!(length, bytes.len() as u64);
                (false, bytes)
            }
        }
    }

    #[test]
    fn a_small_body_stays_in_memory() {
        let mut upload = Upload::new(budget(100));
        upload.push(b"abc").unwrap();
        upload.push(b"def").unwrap();
        assert_eq!(
            contents(upload.finish().unwrap()),
            (true, b"abcdef".to_vec())
        );
    }

    #[test]
    fn a_large_body_goes_to_a_file_and_gives_its_memory_back() {
        let budget = budget(10 * MEMORY_LIMIT);
        let mut upload = Upload::new(Arc::clone(&budget));
        upload.push(&vec![b'a'; MEMORY_LIMIT]).unwrap();
        upload.push(b"b").unwrap();
        assert!(budget.take(10 * MEMORY_LIMIT), "nothing is held any more");
        let (in_memory, bytes) = contents(upload.finish().unwrap());
        assert!(!in_memory);
        assert_eq!((bytes.len(), bytes.last()), (MEMORY_LIMIT + 1, Some(&b'b')));
    }

    #[test]
    fn a_body_goes_to_a_file_when_others_hold_the_memory() {
        let mut upload = Upload::new(budget(4));
        upload.push(b"abcd").unwrap();
        upload.push(b"e").unwrap();
        assert_eq!(
            contents(upload.finish().unwrap()),
            (false, b"abcde".to_vec())
        );
    }

    #[test]
    fn a_dropped_body_gives_its_memory_back() {
        let budget = budget(4);
        let mut upload = Upload::new(Arc::clone(&budget));
        upload.push(b"abcd").unwrap();
        drop(upload);
        assert!(budget.take(4));
    }
}
