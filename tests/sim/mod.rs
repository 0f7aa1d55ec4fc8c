//! The parts of the simulation of the core.

pub(crate) mod money;
pub(crate) mod run;
pub(crate) mod scene;
pub(crate) mod shadow;
pub(crate) mod upstream;
