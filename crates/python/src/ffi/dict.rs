//! Dicts with few keys that are known.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// The values of these keys in `dict`, where it has them.
///
/// Messages are small dicts whose keys are interned names of the source: one pass that compares
/// addresses is cheaper than a look-up for each key that may be there. Keys that are equal to ours without
/// being the same object are looked up.
#[inline]
pub fn values<'py, const N: usize>(
    dict: &Bound<'py, PyDict>,
    keys: [&Bound<'py, PyString>; N],
) -> PyResult<[Option<Bound<'py, PyAny>>; N]> {
    let py = dict.py();
    let mut found = [const { None }; N];
    let mut is_known = true;
    let mut position = 0;
    let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `dict` is a dict, and nothing that could change it runs before the loop ends; key and value
    // are borrowed from it, and a reference of our own is made of each value that is kept.
    unsafe {
        while ffi::PyDict_Next(
            dict.as_ptr(),
            &raw mut position,
            &raw mut key,
            &raw mut value,
        ) != 0
        {
            match keys.iter().position(|known| known.as_ptr() == key) {
                Some(index) => {
                    if let Some(place) = found.get_mut(index) {
                        *place = Some(Bound::from_borrowed_ptr(py, value));
                    }
                }
                None => is_known = false,
            }
        }
    }
    if !is_known {
        for (place, key) in found.iter_mut().zip(keys) {
            if place.is_none() {
                *place = dict.get_item(key)?;
            }
        }
    }
    Ok(found)
}
