//! Nothing: see the dependencies.
