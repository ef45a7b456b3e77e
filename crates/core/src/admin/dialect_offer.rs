//! A dialect's offer is what a realm gets when it is made from that dialect: settings, and the permissions that it needs.
//!
//! The core knows no dialect by name; whoever runs a command brings the offers along.

use crate::name::Label;
use crate::record::{Permission, RealmSettings};

/// What a dialect gives to a realm that is made from it, and what it asks for.
#[derive(Clone, Debug)]
pub struct DialectOffer {
    /// Its name.
    pub name: Label,
    /// Its name for people.
    pub title: String,
    /// What it needs beyond the RFCs.
    pub needs: Vec<Permission>,
    /// Paths below a mount at which its endpoints answer.
    pub paths: Vec<String>,
    /// Lifetimes, token format and scope rules.
    pub defaults: RealmSettings,
}
