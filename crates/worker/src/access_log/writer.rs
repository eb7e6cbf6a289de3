//! From lines to the file: many lines a write, and never a wait.

use std::time::Duration;

use oxicorn_sys::log_sink::LogSink;
use oxicorn_sys::stream::Progress;

use crate::clock::Moment;

/// Collected lines are written when there are that many bytes of them.
const FLUSH_AT: usize = 64 * 1024;

/// What may wait for a reader that does not read. Lines beyond it are dropped, and counted.
const BOUND: usize = 1024 * 1024;

/// Least time between two writes of less than [`FLUSH_AT`]. A line that comes alone is written at once.
const PAUSE: Duration = Duration::from_millis(10);

/// The same after a reader took nothing.
const BLOCKED_PAUSE: Duration = Duration::from_millis(100);

/// A request that took this long says that writes are not what the worker's time goes into.
const SLOW: u64 = 1000;

/// After a slow one, that many requests have their lines written at once: the next call may be slow
/// too, and they would wait for its end.
const SLOW_STREAK: u32 = 256;

/// Collects lines and writes them, whole, to where the log is.
pub struct Writer {
    pending: Vec<u8>,
    sink: Option<LogSink>,
    written_at: Moment,
    is_blocked: bool,
    slow: u32,
    dropped: u64,
}

impl Writer {
    /// Writes nowhere yet.
    pub fn new() -> Writer {
        Writer {
            pending: Vec::new(),
            sink: None,
            written_at: Moment::from_micros(0),
            is_blocked: false,
            slow: 0,
            dropped: 0,
        }
    }

    /// Goes on with another file. What waits is written there.
    pub fn set_sink(&mut self, sink: Option<LogSink>) {
        self.sink = sink;
        self.is_blocked = false;
    }

    /// Takes a line with its end. `micros` is how long the request took.
    #[inline]
    pub fn push(&mut self, line: &[u8], micros: u64) {
        if self.pending.len().saturating_add(line.len()) > BOUND {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.slow = if micros > SLOW {
            SLOW_STREAK
        } else {
            self.slow.saturating_sub(1)
        };
        self.pending.extend_from_slice(line);
        if self.pending.len() >= FLUSH_AT && !self.is_blocked {
            self.flush();
        }
    }

    /// Writes if it is time; says when it will be, if something is left.
    #[inline]
    pub fn turned(&mut self, now: Moment) -> Option<Moment> {
        if self.pending.is_empty() {
            return None;
        }
        let due = self.written_at.after(self.pause());
        if now < due {
            return Some(due);
        }
        self.flush();
        self.written_at = now;
        (!self.pending.is_empty()).then(|| now.after(BLOCKED_PAUSE))
    }

    /// Whether [`Writer::turned`] would write now.
    #[inline]
    pub fn is_due(&self, now: Moment) -> bool {
        !self.pending.is_empty() && now >= self.written_at.after(self.pause())
    }

    fn pause(&self) -> Duration {
        if self.is_blocked {
            BLOCKED_PAUSE
        } else if self.slow > 0 {
            Duration::ZERO
        } else {
            PAUSE
        }
    }

    /// Writes what the file takes now.
    pub fn flush(&mut self) {
        let Some(sink) = &self.sink else { return };
        self.is_blocked = false;
        let mut written = 0;
        while let Some(rest) = self.pending.get(written..).filter(|rest| !rest.is_empty()) {
            match sink.write(whole_lines(rest, sink.atomic())) {
                Progress::Bytes(length) => written = written.saturating_add(length),
                Progress::WouldBlock => {
                    self.is_blocked = true;
                    break;
                }
                // The reader is gone, the disk is full: there is nothing to wait for.
                Progress::Ended => {
                    self.dropped = self.dropped.saturating_add(lines(rest));
                    written = self.pending.len();
                }
            }
        }
        self.pending.drain(..written);
    }

    /// How many lines were dropped since the last question, once that is over: whoever does not
    /// read the access log may not read the error log either.
    pub fn take_dropped(&mut self) -> Option<u64> {
        if self.is_blocked || self.dropped == 0 {
            return None;
        }
        Some(std::mem::take(&mut self.dropped))
    }
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// As many whole lines as are written in one piece where several processes write: up to `most` bytes,
/// or the first line.
fn whole_lines(bytes: &[u8], most: usize) -> &[u8] {
    if bytes.len() <= most {
        return bytes;
    }
    let is_end = |byte: &u8| *byte == b'\n';
    let end = bytes
        .get(..most)
        .and_then(|part| part.iter().rposition(is_end));
    let end = end.or_else(|| bytes.iter().position(is_end));
    end.and_then(|end| bytes.get(..=end)).unwrap_or(bytes)
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};
    use std::os::fd::AsFd;

    use super::*;

    fn piped() -> (Writer, PipeReader) {
        let (reader, end) = pipe().unwrap();
        let mut writer = Writer::new();
        writer.set_sink(Some(LogSink::of(end.as_fd()).unwrap()));
        (writer, reader)
    }

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1000)
    }

    #[test]
    fn a_line_alone_is_written_at_once_and_followers_together() {
        let (mut writer, mut reader) = piped();
        writer.push(b"1\n", 50);
        assert_eq!(writer.turned(at(1000)), None);
        writer.push(b"2\n", 50);
        assert_eq!(writer.turned(at(1001)), Some(at(1010)));
        writer.push(b"3\n", 50);
        assert_eq!(writer.turned(at(1010)), None);
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "1\n2\n3\n");
    }

    #[test]
    fn lines_do_not_wait_for_a_slow_call() {
        let (mut writer, _reader) = piped();
        writer.push(b"1\n", 5000);
        writer.turned(at(1000));
        writer.push(b"2\n", 50);
        assert!(writer.is_due(at(1000)));
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let (mut writer, mut reader) = piped();
        let line = [&[b'x'; 99][..], b"\n"].concat();
        for _ in 0..20_000 {
            writer.push(&line, 50);
        }
        writer.turned(at(1000));
        assert_eq!(writer.take_dropped(), None, "not while it lasts");
        assert!(writer.pending.len() <= BOUND);
        let drain = std::thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).unwrap();
            text
        });
        let mut dropped = 0;
        while !writer.pending.is_empty() {
            writer.flush();
        }
        dropped += writer.take_dropped().unwrap();
        drop(writer);
        let text = drain.join().unwrap();
        assert!(
            text.split_inclusive(|byte| *byte == b'\n')
                .all(|found| found == line)
        );
        assert_eq!(lines(&text) + dropped, 20_000);
    }

    #[test]
    fn a_reader_that_is_gone_costs_lines() {
        let (mut writer, reader) = piped();
        drop(reader);
        writer.push(b"1\n2\n", 50);
        assert_eq!(writer.turned(at(1000)), None);
        assert_eq!(writer.take_dropped(), Some(2));
    }

    #[test]
    fn pieces_end_with_a_line() {
        assert_eq!(whole_lines(b"ab\ncd\nef\n", 7), b"ab\ncd\n");
        assert_eq!(whole_lines(b"abcdefgh\nij\n", 3), b"abcdefgh\n");
        assert_eq!(whole_lines(b"ab\n", 3), b"ab\n");
    }
}
