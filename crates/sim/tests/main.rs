//! The tests of the whole: the house's rules, its generated documents, deployments from a seed, and the dialects' transcripts.

mod architecture;
mod generated;
mod simulation;
mod transcripts;
