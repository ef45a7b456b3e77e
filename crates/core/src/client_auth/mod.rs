//! Client authentication turns presented credentials into an [`AuthenticatedClient`], or into the exact reason why not.
//!
//! RFC 6749 §2.3. The decoder hands over every credential it finds; which of them may stand together is judged here. Unknown
//! clients and wrong secrets take the same path.

use crate::bucket::Pace;
use crate::event::{Adoption, Concerned};
use crate::failures::Claim;
use crate::form;
use crate::name::{ClientId, Key, Time};
use crate::record::{AuthMethod, BasicEncoding, Client, ClientKind, ClientSecret, Permission, Realm, SecretHash, Status};
use crate::refusal::{Code, Fault, Why};
use crate::snapshot::{DataKeys, Memory, RealmState};
use crate::store::Changing;
use crate::world::{Need, Presented, Stop, World};
use assertion::{Assertion, Proven};
use jeton_jose::{b64, constant_time_eq, sha256};
use std::cell::LazyCell;
use std::sync::Arc;

mod assertion;

pub use assertion::public_key;

/// Every credential of one request, as it stood there.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Both parts of an `Authorization: Basic` header, base64 undone, split at the first colon.
    pub basic: Option<(Vec<u8>, RawSecret)>,
    /// The body's client id.
    pub body_id: Option<String>,
    /// The body's secret; an empty one counts as omitted (RFC 6749 §3.2).
    pub body_secret: Option<Presented>,
    /// The body's assertion (RFC 7521 §4.2).
    pub assertion: Option<Presented>,
    /// What kind of assertion that is (RFC 7521 §4.2).
    pub assertion_type: Option<String>,
}

/// The bytes behind the colon of Basic credentials. Print as `…`.
#[derive(Clone)]
pub struct RawSecret(pub Vec<u8>);

impl std::fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// A client that has shown who it is. Only [`authenticate`] makes one.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    client: Arc<Client>,
    credential: Key,
    /// The keyed hash that shall replace a foreign one.
    adopt: Option<Adoption>,
}

impl AuthenticatedClient {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The secret or public key that it used.
    #[must_use]
    pub fn credential(&self) -> Key {
        self.credential
    }

    /// The keyed hash that shall replace the slow foreign one under which the secret is still kept.
    #[must_use]
    pub fn adopt(&self) -> Option<&Adoption> {
        self.adopt.as_ref()
    }
}

/// What authentication may look at.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The realm that was asked.
    pub realm: &'a RealmState,
    /// Clients lately seen.
    pub memory: &'a Memory,
    /// Keys for hashes.
    pub data: &'a DataKeys,
    /// When the changes of other nodes were last followed; `None` if there are none.
    pub followed_at: Option<Time>,
}

impl Known<'_> {
    /// Whether what is known here may still be used, `seconds` after the store was last heard of (docs/decisions/0006).
    pub fn fresh(&self, now: Time, seconds: i64) -> Result<(), Fault> {
        match self.followed_at {
            Some(at) if now > at.plus_seconds(seconds) => {
                Err(Fault::Unavailable("this node was cut off from the store for too long".into()))
            }
            _ => Ok(()),
        }
    }
}

/// Authenticates the client of a token request. On refusal the client is named if its id is known, so that its owner reads why.
/// What can be used once only is used up by it, in the same `change` as whatever the request leads to; a request that is refused
/// leads to nothing, and uses nothing up.
pub fn authenticate(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    credentials: &Credentials,
) -> Result<AuthenticatedClient, (Stop, Option<Concerned>)> {
    verify(known, world, change, credentials).map_err(|(stop, of)| (count(known, world, credentials, stop), of))
}

/// Counts a failure (RFC 6749 §2.3.1: the server MUST protect against brute force). Verified first, so that what is right passes
/// whatever was wrong before it; only a comparison that is slow is refused to a source whose failures are too many already.
fn count(known: Known<'_>, world: &World<'_>, credentials: &Credentials, stop: Stop) -> Stop {
    let failures = &known.memory.failures;
    let realm = &known.realm.realm;
    let claimed = || present(known.realm, credentials).map(|one| one.id).unwrap_or_default();
    let ask = |verdict: &dyn Fn(&Claim<'_>) -> Option<Pace>| {
        let (settings, id) = (&realm.settings.failures, claimed());
        verdict(&Claim { realm: realm.key, settings, source: world.source, client_id: Some(&id), now: world.now })
    };
    let spent = match &stop {
        // Who names nobody guesses nothing.
        Stop::Refuse(Why::ClientCredentialsMissing) => None,
        // Whatever else looks the same from outside counts the same.
        Stop::Refuse(why) if why.row().code == Code::InvalidClient => ask(&|claim| failures.count(claim).err()),
        Stop::Need(Need::SlowHash { .. }) => ask(&|claim| failures.spent(claim)),
        _ => None,
    };
    spent.map_or(stop, |pace| Stop::RefuseFor(Why::ClientTooManyFailures, pace))
}

fn verify(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    credentials: &Credentials,
) -> Result<AuthenticatedClient, (Stop, Option<Concerned>)> {
    let anonymous = |stop: Stop| (stop, None);
    let presented = present(known.realm, credentials).map_err(|why| anonymous(why.into()))?;
    known.fresh(world.now, known.realm.realm.settings.staleness.issue).map_err(|fault| anonymous(fault.into()))?;
    let realm = known.realm.realm.key;
    // An id that cannot exist takes the path of one that does not.
    let client = match ClientId::parse(&presented.id) {
        Ok(id) => known.memory.client(world.facts, realm, &id).map_err(anonymous)?,
        Err(_) => None,
    };
    let of = client.as_deref().map(Concerned::from);
    let stop = |why: Why| (Stop::Refuse(why), of.clone());
    if let Shown::Assertion(assertion) = &presented.shown {
        return by_assertion(known, world, client, assertion)
            .and_then(|(client, proven)| proven.spend(change).map(|()| client))
            .map_err(|stop| (stop, of));
    }
    let Shown::Secret(secret) = presented.shown else {
        return Err(stop(client.map_or(Why::ClientUnknown, |client| match client.kind {
            ClientKind::Public => Why::ClientIsPublic,
            ClientKind::Confidential { .. } => Why::ClientSecretMissing,
        })));
    };
    let hash = known.data.secret_hash(realm, secret.expose());
    let Some(client) = client else {
        // The same work as for a known client.
        let _ = constant_time_eq(hash.as_bytes(), NOBODY);
        return Err(stop(Why::ClientUnknown));
    };
    let ClientKind::Confidential { auth_methods, secrets, .. } = &client.kind else {
        return Err(stop(Why::ClientIsPublic));
    };
    let matched = find_secret(secrets, &hash, &secret, world).map_err(|stop| (stop, of.clone()))?;
    let Some(matched) = matched else {
        return Err(stop(explain_wrong(known, realm, secrets, &secret)));
    };
    if matched.expires_at.is_some_and(|end| world.now >= end) {
        return Err(stop(Why::ClientSecretExpired));
    }
    if !presented.methods.iter().all(|method| auth_methods.contains(method)) {
        return Err(stop(Why::ClientMethodNotAllowed));
    }
    standing(&client, &known.realm.realm).map_err(stop)?;
    let credential = matched.key;
    let adopt = (!matches!(matched.hash, SecretHash::Keyed { .. })).then_some(Adoption { secret: credential, mac: hash });
    Ok(AuthenticatedClient { client, credential, adopt })
}

fn by_assertion(
    known: Known<'_>,
    world: &World<'_>,
    client: Option<Arc<Client>>,
    assertion: &Assertion,
) -> Result<(AuthenticatedClient, Proven), Stop> {
    let Some(client) = client else {
        // The same work as for a known client.
        assertion::verify_for_nobody(assertion, world);
        return Err(Why::ClientUnknown.into());
    };
    let ClientKind::Confidential { auth_methods, keys, .. } = &client.kind else {
        assertion::verify_for_nobody(assertion, world);
        return Err(Why::ClientIsPublic.into());
    };
    let proven = assertion.verify(known, world, &client, keys)?;
    if !auth_methods.contains(&AuthMethod::PrivateKeyJwt) {
        return Err(Why::ClientMethodNotAllowed.into());
    }
    standing(&client, &known.realm.realm)?;
    Ok((AuthenticatedClient { credential: proven.signer, adopt: None, client }, proven))
}

/// A client where public ones may ask, too.
#[derive(Clone, Debug)]
pub enum Recognized {
    /// It has shown who it is.
    Authenticated(AuthenticatedClient),
    /// It has no secret and said who it is.
    Public(Arc<Client>),
}

impl Recognized {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        match self {
            Self::Authenticated(client) => client.client(),
            Self::Public(client) => client,
        }
    }

    /// The client that has shown who it is.
    #[must_use]
    pub fn authenticated(&self) -> Option<&AuthenticatedClient> {
        match self {
            Self::Authenticated(client) => Some(client),
            Self::Public(_) => None,
        }
    }
}

/// Recognizes the client of a request: a confidential one by its credentials, a public one by its id alone (RFC 7009 §2.1).
/// What such a request brings along must belong to the client, so that saying another's id is of no use.
pub fn recognize(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    credentials: &Credentials,
) -> Result<Recognized, (Stop, Option<Concerned>)> {
    let recognized = match verify(known, world, change, credentials) {
        Ok(client) => Ok(Recognized::Authenticated(client)),
        Err(refused) => public(known, world, credentials, refused),
    };
    recognized.map_err(|(stop, of)| (count(known, world, credentials, stop), of))
}

/// The public client that said who it is and no more, or the refusal of what was tried.
fn public(
    known: Known<'_>,
    world: &World<'_>,
    credentials: &Credentials,
    refused: (Stop, Option<Concerned>),
) -> Result<Recognized, (Stop, Option<Concerned>)> {
    let alone = credentials.basic.is_none() && credentials.body_secret.is_none() && credentials.assertion.is_none();
    let id = credentials.body_id.as_deref().filter(|_| alone && matches!(refused.0, Stop::Refuse(Why::ClientIsPublic)));
    let Some(id) = id.and_then(|id| ClientId::parse(id).ok()) else { return Err(refused) };
    let realm = &known.realm.realm;
    let client = known.memory.client(world.facts, realm.key, &id).map_err(|stop| (stop, None))?.ok_or(refused)?;
    let of = Some(Concerned::from(&*client));
    standing(&client, realm).map_err(|why| (why.into(), of))?;
    Ok(Recognized::Public(client))
}

/// Whether a client and its realm are in use.
fn standing(client: &Client, realm: &Realm) -> Result<(), Why> {
    match &client.status {
        Status::Active => {}
        Status::Disabled => return Err(Why::ClientDisabled),
        Status::Suspended { .. } => return Err(Why::ClientSuspended),
        Status::Deleted => return Err(Why::ClientUnknown),
    }
    if realm.status.is_active() { Ok(()) } else { Err(Why::RealmInactive) }
}

const NOBODY: &[u8] = b"the keyed hash of no secret: 43 characters.";

struct One {
    id: String,
    shown: Shown,
    methods: Vec<AuthMethod>,
}

/// By what a client would show who it is.
enum Shown {
    Nothing,
    Secret(Presented),
    Assertion(Assertion),
}

impl Shown {
    /// RFC 6749 §3.2: a secret without a value counts as omitted.
    fn secret(secret: Option<Presented>) -> Self {
        secret.filter(|secret| !secret.expose().is_empty()).map_or(Self::Nothing, Self::Secret)
    }
}

/// Makes one identity of all credentials, if they may stand together.
fn present(realm: &RealmState, credentials: &Credentials) -> Result<One, Why> {
    let basic = match &credentials.basic {
        Some((id, RawSecret(secret))) => Some((basic_part(realm, id)?, basic_part(realm, secret)?)),
        None => None,
    };
    // RFC 6749 §2.3, RFC 7521 §4.2: no permission makes an assertion and a secret stand together.
    if let Some(jwt) = &credentials.assertion {
        if basic.is_some() || credentials.body_secret.is_some() {
            return Err(Why::ClientTwoCredentials);
        }
        let assertion = Assertion { jwt: jwt.clone(), of_type: credentials.assertion_type.clone() };
        let id = assertion.subject()?;
        // RFC 7521 §4.2: client_id is unnecessary, and must identify the same client.
        if credentials.body_id.as_ref().is_some_and(|body| *body != id) {
            return Err(Why::ClientCredentialsDiffer);
        }
        return Ok(One { id, shown: Shown::Assertion(assertion), methods: vec![AuthMethod::PrivateKeyJwt] });
    }
    match (basic, &credentials.body_id, &credentials.body_secret) {
        (Some((id, secret)), body_id, None) => {
            if body_id.as_ref().is_some_and(|body| *body != id) {
                return Err(Why::ClientCredentialsDiffer);
            }
            let shown = Shown::secret(Some(Presented::new(&secret)));
            Ok(One { id, shown, methods: vec![AuthMethod::ClientSecretBasic] })
        }
        // RFC 6749 §2.3: not more than one authentication method in each request.
        (Some(_), _, Some(_)) if !realm.permits(Permission::TwoCredentials) => Err(Why::ClientTwoCredentials),
        (Some((id, secret)), body_id, Some(body)) => {
            let same_id = body_id.as_ref().is_some_and(|body| *body == id);
            if !same_id || !constant_time_eq(secret.as_bytes(), body.expose().as_bytes()) {
                return Err(Why::ClientCredentialsDiffer);
            }
            let methods = vec![AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
            Ok(One { id, shown: Shown::secret(Some(body.clone())), methods })
        }
        (None, Some(id), secret) => {
            let shown = Shown::secret(secret.clone());
            Ok(One { id: id.clone(), shown, methods: vec![AuthMethod::ClientSecretPost] })
        }
        (None, None, _) => Err(Why::ClientCredentialsMissing),
    }
}

/// One part of Basic credentials, by the realm's one interpretation (RFC 6749 §2.3.1, or RFC 7617).
fn basic_part(realm: &RealmState, bytes: &[u8]) -> Result<String, Why> {
    let text = match realm.realm.settings.basic {
        BasicEncoding::Form => form::decode(bytes).map_err(|_| Why::ClientBasicMalformed)?.into_owned(),
        BasicEncoding::Raw => String::from_utf8(bytes.to_vec()).map_err(|_| Why::ClientBasicMalformed)?,
    };
    if text.contains('\0') { Err(Why::ClientBasicMalformed) } else { Ok(text) }
}

/// The secret that was presented, compared with every secret of the client.
fn find_secret<'a>(
    secrets: &'a [ClientSecret],
    hash: &str,
    presented: &Presented,
    world: &World<'_>,
) -> Result<Option<&'a ClientSecret>, Stop> {
    // Only what was made elsewhere is kept as a plain digest.
    let digest = LazyCell::new(|| sha256(presented.expose().as_bytes()));
    let mut found = None;
    for secret in secrets {
        let same = match &secret.hash {
            SecretHash::Keyed { mac } => constant_time_eq(mac.as_bytes(), hash.as_bytes()),
            SecretHash::Sha256 { digest: kept } => constant_time_eq(kept.as_bytes(), b64::encode(&*digest).as_bytes()),
            SecretHash::Foreign { .. } => false,
        };
        if same {
            found = Some(secret);
        }
    }
    if found.is_some() {
        return Ok(found);
    }
    for secret in secrets {
        let SecretHash::Foreign { phc } = &secret.hash else {
            continue;
        };
        let fact = world.facts.slow_hashes.iter().find(|(of, shown, _)| of == phc && *shown == *digest);
        match fact {
            Some((_, _, true)) => return Ok(Some(secret)),
            Some((_, _, false)) => {}
            None => {
                if let Some(fault) = &world.facts.fault {
                    return Err(fault.clone().into());
                }
                return Err(Stop::Need(Need::SlowHash { phc: phc.clone(), presented: presented.clone() }));
            }
        }
    }
    Ok(None)
}

/// Tells a secret that lost its plus signs on the way from one that is simply wrong. Only the owner reads the difference.
fn explain_wrong(known: Known<'_>, realm: Key, secrets: &[ClientSecret], presented: &Presented) -> Why {
    /// With so many spaces each may be one that was meant.
    const MOST_SPACES: usize = 4;
    let parts: Vec<&str> = presented.expose().split(' ').collect();
    let spaces = parts.len() - 1;
    let was_sent = |plus: &dyn Fn(usize) -> bool| {
        let mut text = parts[0].to_owned();
        for (index, part) in parts[1..].iter().enumerate() {
            text.push(if plus(index) { '+' } else { ' ' });
            text.push_str(part);
        }
        let hash = known.data.secret_hash(realm, &text);
        secrets
            .iter()
            .any(|secret| matches!(&secret.hash, SecretHash::Keyed { mac } if constant_time_eq(mac.as_bytes(), hash.as_bytes())))
    };
    let found = match spaces {
        0 => false,
        1..=MOST_SPACES => (1_u32..1 << spaces).any(|which| was_sent(&|index| which >> index & 1 == 1)),
        _ => was_sent(&|_| true),
    };
    if found { Why::ClientSecretNotEncoded } else { Why::ClientSecretWrong }
}
