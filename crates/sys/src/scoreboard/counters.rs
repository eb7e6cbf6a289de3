//! What a worker counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Requests are counted by the power of two above their duration in microseconds; the last bucket
/// is everything from half an hour on.
pub const LATENCY_BUCKETS: usize = 32;

/// What a worker counted since it was forked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Responses completed.
    pub requests: u64,
    /// Body and head bytes received.
    pub bytes_in: u64,
    /// Body and head bytes sent.
    pub bytes_out: u64,
    /// Resident memory in KiB, 0 if never measured.
    pub rss_kib: u64,
    /// Connections given to siblings.
    pub handed_off: u64,
    /// Connections that came from siblings.
    pub received: u64,
    /// Requests answered with 503 because the queue was too long or too slow.
    pub refused: u64,
    /// Requests never started because their client had left.
    pub abandoned: u64,
    /// What threads waited for the interpreter before they could run a request, in microseconds.
    pub call_wait_us: u64,
    /// Responses by the first digit of their status; index 0 holds impossible ones.
    pub classes: [u64; 6],
    /// Responses by duration: bucket `n` holds those of at least `2^(n-1)` and less than `2^n` µs.
    pub latency: [u64; LATENCY_BUCKETS],
}

/// The same in a worker's record. What changes with every request comes first.
#[repr(C)]
pub(super) struct Tally {
    pub requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    pub call_wait: AtomicU64,
    classes: [AtomicU64; 6],
    latency: [AtomicU64; LATENCY_BUCKETS],
    pub handed_off: AtomicU64,
    pub received: AtomicU64,
    pub refused: AtomicU64,
    pub abandoned: AtomicU64,
}

impl Tally {
    /// A response is complete.
    #[inline]
    pub fn count_request(&self, status: u16, micros: u64, bytes_in: u64, bytes_out: u64) {
        bump(&self.requests, 1);
        bump(&self.bytes_in, bytes_in);
        bump(&self.bytes_out, bytes_out);
        if let Some(class) = self.classes.get(usize::from(status / 100)) {
            bump(class, 1);
        }
        if let Some(bucket) = self.latency.get(latency_bucket(micros)) {
            bump(bucket, 1);
        }
    }

    /// All of it, with the memory, which is counted elsewhere.
    pub fn all(&self, rss_kib: u64) -> Counters {
        Counters {
            requests: self.requests.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            rss_kib,
            handed_off: self.handed_off.load(Relaxed),
            received: self.received.load(Relaxed),
            refused: self.refused.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            call_wait_us: self.call_wait.load(Relaxed),
            classes: std::array::from_fn(|at| self.classes[at].load(Relaxed)),
            latency: std::array::from_fn(|at| self.latency[at].load(Relaxed)),
        }
    }

    pub fn clear(&self) {
        let counters = [
            &self.requests,
            &self.bytes_in,
            &self.bytes_out,
            &self.call_wait,
            &self.handed_off,
            &self.received,
            &self.refused,
            &self.abandoned,
        ];
        for counter in counters
            .into_iter()
            .chain(&self.classes)
            .chain(&self.latency)
        {
            counter.store(0, Relaxed);
        }
    }
}

/// Adds without a locked instruction: the record has one writer at a time.
#[inline]
pub(super) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

#[inline]
fn latency_bucket(micros: u64) -> usize {
    ((u64::BITS - micros.leading_zeros()) as usize).min(LATENCY_BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_counted_by_powers_of_two() {
        let buckets = [0, 1, 2, 3, 4, 1023, 1024, u64::MAX].map(latency_bucket);
        assert_eq!(buckets, [0, 1, 2, 2, 3, 10, 11, 31]);
    }
}
