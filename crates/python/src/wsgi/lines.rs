//! Response fields that an application sends as the same two objects (`str` in WSGI, `bytes` in ASGI) again and again
//! (literals, constants of a middleware): checked and serialised once.

use oxicorn_http::response::{Fields, Line};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Places; each pair of objects has two that it may take.
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
        let first = index(name, value);
        for at in [first, beside(first)] {
            let place = self.places.get(at);
            if let Some(kept) = place.and_then(|place| place.kept.as_ref())
                && kept.name.is(name)
                && kept.value.is(value)
            {
                return fields.push_line(&kept.line);
            }
        }
        false
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
        let identity = (name.as_ptr() as usize, value.as_ptr() as usize);
        let at = self.place_for(index(name, value), identity);
        let Some(place) = self.places.get_mut(at) else {
            return;
        };
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

    /// Where a pair was noted, or else may be.
    fn place_for(&self, first: usize, identity: (usize, usize)) -> usize {
        let last = |at: usize| self.places.get(at).map(|place| place.last);
        let second = beside(first);
        let is_second = last(second) == Some(identity)
            || (last(first) != Some(identity) && last(second) == Some((0, 0)));
        let is_first_free = last(first) == Some((0, 0));
        if is_second && !is_first_free {
            second
        } else {
            first
        }
    }
}

/// The other place of a pair whose first one is taken.
#[inline]
fn beside(index: usize) -> usize {
    index ^ 1
}

#[inline]
fn index(name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> usize {
    // Objects are 16 bytes apart at least.
    let mixed = (name.as_ptr() as usize >> 4) ^ (value.as_ptr() as usize >> 4).wrapping_mul(5);
    (mixed ^ (mixed >> 7)) % PLACES
}
