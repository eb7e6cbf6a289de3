//! Placeholder.

use pyo3::prelude::*;

/// Adds what this module gives to Python.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
