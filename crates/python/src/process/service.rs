//! Being a good service: daemon, identity, pid file.

use std::ffi::CString;
use std::path::PathBuf;

use oxicorn_sys::pidfile::Refused;
use oxicorn_sys::privileges::Identity;
use oxicorn_sys::{daemon, pidfile, privileges};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Adds what this module gives to Python.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(new_session, module)?)?;
    module.add_function(wrap_pyfunction!(null_stdio, module)?)?;
    module.add_function(wrap_pyfunction!(assume_identity, module)?)?;
    module.add_function(wrap_pyfunction!(create_pidfile, module)?)?;
    module.add_function(wrap_pyfunction!(remove_pidfile, module)?)?;
    Ok(())
}

/// Leaves the terminal's session and takes the umask of a daemon.
#[pyfunction]
fn new_session() -> PyResult<()> {
    Ok(daemon::new_session()?)
}

/// Points the standard streams at `/dev/null`, except for output that is no terminal if `keep_output`.
#[pyfunction]
fn null_stdio(keep_output: bool) -> PyResult<()> {
    Ok(daemon::null_stdio(keep_output)?)
}

/// Switches group and user, with the supplementary groups of a user if one is named.
#[pyfunction]
#[pyo3(signature = (uid, gid, groups_of = None))]
fn assume_identity(uid: u32, gid: u32, groups_of: Option<CString>) -> PyResult<()> {
    Ok(privileges::assume(&Identity {
        uid,
        gid,
        groups_of,
    })?)
}

/// Writes this process's pid file.
#[pyfunction]
fn create_pidfile(path: PathBuf) -> PyResult<()> {
    pidfile::create(&path, pid()).map_err(|refused| match refused {
        Refused::Running { .. } => PyRuntimeError::new_err(refused.to_string()),
        Refused::Io(error) => PyRuntimeError::new_err(format!(
            "pidfile cannot be written at '{}': {error}",
            path.display()
        )),
    })
}

/// Removes this process's pid file, if it is still this process's.
#[pyfunction]
fn remove_pidfile(path: PathBuf) {
    pidfile::remove(&path, pid());
}

fn pid() -> i32 {
    // Linux pids are below 2^22.
    std::process::id().cast_signed()
}
