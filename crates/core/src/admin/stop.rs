//! A stop says in one sentence why a command was not run, and what to change.
//!
//! Its readers are administrators, so it may name what they named. It never holds a secret.

use crate::name::{NameError, RealmName};
use crate::refusal::Fault;
use crate::world::{Need, Stop};
use std::fmt;

/// Why a command was not run. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminStop {
    /// What was named does not exist.
    NotFound(String),
    /// What should be made exists, or existed.
    Taken(String),
    /// What was given cannot be right.
    Invalid(String),
    /// This caller may not do this.
    Denied(String),
    /// What was asked for needs this scope beside the command's own.
    Scope(&'static str),
    /// The dialect needs permissions that were not accepted.
    Accept(RealmName, Vec<Needed>),
    /// Something must be found out first; the command is then run again.
    Need(Need),
    /// Our fault.
    Fault(Fault),
}

/// A permission that a dialect needs and that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name, for `accept`.
    pub permission: String,
    /// What it allows, in one sentence.
    pub sentence: String,
}

impl AdminStop {
    /// The `error` of the admin API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Taken(_) => "conflict",
            Self::Invalid(_) => "invalid_request",
            Self::Denied(_) => "access_denied",
            Self::Scope(_) => "insufficient_scope",
            Self::Accept(..) => "acceptance_needed",
            Self::Need(_) | Self::Fault(Fault::Unavailable(_)) => "temporarily_unavailable",
            Self::Fault(_) => "server_error",
        }
    }

    /// The status of the admin API.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) => 404,
            Self::Taken(_) | Self::Accept(..) => 409,
            Self::Invalid(_) => 400,
            Self::Denied(_) | Self::Scope(_) => 403,
            Self::Need(_) | Self::Fault(Fault::Unavailable(_)) => 503,
            Self::Fault(_) => 500,
        }
    }
}

impl fmt::Display for AdminStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence) | Self::Taken(sentence) | Self::Invalid(sentence) | Self::Denied(sentence) => {
                f.write_str(sentence)
            }
            Self::Scope(scope) => write!(f, "this needs the scope {scope}, too"),
            Self::Accept(realm, needs) => {
                write!(f, "realm {realm}: its dialect needs what the RFCs do not allow; accept it by name:")?;
                needs.iter().enumerate().try_for_each(|(index, need)| {
                    write!(f, "{} {} ({})", if index == 0 { "" } else { "," }, need.permission, need.sentence)
                })
            }
            Self::Need(need) => write!(f, "something must be found out first: {need:?}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for AdminStop {}

impl From<Fault> for AdminStop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<NameError> for AdminStop {
    fn from(error: NameError) -> Self {
        Self::Invalid(error.0.to_owned())
    }
}

impl From<Stop> for AdminStop {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refuse(why) | Stop::RefuseAnd(why, _) | Stop::RefuseFor(why, _) => Self::Invalid(why.row().advice.to_owned()),
            Stop::Need(need) => Self::Need(need),
            Stop::Fault(fault) => Self::Fault(fault),
        }
    }
}
