//! How much memory a worker has, and had.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Time between two samples.
const STEP_MS: u64 = 5 * 60 * 1000;

/// So many that the oldest is an hour old.
const SAMPLES: usize = 13;

/// Resident memory in KiB: the last measurement, and one of every five minutes of the last hour.
/// All zero before the first.
#[repr(C)]
pub(super) struct Memory {
    now: AtomicU64,
    samples: [Sample; SAMPLES],
}

#[repr(C)]
struct Sample {
    kib: AtomicU64,
    /// Which step of the clock it belongs to.
    step: AtomicU64,
}

impl Memory {
    pub fn note(&self, kib: u64, now_ms: u64) {
        self.now.store(kib, Relaxed);
        let step = now_ms / STEP_MS;
        // The first measurement of a step stands for it.
        if let Some(sample) = self.sample(step)
            && sample.step.load(Relaxed) != step
        {
            sample.kib.store(kib, Relaxed);
            sample.step.store(step, Relaxed);
        }
    }

    pub fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    pub fn hour_ago(&self, now_ms: u64) -> Option<u64> {
        let step = (now_ms / STEP_MS).checked_sub(SAMPLES as u64 - 1)?;
        let sample = self.sample(step)?;
        (sample.step.load(Relaxed) == step)
            .then(|| sample.kib.load(Relaxed))
            .filter(|kib| *kib > 0)
    }

    pub fn clear(&self) {
        self.now.store(0, Relaxed);
        for sample in &self.samples {
            sample.kib.store(0, Relaxed);
            sample.step.store(0, Relaxed);
        }
    }

    fn sample(&self, step: u64) -> Option<&Sample> {
        self.samples.get((step % SAMPLES as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use crate::scoreboard::Scoreboard;

    const MINUTE: u64 = 60 * 1000;

    #[test]
    fn an_hour_ago_is_known_after_an_hour() {
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        let start = 1_000_000 * MINUTE;
        for minute in 0..=90 {
            slot.set_rss(1000 + minute, start + minute * MINUTE);
        }
        assert_eq!(slot.counters().rss_kib, 1090);
        assert_eq!(slot.rss_hour_ago(start + 90 * MINUTE), Some(1030));
        assert_eq!(slot.rss_hour_ago(start + 30 * MINUTE), None);
    }

    #[test]
    fn a_gap_is_no_memory() {
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        slot.set_rss(5, 1_000_000 * MINUTE);
        assert_eq!(slot.rss_hour_ago(1_000_065 * MINUTE + 1), None);
    }
}
