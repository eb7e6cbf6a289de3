//! The border between oxicorn's core and Python: the extension module `oxicorn._oxicorn`.

mod cli;
mod config;
mod ffi;
mod process;

use pyo3::prelude::*;

#[pymodule]
fn _oxicorn(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    cli::register(module)?;
    config::register(module)?;
    process::register(module)?;
    Ok(())
}
