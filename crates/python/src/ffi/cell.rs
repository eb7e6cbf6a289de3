//! A value that the interpreter's lock guards.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use pyo3::prelude::*;

/// A value that can be changed by whoever is attached to the interpreter, one at a time.
///
/// A mutex does the same with two locked instructions each time, which is a good part of the time
/// of a request that needs it seven times.
pub struct AttachedCell<T> {
    is_lent: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: both fields are only touched through `lend` and its guard, by a thread that is attached to the
// interpreter; passing the lock on orders what one thread did before what the next one does. The
// module does not say that it can do without the lock, so an interpreter that could keeps it.
unsafe impl<T: Send> Sync for AttachedCell<T> {}

/// The value, until this is dropped.
pub struct Lent<'a, T> {
    cell: &'a AttachedCell<T>,
    /// It stays with the thread that is attached.
    _here: PhantomData<*mut T>,
}

impl<T> AttachedCell<T> {
    /// Guards `value`.
    pub fn new(value: T) -> AttachedCell<T> {
        AttachedCell {
            is_lent: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value; `None` while somebody has it, who then is a caller further up or a thread that was
    /// detached meanwhile.
    #[inline]
    pub fn lend<'a>(&'a self, _attached: Python<'a>) -> Option<Lent<'a, T>> {
        if self.is_lent.replace(true) {
            return None;
        }
        Some(Lent {
            cell: self,
            _here: PhantomData,
        })
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `is_lent` is true as long as this guard lives, so there is no other.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for Lent<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; the guard is borrowed for as long as the reference lives.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for Lent<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.is_lent.set(false);
    }
}
