//! Whole deployments from a seed: realms in every dialect, nodes over one store, honest and hostile callers speaking HTTP values,
//! and after every step the question whether what must always hold still holds.
//!
//! Nothing below the server is asynchronous or does input and output, so this is a plain loop: the same seed gives the same
//! conversation. A failing seed comes with its conversation as a transcript that can be saved as a case.

pub mod ask;
pub mod budget;
pub mod chance;
pub mod deployment;
pub mod family;
pub mod game;
mod issued;
pub mod keys;
pub mod model;
pub mod node;
pub mod oracle;
pub mod plant;
pub mod play;
pub mod scribe;
pub mod spell;
pub mod watch;

mod actor;
