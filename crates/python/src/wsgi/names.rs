//! Header field names as environ keys, made once and remembered.

use hashbrown::HashMap;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::ffi::latin1;

/// Names that are remembered; clients that invent names must not fill the memory.
const MOST: usize = 512;

/// Longer names are not remembered.
const LONGEST: usize = 64;

type Hasher = hashbrown::DefaultHashBuilder;

/// A bounded memory of names.
pub struct Names {
    /// The name as it was sent → place in `keys`.
    sent: HashMap<Box<[u8]>, usize, Hasher>,
    /// The key → place in `keys`, since several spellings make one key.
    canonical: HashMap<Box<[u8]>, usize, Hasher>,
    keys: Vec<Known>,
}

struct Known {
    key: Py<PyString>,
    /// The request that had it last: tells a repeated field without a look into the environ.
    seen: u64,
}

/// A field's environ key.
pub enum Key<'py> {
    /// The first field of this name in this request.
    First(Bound<'py, PyString>),
    /// The environ may have a value already.
    Repeated(Bound<'py, PyString>),
}

impl Names {
    /// Nothing remembered yet.
    pub fn new() -> Names {
        Names {
            sent: HashMap::with_hasher(Hasher::default()),
            canonical: HashMap::with_hasher(Hasher::default()),
            keys: Vec::new(),
        }
    }

    /// The key of a field `name` in the request numbered `request`.
    #[inline]
    pub fn key<'py>(&mut self, py: Python<'py>, name: &[u8], request: u64) -> PyResult<Key<'py>> {
        if let Some(known) = self.sent.get(name).and_then(|place| self.keys.get_mut(*place)) {
            let key = known.key.bind(py).clone();
            if known.seen == request {
                return Ok(Key::Repeated(key));
            }
            known.seen = request;
            return Ok(Key::First(key));
        }
        self.learn(py, name, request)
    }

    #[cold]
    fn learn<'py>(&mut self, py: Python<'py>, name: &[u8], request: u64) -> PyResult<Key<'py>> {
        let canonical = environ_key(name);
        if let Some(place) = self.canonical.get(canonical.as_slice()).copied() {
            self.remember(name, place);
            if let Some(known) = self.keys.get_mut(place) {
                // Another spelling may have come before in this request.
                known.seen = request;
                return Ok(Key::Repeated(known.key.bind(py).clone()));
            }
        }
        let key = latin1(py, &canonical)?;
        if self.keys.len() < MOST && name.len() <= LONGEST {
            let place = self.keys.len();
            self.keys.push(Known { key: key.clone().unbind(), seen: request });
            self.canonical.insert(canonical.into(), place);
            self.remember(name, place);
            return Ok(Key::First(key));
        }
        // Not remembered, so nobody knows whether it was there before.
        Ok(Key::Repeated(key))
    }

    fn remember(&mut self, name: &[u8], place: usize) {
        // Spellings are bounded too: a few for each key.
        if self.sent.len() < 4 * MOST {
            self.sent.insert(name.into(), place);
        }
    }
}

/// `X-Forwarded-For` → `HTTP_X_FORWARDED_FOR` (RFC 3875 §4.1.18).
fn environ_key(name: &[u8]) -> Vec<u8> {
    let mut key = b"HTTP_".to_vec();
    key.extend(name.iter().map(|byte| match byte {
        b'-' => b'_',
        other => other.to_ascii_uppercase(),
    }));
    key
}
