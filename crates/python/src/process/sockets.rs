//! Listening sockets for `oxicorn.sockets`, as descriptors that Python's socket objects take over.

use std::ffi::OsString;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use oxicorn_sys::listen::{self, FileOptions, Options};
use pyo3::prelude::*;

/// Adds what this module gives to Python.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SocketFile>()?;
    module.add_function(wrap_pyfunction!(listen_tcp, module)?)?;
    module.add_function(wrap_pyfunction!(listen_unix, module)?)?;
    module.add_function(wrap_pyfunction!(listen_abstract, module)?)?;
    module.add_function(wrap_pyfunction!(adopt_listener, module)?)?;
    module.add_function(wrap_pyfunction!(passed_listeners, module)?)?;
    Ok(())
}

/// A socket file of our own making.
#[pyclass(frozen, module = "oxicorn._oxicorn")]
struct SocketFile(listen::SocketFile);

#[pymethods]
impl SocketFile {
    /// The file of a socket that a predecessor bound there.
    #[staticmethod]
    fn inherited(path: Vec<u8>) -> PyResult<SocketFile> {
        Ok(SocketFile(listen::SocketFile::inherited(&self::path(
            path,
        ))?))
    }

    /// Removes it, unless somebody else has put another in its place.
    fn remove(&self) -> PyResult<()> {
        Ok(self.0.remove()?)
    }
}

/// Binds a TCP address.
#[pyfunction]
fn listen_tcp(host: &str, port: u16, backlog: i32, reuse_port: bool) -> PyResult<i32> {
    let options = Options {
        backlog,
        reuse_port,
    };
    Ok(given(listen::tcp(host, port, options)?))
}

/// Binds a socket file.
#[pyfunction]
fn listen_unix(
    path: Vec<u8>,
    umask: u32,
    owner: (u32, u32),
    backlog: i32,
) -> PyResult<(i32, SocketFile)> {
    let options = Options {
        backlog,
        reuse_port: false,
    };
    let (socket, file) = listen::unix(&self::path(path), FileOptions { umask, owner }, options)?;
    Ok((given(socket), SocketFile(file)))
}

/// Binds a name in the abstract namespace, given without its leading NUL.
#[pyfunction]
fn listen_abstract(name: Vec<u8>, backlog: i32) -> PyResult<i32> {
    let options = Options {
        backlog,
        reuse_port: false,
    };
    Ok(given(listen::abstract_unix(&name, options)?))
}

/// Takes over a listening socket that this process was started with.
#[pyfunction]
fn adopt_listener(descriptor: i32) -> PyResult<i32> {
    Ok(given(listen::adopt(descriptor)?))
}

/// The descriptors that a service manager passed on.
#[pyfunction]
fn passed_listeners(listen_pid: Option<&str>, listen_fds: Option<&str>) -> Vec<i32> {
    let count = i32::from(listen::passed(listen_pid, listen_fds));
    (listen::FIRST_PASSED..)
        .take(count.unsigned_abs() as usize)
        .collect()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The descriptor's owner is the socket object that Python makes of it.
fn given(socket: OwnedFd) -> i32 {
    socket.into_raw_fd()
}
