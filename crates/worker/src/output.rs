//! What a client has not read yet, in order: copied bytes, bytes that the application owns, parts of
//! files. The loop sends it whenever the socket has room.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use oxicorn_sys::stream::{self, Progress};

use crate::memory::Budget;

/// Bytes that belong to the application and stay where they are until they are sent.
pub trait SharedBytes: AsRef<[u8]> + Send {}

impl<T: AsRef<[u8]> + Send> SharedBytes for T {}

/// Shorter rests are copied, even if somebody could lend them.
const WORTH_SHARING: usize = 16 * 1024;

/// A copied piece that has grown to this is not added to: what was sent of it is only given back
/// when all of it was.
const PIECE: usize = 64 * 1024;

/// The unsent part of a connection's responses.
pub struct Output {
    segments: VecDeque<Segment>,
    /// Bytes of `segments` that are in spool files.
    spooled: u64,
    budget: Arc<Budget>,
}

enum Segment {
    Copied {
        bytes: Vec<u8>,
        sent: usize,
    },
    Shared {
        bytes: Box<dyn SharedBytes>,
        sent: usize,
    },
    /// A part of the application's file.
    File {
        file: File,
        offset: u64,
        left: u64,
    },
    /// What did not fit into memory; grows at its end.
    Spool {
        file: File,
        offset: u64,
        left: u64,
    },
}

impl Output {
    /// Nothing to send.
    pub fn new(budget: Arc<Budget>) -> Output {
        Output {
            segments: VecDeque::new(),
            spooled: 0,
            budget,
        }
    }

    /// Everything was sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes that wait.
    pub fn unsent(&self) -> u64 {
        self.segments.iter().map(Segment::unsent).sum()
    }

    /// Bytes that wait in spool files.
    pub fn spooled(&self) -> u64 {
        self.spooled
    }

    /// Adds bytes that the caller goes on to use, so a copy is kept.
    ///
    /// # Errors
    ///
    /// When they had to go to a file and that failed.
    pub fn push(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if !self.budget.take(data.len()) {
            return self.push_spool(data);
        }
        if let Some(Segment::Copied { bytes, .. }) = self.segments.back_mut()
            && bytes.len() < PIECE
        {
            bytes.extend_from_slice(data);
        } else {
            self.segments.push_back(Segment::Copied {
                bytes: data.to_vec(),
                sent: 0,
            });
        }
        Ok(())
    }

    /// Adds what `bytes` holds from `sent` on; large rests are not copied.
    ///
    /// # Errors
    ///
    /// As [`Output::push`].
    pub fn push_shared(&mut self, bytes: Box<dyn SharedBytes>, sent: usize) -> io::Result<()> {
        let rest = (*bytes).as_ref().get(sent..).unwrap_or_default();
        if rest.len() < WORTH_SHARING {
            return self.push(rest);
        }
        // The whole object stays alive, so the whole object counts.
        if !self.budget.take_shared((*bytes).as_ref()) {
            return self.push_spool(rest);
        }
        self.segments.push_back(Segment::Shared { bytes, sent });
        Ok(())
    }

    /// Adds `length` bytes of `file` from `offset` on.
    pub fn push_file(&mut self, file: File, offset: u64, length: u64) {
        if length > 0 {
            self.segments.push_back(Segment::File {
                file,
                offset,
                left: length,
            });
        }
    }

    fn push_spool(&mut self, data: &[u8]) -> io::Result<()> {
        let length = data.len() as u64;
        if let Some(Segment::Spool { file, offset, left }) = self.segments.back_mut() {
            file.write_all_at(data, offset.saturating_add(*left))?;
            *left = left.saturating_add(length);
        } else {
            let file = self.budget.spool()?;
            file.write_all_at(data, 0)?;
            self.segments.push_back(Segment::Spool {
                file,
                offset: 0,
                left: length,
            });
        }
        self.spooled = self.spooled.saturating_add(length);
        Ok(())
    }

    /// Sends as much as `socket` takes now, at most `most` bytes. [`Progress::Bytes`] means that
    /// all of it went, [`Progress::WouldBlock`] that the rest has to wait.
    pub fn send(&mut self, socket: impl AsFd, most: usize) -> (Progress, usize) {
        let mut total = 0_usize;
        while let Some(segment) = self.segments.front_mut() {
            let left = most.saturating_sub(total);
            if left == 0 {
                return (Progress::WouldBlock, total);
            }
            let progress = segment.send(&socket, left);
            let Progress::Bytes(bytes) = progress else {
                return (progress, total);
            };
            total = total.saturating_add(bytes);
            if let Segment::Spool { .. } = segment {
                self.spooled = self.spooled.saturating_sub(bytes as u64);
            }
            if segment.is_sent() {
                segment.release(&self.budget);
                self.segments.pop_front();
            }
        }
        (Progress::Bytes(0), total)
    }
}

impl Segment {
    fn send(&mut self, socket: impl AsFd, most: usize) -> Progress {
        match self {
            Segment::Copied { bytes, sent } => send_rest(socket, bytes, sent, most),
            Segment::Shared { bytes, sent } => send_rest(socket, (**bytes).as_ref(), sent, most),
            Segment::File { file, offset, left } | Segment::Spool { file, offset, left } => {
                let most = usize::try_from(*left).map_or(most, |left| left.min(most));
                let progress = stream::send_file(socket, file, offset, most);
                if let Progress::Bytes(bytes) = progress {
                    *left = left.saturating_sub(bytes as u64);
                }
                progress
            }
        }
    }

    fn is_sent(&self) -> bool {
        match self {
            Segment::Copied { bytes, sent } => *sent >= bytes.len(),
            Segment::Shared { bytes, sent } => *sent >= (**bytes).as_ref().len(),
            Segment::File { left, .. } | Segment::Spool { left, .. } => *left == 0,
        }
    }

    fn unsent(&self) -> u64 {
        match self {
            Segment::Copied { bytes, sent } => bytes.len().saturating_sub(*sent) as u64,
            Segment::Shared { bytes, sent } => {
                (**bytes).as_ref().len().saturating_sub(*sent) as u64
            }
            Segment::File { left, .. } | Segment::Spool { left, .. } => *left,
        }
    }

    /// Gives back what the segment took out of the budget.
    fn release(&self, budget: &Budget) {
        match self {
            Segment::Copied { bytes, .. } => budget.give_back(bytes.len()),
            Segment::Shared { bytes, .. } => budget.give_back_shared((**bytes).as_ref()),
            Segment::File { .. } | Segment::Spool { .. } => {}
        }
    }
}

fn send_rest(socket: impl AsFd, bytes: &[u8], sent: &mut usize, most: usize) -> Progress {
    let rest = bytes.get(*sent..).unwrap_or_default();
    let progress = stream::send(socket, rest.get(..most).unwrap_or(rest));
    if let Progress::Bytes(more) = progress {
        *sent = sent.saturating_add(more);
    }
    progress
}

impl Drop for Output {
    fn drop(&mut self) {
        for segment in &self.segments {
            segment.release(&self.budget);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (near, far)
    }

    /// Sends everything while the other side reads; gives what arrived.
    fn drained(mut output: Output) -> Vec<u8> {
        let (near, mut far) = pair();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            all
        });
        while !output.is_empty() {
            match output.send(&near, 100_000).0 {
                Progress::WouldBlock => {
                    stream::wait_writable(&near, std::time::Duration::from_secs(5)).unwrap();
                }
                Progress::Bytes(_) => {}
                Progress::Ended => panic!("the reader is there"),
            }
        }
        drop(near);
        reader.join().unwrap()
    }

    #[test]
    fn segments_of_every_kind_arrive_in_order() {
        let mut file = tempfile();
        file.write_all(b"0123456789").unwrap();
        let mut output = Output::new(Budget::new(40_000, std::env::temp_dir()));
        let large = vec![b'l'; WORTH_SHARING];
        output.push(b"head ").unwrap();
        output.push_shared(Box::new(large.clone()), 0).unwrap();
        output.push_file(file, 3, 4);
        output.push_shared(Box::new(large.clone()), 1).unwrap();
        output.push_shared(Box::new(large.clone()), 0).unwrap();
        assert!(
            output.spooled() > 0,
            "the third large one is beyond the budget"
        );
        output.push(b" tail").unwrap();

        let mut expected = b"head ".to_vec();
        expected.extend(&large);
        expected.extend(b"3456");
        expected.extend(&large[1..]);
        expected.extend(&large);
        expected.extend(b" tail");
        assert_eq!(drained(output), expected);
    }

    #[test]
    fn what_was_sent_or_dropped_is_given_back() {
        let budget = Budget::new(100, std::env::temp_dir());
        let mut output = Output::new(Arc::clone(&budget));
        output.push(&[b'x'; 60]).unwrap();
        assert!(!budget.take(50));
        let (near, _far) = pair();
        assert_eq!(output.send(&near, 100), (Progress::Bytes(0), 60));
        output.push(&[b'y'; 100]).unwrap();
        drop(output);
        assert!(budget.take(100));
    }

    #[test]
    fn output_beyond_the_budget_waits_in_one_file() {
        let mut output = Output::new(Budget::new(3, std::env::temp_dir()));
        for chunk in [b"abcd".as_slice(), b"efgh", b"ij", b"k"] {
            output.push(chunk).unwrap();
        }
        assert_eq!(
            output.segments.len(),
            2,
            "a file, and what fitted into memory again"
        );
        assert_eq!(drained(output), b"abcdefghijk");
    }

    fn tempfile() -> File {
        Budget::new(0, std::env::temp_dir()).spool().unwrap()
    }
}
