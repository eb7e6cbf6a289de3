//! The only unsafe code of the Python border: calls of CPython's C API for which PyO3 has no
//! safe equal, or for which a measurement asked.

pub mod fork;
