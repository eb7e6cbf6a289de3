//! A value that only one thread can get at, inside of an object that all threads can have.

use std::cell::Cell;
use std::mem::ManuallyDrop;

/// A value of the thread that made it.
///
/// PyO3's `unsendable` classes do the same and ask the standard library who runs, which
/// costs two locked instructions with each borrow. Here it is one comparison.
pub struct Confined<T> {
    home: usize,
    value: ManuallyDrop<T>,
}

// SAFETY: another thread gets no reference to the value and does not drop it: see `get` and `drop`.
unsafe impl<T> Send for Confined<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Confined<T> {}

impl<T> Confined<T> {
    /// Of the present thread.
    pub fn new(value: T) -> Confined<T> {
        Confined {
            home: home(),
            value: ManuallyDrop::new(value),
        }
    }

    /// The value, for its own thread only.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        (self.home == home()).then(|| &*self.value)
    }
}

impl<T> Drop for Confined<T> {
    fn drop(&mut self) {
        // What another thread drops is leaked.
        if self.home == home() {
            // SAFETY: it is dropped here, once, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}

/// An address that no two threads have at a time. A thread that gets that of one which has ended may
/// have its values, too: nobody else can be using them.
#[inline]
fn home() -> usize {
    thread_local! {
        static HERE: Cell<u8> = const { Cell::new(0) };
    }
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}
