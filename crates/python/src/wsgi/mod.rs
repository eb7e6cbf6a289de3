//! WSGI (PEP 3333): requests become an environ and a call, what the application gives back
//! becomes a response.

mod access;
mod access_python;
mod client;
mod cycle;
mod environ;
mod file_wrapper;
mod hooks;
mod input;
mod journal;
mod lines;
mod names;
mod respond;
mod start_response;
mod underway;

pub use access::{Access, AccessLog, Answered, Began, Fault};
pub use client::Client;
pub use environ::{Common, Listener};
pub use hooks::Hooks;
pub use journal::Journal;
pub use lines::Lines;
pub use respond::{ParkedWsgi, Wsgi};
pub use underway::{Said, Underway};

use pyo3::prelude::*;

/// Adds the classes that applications meet.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<input::Input>()?;
    module.add_class::<file_wrapper::FileWrapper>()?;
    module.add_class::<client::ClientSocket>()?;
    module.add_class::<access::CoreWriter>()?;
    Ok(())
}
