//! Listening sockets for `oxicorn.sockets`, as descriptors that Python's socket objects take over.

use std::ffi::OsString;
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use oxicorn_sys::listen::{self, FileOptions, Options};
use pyo3::exceptions::PyOSError;
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
fn listen_tcp(
    py: Python<'_>,
    host: &str,
    port: u16,
    backlog: i32,
    reuse_port: bool,
) -> PyResult<i32> {
    let options = Options {
        backlog,
        reuse_port,
    };
    named(py, listen::tcp(host, port, options)).map(given)
}

/// Binds a socket file.
#[pyfunction]
fn listen_unix(
    py: Python<'_>,
    path: Vec<u8>,
    umask: u32,
    owner: (u32, u32),
    backlog: i32,
) -> PyResult<(i32, SocketFile)> {
    let options = Options {
        backlog,
        reuse_port: false,
    };
    let file = FileOptions { umask, owner };
    let (socket, file) = named(py, listen::unix(&self::path(path), file, options))?;
    Ok((given(socket), SocketFile(file)))
}

/// Binds a name in the abstract namespace, given without its leading NUL.
#[pyfunction]
fn listen_abstract(py: Python<'_>, name: Vec<u8>, backlog: i32) -> PyResult<i32> {
    let options = Options {
        backlog,
        reuse_port: false,
    };
    named(py, listen::abstract_unix(&name, options)).map(given)
}

/// Takes over a listening socket that this process was started with.
#[pyfunction]
fn adopt_listener(py: Python<'_>, descriptor: i32) -> PyResult<i32> {
    named(py, listen::adopt(descriptor)).map(given)
}

/// The descriptors that a service manager passed on.
#[pyfunction]
fn passed_listeners(listen_pid: Option<&str>, listen_fds: Option<&str>) -> Vec<i32> {
    let count = i32::from(listen::passed(listen_pid, listen_fds));
    (listen::FIRST_PASSED..)
        .take(count.unsigned_abs() as usize)
        .collect()
}

/// The OSError that Python's own socket calls would raise, errno and wording included: operators match on the
/// log line that is made of it.
fn named<T>(py: Python<'_>, result: io::Result<T>) -> PyResult<T> {
    result.map_err(|error| match error.raw_os_error() {
        Some(number) => match py
            .import("os")
            .and_then(|os| os.call_method1("strerror", (number,)))
        {
            Ok(text) => PyOSError::new_err((number, text.unbind())),
            Err(error) => error,
        },
        None => error.into(),
    })
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The descriptor's owner is the socket object that Python makes of it.
fn given(socket: OwnedFd) -> i32 {
    socket.into_raw_fd()
}
