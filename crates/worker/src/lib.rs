//! oxicorn's worker crate.
