//! The border between oxicorn's core and Python: the extension module `oxicorn._oxicorn`.
//!
//! Everything that both sides touch passes here: the configuration ([`config`]), the arbiter with its
//! hooks ([`process`]), the worker's loop ([`worker`]), requests and responses ([`wsgi`]). Unsafe code is in
//! [`ffi`] only.

mod asgi;
mod cli;
mod config;
mod ffi;
mod green;
mod gthread;
mod nested;
mod options;
mod overdue;
mod presence;
mod process;
mod watch;
mod worker;
mod wsgi;

use pyo3::prelude::*;

/// What applications read as `SERVER_SOFTWARE`.
pub const SERVER_SOFTWARE: &str = concat!("oxicorn/", env!("CARGO_PKG_VERSION"));

#[pymodule]
fn _oxicorn(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SERVER_SOFTWARE", SERVER_SOFTWARE)?;
    module.add_function(wrap_pyfunction!(worker::run_sync, module)?)?;
    module.add_function(wrap_pyfunction!(gthread::run_gthread, module)?)?;
    module.add_function(wrap_pyfunction!(green::run_green, module)?)?;
    module.add_class::<nested::NestedEngine>()?;
    module.add_class::<watch::Watch>()?;
    module.add_class::<presence::Presence>()?;
    cli::register(module)?;
    config::register(module)?;
    process::register(module)?;
    wsgi::register(module)?;
    asgi::register(module)?;
    Ok(())
}
