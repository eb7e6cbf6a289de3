//! The `headers` of a scope: pairs of bytes, made once for what comes again and again.

use hashbrown::HashMap;
use oxicorn_worker::Request;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::client::{Client, Latest};

/// Names that are remembered; clients that invent names must not fill the memory.
const MOST: usize = 512;

/// Longer names are not remembered.
const LONGEST: usize = 64;

/// Longer values are not remembered: they are cookies and tokens.
const LONGEST_VALUE: usize = 256;

/// A value that changes that often in a row (a request id) is not worth remembering.
const CHANGEABLE: u8 = 8;

/// More bytes than that are not compared with those of the request before.
const LONGEST_BLOCK: usize = 2048;

/// Makes header lists.
#[derive(Default)]
pub struct HeaderLists {
    /// The name as it was sent → place in `known`.
    sent: HashMap<Box<[u8]>, usize>,
    known: Vec<Known>,
}

struct Known {
    /// In lower case.
    name: Py<PyBytes>,
    /// The value that came last, and the pair it makes.
    latest: Option<(Box<[u8]>, Py<PyTuple>)>,
    /// How often in a row it was another value.
    changes: u8,
}

impl HeaderLists {
    /// The fields of a request.
    pub fn list<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request<'_>,
        client: &mut Client,
    ) -> PyResult<Bound<'py, PyList>> {
        let Request { head, bytes, .. } = request;
        let fields_from = (head.fields.first()).map_or(bytes.len(), |one| one.name.start as usize);
        let block = bytes.get(fields_from..).unwrap_or_default();
        if let Some(latest) = &client.latest
            && *latest.bytes == *block
        {
            let list = latest.list.bind(py);
            return Ok(list.get_slice(0, list.len()));
        }
        let list = self.fresh(py, request)?;
        if block.len() <= LONGEST_BLOCK && !block.is_empty() {
            client.latest = Some(Latest {
                bytes: block.into(),
                list: list.get_slice(0, list.len()).unbind(),
            });
        }
        Ok(list)
    }

    fn fresh<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request<'_>,
    ) -> PyResult<Bound<'py, PyList>> {
        let Request { head, bytes, .. } = request;
        let list = PyList::empty(py);
        for field in &head.fields {
            list.append(self.pair(py, head.name(bytes, field), head.value(bytes, field))?)?;
        }
        Ok(list)
    }

    fn pair<'py>(
        &mut self,
        py: Python<'py>,
        name: &[u8],
        value: &[u8],
    ) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(known) = self
            .sent
            .get(name)
            .and_then(|place| self.known.get_mut(*place))
        {
            return known.pair(py, value);
        }
        let lower = PyBytes::new(py, &name.to_ascii_lowercase());
        let pair = PyTuple::new(py, [lower.clone(), PyBytes::new(py, value)])?;
        if self.known.len() < MOST && name.len() <= LONGEST {
            self.sent.insert(name.into(), self.known.len());
            self.known.push(Known {
                name: lower.unbind(),
                latest: None,
                changes: 0,
            });
        }
        Ok(pair)
    }
}

impl Known {
    fn pair<'py>(&mut self, py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
        if let Some((known, pair)) = &self.latest
            && **known == *value
        {
            self.changes = 0;
            return Ok(pair.bind(py).clone());
        }
        let pair = PyTuple::new(py, [self.name.bind(py).clone(), PyBytes::new(py, value)])?;
        self.changes = self.changes.saturating_add(1);
        if self.changes < CHANGEABLE && value.len() <= LONGEST_VALUE {
            self.latest = Some((value.into(), pair.clone().unbind()));
        }
        Ok(pair)
    }
}
