//! Forking with the hooks that CPython wants around it.
