//! oxicorn's config crate.
