//! The time in a line, rendered once a second.

use std::time::SystemTime;

use crate::clock::Moment;

/// A rendered second.
pub struct Stamp {
    text: Vec<u8>,
    stale_at: Moment,
}

impl Stamp {
    /// Nothing rendered yet.
    pub fn new() -> Stamp {
        Stamp {
            text: Vec::new(),
            stale_at: Moment::from_micros(0),
        }
    }

    /// Forgets what was rendered: it shall look different from now on.
    pub fn reset(&mut self) {
        self.stale_at = Moment::from_micros(0);
    }

    /// Has the present second rendered, unless it is still the same.
    #[inline]
    pub fn refresh(&mut self, now: Moment, render: impl FnOnce(&mut Vec<u8>)) {
        if now < self.stale_at {
            return;
        }
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let left = 1_000_000_u32.saturating_sub(since_epoch.subsec_micros());
        self.stale_at = Moment::from_micros(
            now.micros_since(Moment::from_micros(0))
                .saturating_add(left.into()),
        );
        self.text.clear();
        render(&mut self.text);
    }

    /// The second.
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Milliseconds since it began.
    pub fn millis(&self, now: Moment) -> u64 {
        1000_u64
            .saturating_sub(self.stale_at.micros_since(now).div_ceil(1000))
            .min(999)
    }
}

impl Default for Stamp {
    fn default() -> Stamp {
        Stamp::new()
    }
}
