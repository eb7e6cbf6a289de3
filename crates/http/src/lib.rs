//! oxicorn's http crate.
