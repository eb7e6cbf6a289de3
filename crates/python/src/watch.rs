//! Watched directories, for the reloader.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxicorn_sys::watch;
use pyo3::prelude::*;

/// Watched directories. `fileno()` is readable when something changed in one of them; whoever waits
/// for that does so in Python, where a thread may be left behind when the process ends.
#[pyclass(frozen)]
pub struct Watch(Mutex<watch::Watch>);

impl Watch {
    fn watch(&self) -> MutexGuard<'_, watch::Watch> {
        // No call can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Watch {
    #[new]
    fn new() -> PyResult<Watch> {
        Ok(Watch(Mutex::new(watch::Watch::new()?)))
    }

    fn fileno(&self) -> i32 {
        self.watch().as_fd().as_raw_fd()
    }

    fn add(&self, directory: PathBuf) -> PyResult<bool> {
        Ok(self.watch().add(&directory)?)
    }

    fn take(&self) -> PyResult<bool> {
        Ok(self.watch().take()?)
    }
}
