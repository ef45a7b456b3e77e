//! An act is one run of one command: the records it reads and writes, the world around it, and who asked for it.

use super::{AdminStop, DialectOffer};
use crate::name::{ClientId, Key, RealmName, RequestId, ResourceIdentifier, Scope, Time};
use crate::notice::{self, Notice};
use crate::record::{
    Actor, Audit, Client, Lookup, Realm, Record, ResourceServer, Status, client_by_id, realm_by_name, resource_by_identifier,
    resources_of_realm,
};
use crate::snapshot::DataKeys;
use crate::store::{Order, Records};
use crate::token::{Genuine, Revoking, is_revoked, revoke, revoke_family};
use crate::world::{KeyPair, Need, World};
use jeton_jose::Algorithm;
use serde_json::Value;

/// The name of the realm whose tokens administer the others.
pub const ADMIN_REALM: &str = "admin";
/// The identifier of the admin API as a resource server.
pub const ADMIN_RESOURCE: &str = "urn:jeton:admin";
/// Most rows that one command reads of one kind.
pub(super) const MOST_ROWS: usize = 100_000;

/// What a caller may do beside the command that let it in.
#[derive(Clone, Copy, Debug)]
pub enum Powers<'a> {
    /// Everything: somebody at the machine, or the server itself.
    Whole,
    /// What a token says.
    Scope(&'a Scope),
}

/// Who runs a command, and what it may look at beside the records.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What that caller may do beside the command's own scope.
    pub powers: Powers<'a>,
    /// The keys under which data is kept.
    pub data: &'a DataKeys,
    /// The dialects that a realm can be made from; the first is the default.
    pub dialects: &'a [DialectOffer],
    /// Whether other nodes may work on the same store.
    pub shared: bool,
}

/// Whether what a command decides is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is.
    Write,
    /// It is only told.
    Rehearse,
}

/// One run of one command.
pub struct Act<'a, 'v> {
    pub(super) records: &'a mut Records<'v>,
    pub(super) context: Context<'a>,
    pub(super) mode: Mode,
    world: &'a World<'a>,
    drawn: u64,
    pairs: Vec<Algorithm>,
}

impl<'a, 'v> Act<'a, 'v> {
    /// A run that writes what it decides.
    pub fn new(records: &'a mut Records<'v>, world: &'a World<'a>, context: Context<'a>) -> Self {
        Self { records, context, mode: Mode::Write, world, drawn: 0, pairs: Vec::new() }
    }

    /// When it runs.
    pub(super) fn now(&self) -> Time {
        self.world.now
    }

    /// The request that asked for it.
    pub(super) fn request_id(&self) -> &RequestId {
        self.world.request_id
    }

    /// The keys under which data is kept.
    pub(super) fn data(&self) -> &'a DataKeys {
        self.context.data
    }

    /// A key for a new record. Every call draws another one.
    pub(super) fn new_key(&mut self, purpose: &str) -> Key {
        Key::new(self.world.now, self.draw(purpose))
    }

    /// Random bytes. Every call draws others; a run that is run again draws the same.
    pub(super) fn draw<const N: usize>(&mut self, purpose: &str) -> [u8; N] {
        self.drawn += 1;
        self.world.random.draw(&format!("{purpose} {}", self.drawn))
    }

    /// A key pair of this algorithm that this run has not used yet; it is made outside.
    pub(super) fn key_pair(&mut self, algorithm: Algorithm) -> Result<&'a KeyPair, AdminStop> {
        let used = self.pairs.iter().filter(|used| **used == algorithm).count();
        let pair = self.world.facts.key_pairs.iter().filter(|pair| pair.algorithm == algorithm).nth(used);
        let pair = pair.ok_or(AdminStop::Need(Need::KeyPair(algorithm)))?;
        self.pairs.push(algorithm);
        Ok(pair)
    }

    /// A new record.
    pub(super) fn insert<R: Record>(&mut self, record: &R) -> Result<(), AdminStop> {
        if self.mode == Mode::Write {
            self.records.insert(record)?;
        }
        Ok(())
    }

    /// New contents of a record.
    pub(super) fn update<R: Record>(&mut self, record: &R) -> Result<(), AdminStop> {
        if self.mode == Mode::Write {
            self.records.update(record)?;
        }
        Ok(())
    }

    /// Ends a token of a realm before its time.
    pub(super) fn revoke(&mut self, realm: &Realm, token: &Genuine) -> Result<Revoking, AdminStop> {
        Ok(revoke(self.records, self.world, realm.key, token)?)
    }

    /// Whether a token of a realm was ended before its time.
    pub(super) fn is_revoked(&mut self, realm: &Realm, token: &Genuine) -> Result<bool, AdminStop> {
        Ok(is_revoked(self.records, realm.key, token)?)
    }

    /// A record goes.
    pub(super) fn delete<R: Record>(&mut self, record: &R) {
        if self.mode == Mode::Write {
            self.records.delete(record);
        }
    }

    /// Ends every token of a family.
    pub(super) fn revoke_family(&mut self, key: Key) -> Result<(), AdminStop> {
        if self.mode == Mode::Write {
            revoke_family(self.records, self.world, key)?;
        }
        Ok(())
    }

    /// Writes down what was changed. `detail` holds names and new values, never a secret.
    pub(super) fn audit(&mut self, realm: &Realm, action: &str, target: String, detail: Value) -> Result<(), AdminStop> {
        self.audit_in(Some(realm), action, target, detail)
    }

    /// The same, where a change may concern the whole installation.
    pub(super) fn audit_in(
        &mut self,
        realm: Option<&Realm>,
        action: &str,
        target: String,
        detail: Value,
    ) -> Result<(), AdminStop> {
        let record = Audit {
            key: self.new_key("audit"),
            actor: self.context.actor.clone(),
            realm: realm.map(|realm| realm.key),
            action: action.to_owned(),
            target,
            detail,
            request_id: self.request_id().clone(),
        };
        self.insert(&record)
    }

    /// Tells webhooks of what was changed, in the same transaction.
    pub(super) fn notify(&mut self, notice: &Notice<'_>) -> Result<(), AdminStop> {
        if self.mode == Mode::Write {
            notice::emit(self.records, self.world, notice)?;
        }
        Ok(())
    }

    /// Every realm, oldest first.
    pub(super) fn realms(&mut self) -> Result<Vec<Realm>, AdminStop> {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        Ok(self.records.scan(all, None, Order::Ascending, MOST_ROWS)?)
    }

    /// The realm of this name, if there is one.
    pub(super) fn find_realm(&mut self, name: &RealmName) -> Result<Option<Realm>, AdminStop> {
        Ok(self.records.find(realm_by_name(name))?)
    }

    /// The realm of this name.
    pub(super) fn realm(&mut self, name: &str) -> Result<Realm, AdminStop> {
        let missing = || AdminStop::NotFound(format!("there is no realm {name}; jeton realm list shows them"));
        self.find_realm(&RealmName::parse(name)?)?.ok_or_else(missing)
    }

    /// The realm of this name, for a change in it.
    pub(super) fn realm_to_change(&mut self, name: &str) -> Result<Realm, AdminStop> {
        let realm = self.realm(name)?;
        self.may_change(&realm)?;
        Ok(realm)
    }

    /// The admin realm decides who administers, so nobody changes it from afar: a scope must not be able to widen itself.
    pub(super) fn may_change(&self, realm: &Realm) -> Result<(), AdminStop> {
        match self.context.actor {
            Actor::Client { .. } if realm.name.as_str() == ADMIN_REALM => {
                Err(AdminStop::Denied("the admin realm is changed on the machine itself: use the command line there".into()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a caller whose token lacks a scope that this run needs beside the command's own.
    pub(super) fn needs_scope(&self, scope: &'static str) -> Result<(), AdminStop> {
        match self.context.powers {
            Powers::Whole => Ok(()),
            Powers::Scope(held) if held.iter().any(|token| token.as_str() == scope) => Ok(()),
            Powers::Scope(_) => Err(AdminStop::Scope(scope)),
        }
    }

    /// The client of this id, if there is or was one.
    pub(super) fn find_client(&mut self, realm: &Realm, id: &ClientId) -> Result<Option<Client>, AdminStop> {
        Ok(self.records.find(client_by_id(realm.key, id))?)
    }

    /// The client of this id.
    pub(super) fn client(&mut self, realm: &Realm, id: &str) -> Result<Client, AdminStop> {
        let missing = || AdminStop::NotFound(format!("realm {} has no client {id}", realm.name));
        let client = self.find_client(realm, &ClientId::parse(id).map_err(|_| missing())?)?.ok_or_else(missing)?;
        match client.status {
            Status::Deleted => Err(AdminStop::NotFound(format!("client {id} of realm {} was deleted", realm.name))),
            _ => Ok(client),
        }
    }

    /// The resource server of this identifier, if there is one.
    pub(super) fn find_resource(&mut self, realm: &Realm, id: &ResourceIdentifier) -> Result<Option<ResourceServer>, AdminStop> {
        Ok(self.records.find(resource_by_identifier(realm.key, id))?)
    }

    /// The resource server of this identifier.
    pub(super) fn resource(&mut self, realm: &Realm, id: &str) -> Result<ResourceServer, AdminStop> {
        let missing = || AdminStop::NotFound(format!("realm {} has no resource {id}", realm.name));
        self.find_resource(realm, &ResourceIdentifier::parse(id).map_err(|_| missing())?)?.ok_or_else(missing)
    }

    /// Every resource server of a realm, by identifier.
    pub(super) fn resources(&mut self, realm: &Realm) -> Result<Vec<ResourceServer>, AdminStop> {
        Ok(self.records.scan(resources_of_realm(realm.key), None, Order::Ascending, MOST_ROWS)?)
    }
}
