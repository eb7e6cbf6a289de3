//! Placeholder.

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;

/// Adds what this module gives to Python.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

/// Runs the master until it ends, and gives its exit status.
pub fn run(_py: Python<'_>, app: &Bound<'_, PyAny>) -> PyResult<i32> {
    crate::config::typed(&app.getattr("cfg")?)?;
    Err(PyNotImplementedError::new_err("there is no process model yet"))
}

/// The worker's record on the scoreboard.
pub fn slot_of(_worker: &Bound<'_, PyAny>) -> PyResult<oxicorn_sys::scoreboard::Slot> {
    oxicorn_sys::scoreboard::Scoreboard::new(1)?
        .claim()
        .ok_or_else(|| PyNotImplementedError::new_err("no room"))
}
