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

/// Longer values are not remembered: they are cookies and tokens.
const LONGEST_VALUE: usize = 256;

/// A value that changes that often in a row (a request id) is not worth remembering.
const CHANGEABLE: u8 = 8;

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
    /// The value it had last. A client sends most of its fields again and again, and a comparison is
    /// cheaper than a new string.
    value: Option<(Box<[u8]>, Py<PyString>)>,
    /// How often in a row it was another value.
    changes: u8,
}

impl Known {
    #[inline]
    fn value<'py>(&mut self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        if let Some((known, value)) = &self.value
            && **known == *bytes
        {
            self.changes = 0;
            return Ok(value.bind(py).clone());
        }
        let value = latin1(py, bytes)?;
        self.changes = self.changes.saturating_add(1);
        if self.changes < CHANGEABLE && bytes.len() <= LONGEST_VALUE {
            self.value = Some((bytes.into(), value.clone().unbind()));
        }
        Ok(value)
    }
}

/// A field as an entry of the environ.
pub struct Entry<'py> {
    pub key: Bound<'py, PyString>,
    pub value: Bound<'py, PyString>,
    /// The environ may have a value of this key already.
    pub is_repeated: bool,
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

    /// The entry of a field in the request numbered `request`.
    #[inline]
    pub fn entry<'py>(
        &mut self,
        py: Python<'py>,
        name: &[u8],
        value: &[u8],
        request: u64,
    ) -> PyResult<Entry<'py>> {
        if let Some(known) = self
            .sent
            .get(name)
            .and_then(|place| self.keys.get_mut(*place))
        {
            let is_repeated = known.seen == request;
            known.seen = request;
            let value = known.value(py, value)?;
            return Ok(Entry {
                key: known.key.bind(py).clone(),
                value,
                is_repeated,
            });
        }
        let (key, is_repeated) = self.learn(py, name, request)?;
        Ok(Entry {
            key,
            value: latin1(py, value)?,
            is_repeated,
        })
    }

    #[cold]
    fn learn<'py>(
        &mut self,
        py: Python<'py>,
        name: &[u8],
        request: u64,
    ) -> PyResult<(Bound<'py, PyString>, bool)> {
        let canonical = environ_key(name);
        if let Some(place) = self.canonical.get(canonical.as_slice()).copied() {
            self.remember(name, place);
            if let Some(known) = self.keys.get_mut(place) {
                // Another spelling may have come before in this request.
                let is_repeated = known.seen == request;
                known.seen = request;
                return Ok((known.key.bind(py).clone(), is_repeated));
            }
        }
        if self.keys.len() < MOST && name.len() <= LONGEST {
            // Applications look it up with a literal, which is interned too.
            let key = match std::str::from_utf8(&canonical) {
                Ok(text) if text.is_ascii() => PyString::intern(py, text),
                _ => latin1(py, &canonical)?,
            };
            let place = self.keys.len();
            self.keys.push(Known {
                key: key.clone().unbind(),
                seen: request,
                value: None,
                changes: 0,
            });
            self.canonical.insert(canonical.into(), place);
            self.remember(name, place);
            return Ok((key, false));
        }
        // Not remembered, so nobody knows whether it was there before.
        Ok((latin1(py, &canonical)?, true))
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
