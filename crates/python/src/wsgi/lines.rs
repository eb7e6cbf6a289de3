//! Response fields that an application sends as the same two objects (`str` in WSGI, `bytes` in ASGI) again and again
//! (literals, constants of a middleware): checked and serialised once.

use oxicorn_http::response::{Fields, Line};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Places; each pair of objects has one that it may take.
const PLACES: usize = 32;

/// Longer lines are not kept.
const LONGEST: usize = 256;

/// A bounded memory of serialised fields, found by the identity of their objects.
#[derive(Default)]
pub struct Lines {
    places: [Place; PLACES],
}

#[derive(Default)]
struct Place {
    /// Identity of the pair that was here last. Two times in a row make it worth keeping.
    last: (usize, usize),
    kept: Option<Kept>,
}

/// The references keep the identities from being given to other objects.
struct Kept {
    name: Py<PyAny>,
    value: Py<PyAny>,
    line: Line,
}

impl Lines {
    /// Adds the field to `fields` if it is known.
    #[inline]
    pub fn push_known(
        &self,
        fields: &mut Fields,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> bool {
        let place = self.places.get(index(name, value));
        match place.and_then(|place| place.kept.as_ref()) {
            Some(kept) if kept.name.is(name) && kept.value.is(value) => {
                fields.push_line(&kept.line);
                true
            }
            _ => false,
        }
    }

    /// Takes note of a field that was just added to `fields`, where its line begins at `start`.
    #[inline]
    pub fn note(
        &mut self,
        fields: &Fields,
        start: usize,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) {
        let Some(place) = self.places.get_mut(index(name, value)) else {
            return;
        };
        let identity = (name.as_ptr() as usize, value.as_ptr() as usize);
        if place.last != identity {
            place.last = identity;
            return;
        }
        let is_plain = [name, value].iter().all(|one| {
            one.is_exact_instance_of::<PyString>() || one.is_exact_instance_of::<PyBytes>()
        });
        let is_short = fields.lines().len().saturating_sub(start) <= LONGEST;
        if let Some(line) = fields.line_from(start).filter(|_| is_plain && is_short) {
            place.kept = Some(Kept {
                name: name.clone().unbind(),
                value: value.clone().unbind(),
                line,
            });
        }
    }
}

#[inline]
fn index(name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> usize {
    // Objects are 16 bytes apart at least.
    let mixed = (name.as_ptr() as usize >> 4) ^ (value.as_ptr() as usize >> 4).wrapping_mul(5);
    (mixed ^ (mixed >> 7)) % PLACES
}
