//! A deployment is made from a seed: a realm in every built-in dialect and one more, their APIs, clients, secrets and keys.

use crate::chance::Chance;
use crate::keys;
use crate::model::{Habit, HeldKey, HeldSecret, History, House, Model, Party};
use crate::node::slow_hash;
use jeton_core::name::{ClientId, Issuer, Key, Label, Mount, RealmName, ResourceIdentifier, Scope, ScopeToken, Time, Title};
use jeton_core::record::{
    AccessTokenFormat, ApiKey, AudienceRule, AuthMethod, Client, ClientKind, ClientSecret, FailureSettings, GrantName,
    KeyPurpose, KeySettings, KeyState, Operation, Permission, Placement, Profile, Realm, RealmSettings, RefreshSettings,
    ResourceServer, Rotation, ScopeEntry, ScopeMeaning, ScopeOmitted, SecretHash, SigningKeyRecord, Status, ThriftPolicy,
    ThriftSettings, WithClientCredentials,
};
use jeton_core::snapshot::DataKeys;
use jeton_core::store::Records;
use jeton_core::world::Stop;
use jeton_jose::{Algorithm, b64, sha256};
use jeton_wire::dialect::{Dialect, Dialects, ReplySource};
use std::collections::BTreeSet;

/// What makes records: time, chance, and the keys under which data is kept.
pub struct Maker<'a> {
    /// The time.
    pub now: Time,
    /// The deployment's chance.
    pub chance: &'a mut Chance,
    /// Keys of hashes and of sealed keys.
    pub data: &'a DataKeys,
}

impl Maker<'_> {
    /// A fresh record key.
    pub fn key(&mut self) -> Key {
        Key::new(self.now, self.chance.bytes())
    }

    /// A realm of this dialect with everything in it.
    fn house(&mut self, number: usize, dialect: &Dialect) -> House {
        let name = format!("{}-{number}", dialect.file.name.as_str().to_ascii_lowercase().replace(['.', '_'], "-"));
        let shares_host = self.chance.once_in(3);
        let (host, path) = if shares_host {
            ("auth.example".to_owned(), format!("/{name}"))
        } else {
            (format!("{name}.example"), String::new())
        };
        let permissions = self.permissions(dialect);
        let settings = self.settings((&name, &host), dialect);
        let realm = Realm {
            key: self.key(),
            name: RealmName::parse(&name).expect("a dialect's name fits"),
            title: title(&name),
            issuer: Issuer::parse(&format!("https://{host}{path}")).expect("an issuer"),
            mounts: vec![Mount::new(Some(&host), &path).expect("a mount")],
            dialect: dialect.file.name.clone(),
            profile: Profile::Compat,
            environment: label("test"),
            status: Status::Active,
            not_before: Time::default(),
            permissions,
            settings,
        };
        let placement = match dialect.file.api.api_key_header {
            Some(_) if !self.chance.once_in(3) => Placement::Header,
            _ => Placement::None,
        };
        let resources = self.resources(&realm, placement);
        let mut house = House {
            realm,
            resources,
            keys: History::new(0, Vec::new()),
            published: Vec::new(),
            hurried: BTreeSet::new(),
            next_key: number,
            first_key: number,
        };
        let states = [KeyState::Active { from: self.now }, KeyState::Next];
        let keys: Vec<_> = states.into_iter().filter_map(|state| self.signing_key(&mut house, state)).collect();
        house.hurried.extend(keys.first().map(|key| key.kid.clone()));
        house.published.push((0, keys.iter().map(|key| key.kid.clone()).collect()));
        house.keys = History::new(0, keys);
        house
    }

    /// The dialect's settings, with some of them changed.
    fn settings(&mut self, (name, host): (&str, &str), dialect: &Dialect) -> RealmSettings {
        let mut settings = dialect.file.realm_defaults.clone();
        if let ScopeMeaning::Tenant(tenant) = &mut settings.scope.meaning {
            host.clone_into(tenant);
        }
        if let AccessTokenFormat::Jwt { algorithm, .. } = &mut settings.access_token.format
            && self.chance.once_in(3)
        {
            *algorithm = *self.chance.pick(&Algorithm::ALL);
        }
        settings.refresh_token = self.refresh_settings();
        settings.access_token.audience = match self.chance.below(3) {
            0 => AudienceRule::Issuer,
            1 => AudienceRule::One(ResourceIdentifier::parse(&format!("urn:{name}")).expect("an identifier")),
            _ => AudienceRule::Resources,
        };
        settings.keys = KeySettings { rotate_after: *self.chance.pick(&[400, 3000, 90 * 86_400]), publish_ahead: 300 };
        if self.chance.once_in(2) {
            use ThriftPolicy::{Coach, Coalesce, Limit, Observe, Off, Suspend};
            let policy = *self.chance.pick(&[Off, Observe, Coach, Coalesce, Coalesce, Coalesce, Limit, Suspend]);
            // Where somebody could be refused for it, nobody but a saver asks often.
            let patience = if policy >= Limit { 24 } else { 4 };
            settings.thrift = ThriftSettings { policy, patience, ..ThriftSettings::default() };
        }
        let (per_client, per_source) = *self.chance.pick(&[(0, 1), (4, 10), (4, 10), (30, 300)]);
        settings.failures = FailureSettings { per_client, per_source, seconds: 60 };
        settings
    }

    /// What the dialect needs, and sometimes refresh tokens where it can answer them.
    fn permissions(&mut self, dialect: &Dialect) -> BTreeSet<Permission> {
        let mut permissions: BTreeSet<Permission> = dialect.file.needs.iter().copied().collect();
        if dialect.file.token_reply.iter().any(|field| field.from == ReplySource::RefreshToken) && self.chance.once_in(2) {
            permissions.insert(Permission::RefreshWithClientCredentials);
        }
        permissions
    }

    /// Families that end soon or late, rotate or not, with and without a second chance.
    fn refresh_settings(&mut self) -> RefreshSettings {
        RefreshSettings {
            rotation: if self.chance.once_in(4) { Rotation::Off } else { Rotation::On },
            idle_lifetime: *self.chance.pick(&[300, 30 * 86_400]),
            lifetime: *self.chance.pick(&[3600, 365 * 86_400]),
            grace: *self.chance.pick(&[0, 30, 120]),
            with_client_credentials: match self.chance.once_in(3) {
                true => WithClientCredentials::Sealed,
                false => WithClientCredentials::Rotating,
            },
        }
    }

    fn resources(&mut self, realm: &Realm, placement: Placement) -> Vec<ResourceServer> {
        let mut scopes = vec!["orders/read".to_owned(), "orders/write".to_owned()];
        if let ScopeOmitted::Default(list) = &realm.settings.scope.omitted {
            scopes.extend(list.iter().map(ScopeToken::to_string));
        }
        let operation = |method: &str, path: &str, needs: &str| Operation {
            method: method.to_owned(),
            path: path.to_owned(),
            scope: vec![ScopeToken::parse(needs).expect("a scope")],
            answer: serde_json::json!({ "served": path }),
        };
        let orders = [
            operation("GET", "/orders", "orders/read"),
            operation("GET", "/orders/{id}", "orders/read"),
            operation("POST", "/orders", "orders/write"),
        ];
        let orders = self.resource(realm, "orders", scopes, (placement, orders.into()));
        let reports = vec![operation("GET", "/reports", "reports/read")];
        let reports = self.resource(realm, "reports", vec!["reports/read".to_owned()], (Placement::None, reports));
        vec![orders, reports]
    }

    fn resource(
        &mut self,
        realm: &Realm,
        name: &str,
        scopes: Vec<String>,
        (api_key, operations): (Placement, Vec<Operation>),
    ) -> ResourceServer {
        let entry =
            |scope: &String| ScopeEntry { scope: ScopeToken::parse(scope).expect("a scope"), sentence: title("May do it.") };
        ResourceServer {
            key: self.key(),
            realm: realm.key,
            identifier: ResourceIdentifier::parse(&format!("urn:{}:{name}", realm.name)).expect("an identifier"),
            title: title(name),
            base_url: None,
            scopes: scopes.iter().map(entry).collect(),
            api_key,
            operations,
            status: Status::Active,
        }
    }

    /// The realm's next signing key, if it signs at all.
    fn signing_key(&mut self, house: &mut House, state: KeyState) -> Option<SigningKeyRecord> {
        let AccessTokenFormat::Jwt { algorithm, .. } = house.realm.settings.access_token.format else { return None };
        let (pkcs8, kid) = keys::pair(algorithm, house.next_key);
        house.next_key += 1;
        Some(SigningKeyRecord {
            key: self.key(),
            realm: house.realm.key,
            purpose: KeyPurpose::AccessToken,
            algorithm,
            sealed: self.data.seal_signing_key(self.chance.bytes(), house.realm.key, &kid, &pkcs8),
            kid,
            published_at: self.now,
            state,
            outlasted: house.realm.settings.access_token.lifetime,
        })
    }

    /// A new secret of a client: what is kept of it, and its value.
    pub fn secret(&mut self, realm: Key, name: &str) -> (ClientSecret, String) {
        // Characters that a careless encoding would lose.
        let value = format!("S3cr3t-{}+/=%&{}", self.chance.text(12), self.chance.text(12));
        let hash = match self.chance.below(4) {
            0 => SecretHash::Sha256 { digest: b64::encode(&sha256(value.as_bytes())) },
            1 => SecretHash::Foreign { phc: slow_hash(&value) },
            _ => SecretHash::Keyed { mac: self.data.secret_hash(realm, &value) },
        };
        (
            ClientSecret { key: self.key(), name: label(name), hash, hint: "S3cr".to_owned(), expires_at: None, import: None },
            value,
        )
    }

    /// A new API key of a client, and its value.
    pub fn api_key(&mut self, client: &Client, name: &str) -> (ApiKey, String) {
        let value = format!("jak_{}", self.chance.text(24));
        let key = ApiKey {
            key: self.key(),
            realm: client.realm,
            client: client.key,
            client_id: client.client_id.clone(),
            name: label(name),
            hash: self.data.api_key_hash(client.realm, &value),
            hint: "jak".to_owned(),
            expires_at: None,
            status: Status::Active,
        };
        (key, value)
    }

    fn client(&mut self, house: &House, id: &str, kind: ClientKind) -> Client {
        let every = house.resources.iter().flat_map(|resource| &resource.scopes).map(|entry| entry.scope.clone());
        let scope: Scope = every.filter(|_| !self.chance.once_in(3)).collect();
        let mut grants = BTreeSet::from([GrantName::ClientCredentials]);
        if house.realm.permissions.contains(&Permission::RefreshWithClientCredentials) {
            grants.insert(GrantName::RefreshToken);
        }
        Client {
            key: self.key(),
            realm: house.realm.key,
            client_id: ClientId::parse(id).expect("an id"),
            title: title(id),
            kind,
            grants,
            default_scope: self.chance.once_in(3).then(|| scope.iter().take(1).cloned().collect()),
            scope,
            redirect_uris: Vec::new(),
            web_origins: Vec::new(),
            person: None,
            introspects: BTreeSet::new(),
            instances: 1,
            status: Status::Active,
            not_before: Time::from_millis(0),
        }
    }

    fn auth_methods(&mut self, house: &House) -> BTreeSet<AuthMethod> {
        let both = BTreeSet::from([AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost]);
        if house.realm.permissions.contains(&Permission::TwoCredentials) {
            return both;
        }
        // Where a client is a person, the body has every parameter.
        if house.realm.permissions.contains(&Permission::ClientIsPerson) {
            return BTreeSet::from([AuthMethod::ClientSecretPost]);
        }
        match self.chance.below(4) {
            0 => BTreeSet::from([AuthMethod::ClientSecretBasic]),
            1 => BTreeSet::from([AuthMethod::ClientSecretPost]),
            _ => both,
        }
    }
}

/// A one-line text.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn title(text: &str) -> Title {
    Title::parse(text).expect("a one-line text")
}

fn label(text: &str) -> Label {
    Label::parse(text).expect("a short name")
}

/// Everything that a new deployment holds.
#[must_use]
pub fn plan(dialects: &Dialects, maker: &mut Maker<'_>) -> Model {
    let mut model = Model::default();
    let list: Vec<&Dialect> = dialects.iter().collect();
    let one_more = *maker.chance.pick(&list);
    for (number, dialect) in list.iter().copied().chain([one_more]).enumerate() {
        let house = maker.house(number, dialect);
        // In some deployments the same ids are taken in every realm.
        let suffix = if maker.chance.once_in(2) { String::new() } else { format!(".{number}") };
        for (id, habit, confidential) in [
            ("alpha", Habit::Any, true),
            ("beta", Habit::Any, true),
            ("mobile", Habit::Any, false),
            ("saver", Habit::Saves, true),
        ] {
            let id = format!("{id}{suffix}");
            let mut held = Vec::new();
            let kind = match confidential {
                true => {
                    let (secret, value) = maker.secret(house.realm.key, "first");
                    held.push((secret.key, value));
                    ClientKind::Confidential { auth_methods: maker.auth_methods(&house), secrets: vec![secret], keys: Vec::new() }
                }
                false => ClientKind::Public,
            };
            let mut client = maker.client(&house, &id, kind);
            if habit == Habit::Saves {
                client.grants = BTreeSet::from([GrantName::ClientCredentials]);
            }
            let party = model.parties.len();
            model.secrets.extend(held.into_iter().map(|(key, value)| HeldSecret { key, party, value }));
            let (key, value) = maker.api_key(&client, "first");
            model.api_keys.push(HeldKey { party, value, states: History::new(0, key) });
            model.parties.push(Party { house: number, habit, states: History::new(0, client), token: None, refresh: None });
        }
        model.houses.push(house);
    }
    model
}

/// Writes a planned deployment.
pub fn write(records: &mut Records<'_>, model: &Model) -> Result<(), Stop> {
    for house in &model.houses {
        records.insert(&house.realm)?;
        house.resources.iter().try_for_each(|resource| records.insert(resource))?;
        house.keys.latest().iter().try_for_each(|key| records.insert(key))?;
    }
    model.parties.iter().try_for_each(|party| records.insert(party.states.latest()))?;
    Ok(model.api_keys.iter().try_for_each(|held| records.insert(held.states.latest()))?)
}
