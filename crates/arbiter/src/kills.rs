//! Which deaths are the kernel's doing because memory ran out.

use oxicorn_sys::resources::OutOfMemory;
use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::Death;

/// The kernel's count of such kills, and what of it has been accounted for.
#[derive(Debug)]
pub struct Kills {
    source: OutOfMemory,
    accounted: Option<u64>,
}

impl Default for Kills {
    fn default() -> Kills {
        let source = OutOfMemory::of_this_process();
        let accounted = source.count();
        Kills { source, accounted }
    }
}

impl Kills {
    /// Whether a kill has been counted that no other death accounts for. `None`: nobody counts, or
    /// the death is none that the kernel brings about so.
    pub fn attribute(&mut self, death: Death) -> Option<bool> {
        if death != Death::Signal(Signal::Kill.number()) {
            return None;
        }
        let (count, accounted) = (self.source.count()?, self.accounted?);
        let is_new = count > accounted;
        if is_new {
            self.accounted = Some(accounted.saturating_add(1));
        }
        Some(is_new)
    }

    /// Takes all kills up to now as accounted for.
    pub fn forget(&mut self) {
        self.accounted = self.source.count();
    }
}
