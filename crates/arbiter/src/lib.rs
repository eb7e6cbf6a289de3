//! oxicorn's arbiter crate.
