//! oxicorn's sys crate.
