//! A refusal is an answer like any other: an exact reason inside, one code, status and constant sentence outside.
//!
//! [`TABLE`] is the only place that maps a [`Why`] to what a caller sees. Sentences are constants: no byte of a request is
//! echoed. Where precision would help an attacker, several reasons share one outward row; the owner reads the exact one.

use std::fmt;

/// What a caller's software reads: the registered error codes, and a few of ours where no RFC has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// RFC 8628 §3.5, used wherever somebody asks too often.
    SlowDown,
    /// Ours: the API call carries no usable API key.
    InvalidApiKey,
    /// Ours: nothing is served at this place.
    NotFound,
    /// Ours: the place does not know this method.
    MethodNotAllowed,
    /// RFC 6749 §4.1.2.1, used wherever we fail.
    ServerError,
    /// RFC 6749 §4.1.2.1, used wherever trying later may help.
    TemporarilyUnavailable,
}

impl Code {
    /// The code's text on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::SlowDown => "slow_down",
            Self::InvalidApiKey => "invalid_api_key",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// One line of the table of refusals.
#[derive(Debug)]
pub struct Refusal {
    /// The exact reason.
    pub why: Why,
    /// Its name in journal, log and documents.
    pub id: &'static str,
    /// What the caller's software reads.
    pub code: Code,
    /// HTTP status.
    pub status: u16,
    /// What the caller's developer reads.
    pub sentence: &'static str,
    /// What the client's owner reads: what to change.
    pub advice: &'static str,
}

macro_rules! refusals {
    ($($why:ident $id:literal $code:ident $status:literal $sentence:literal $advice:literal)*) => {
        /// Why a request is refused, exactly. The owner of a client sees it; a caller sees its row in [`TABLE`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Why { $(#[doc = $advice] $why,)* }

        /// The one table from reason to answer.
        pub const TABLE: &[Refusal] = &[
            $(Refusal { why: Why::$why, id: $id, code: Code::$code, status: $status, sentence: $sentence, advice: $advice },)*
        ];
    };
}

refusals! {
    RequestMalformed "request.malformed" InvalidRequest 400 "The request is malformed."
        "The body is not a well-formed form: a broken percent-escape, a NUL or bytes that are not UTF-8."
    RequestContentType "request.content_type" InvalidRequest 400 "The request's content type is not supported."
        "Send the body with the content type that the documentation names."
    RequestTooLarge "request.too_large" InvalidRequest 413 "The request is too large."
        "A token request has at most 64 KiB."
    RequestParameterRepeated "request.parameter_repeated" InvalidRequest 400 "A parameter is repeated."
        "Send each parameter once (RFC 6749 section 3.2)."
    RequestParameterMissing "request.parameter_missing" InvalidRequest 400 "A required parameter is missing."
        "Send every parameter that the documentation calls required."
    RequestGrantTypeMissing "request.grant_type_missing" InvalidRequest 400 "The parameter grant_type is missing."
        "Send grant_type in the body; parameters in the query string are ignored."
    RequestAuthorizationRepeated "request.authorization_repeated" InvalidRequest 400 "The request is malformed."
        "Send one Authorization header."
    MethodNotAllowed "request.method" MethodNotAllowed 405 "The method is not allowed here."
        "Use the method that the Allow header names."
    PlaceUnknown "request.place_unknown" NotFound 404 "There is nothing here."
        "Check host and path; both are case-sensitive except for the host."

    ClientCredentialsMissing "client.credentials_missing" InvalidClient 401 "Client authentication failed."
        "The request names no client. Send client id and secret as the documentation says."
    ClientSecretMissing "client.secret_missing" InvalidClient 401 "Client authentication failed."
        "The request names the client but has no secret, or an empty one."
    ClientUnknown "client.unknown" InvalidClient 401 "Client authentication failed."
        "No client of this id exists in this realm. Check the id and the environment."
    ClientSecretWrong "client.secret_wrong" InvalidClient 401 "Client authentication failed."
        "The secret is not one of this client's. Check it, or make a new one."
    ClientSecretNotEncoded "client.secret_not_encoded" InvalidClient 401 "Client authentication failed."
        "The secret has a character that must be percent-encoded before it is sent; a raw + arrives as a space."
    ClientSecretExpired "client.secret_expired" InvalidClient 401 "Client authentication failed."
        "The secret was right but has expired. Make a new one."
    ClientMethodNotAllowed "client.method_not_allowed" InvalidClient 401 "Client authentication failed."
        "The credentials are right but stand in a place that this client may not use."
    ClientAssertionMalformed "client.assertion_malformed" InvalidClient 401 "Client authentication failed."
        "The assertion must be a JWT of type jwt-bearer with iss and sub, both the client id, and aud, exp and jti (RFC 7523 section 3)."
    ClientAssertionSignature "client.assertion_signature" InvalidClient 401 "Client authentication failed."
        "The assertion is not signed by one of this client's keys, or its kid names none of them."
    ClientAssertionAudience "client.assertion_audience" InvalidClient 401 "Client authentication failed."
        "The assertion's aud must be the issuer, exactly as the metadata has it, and nothing else."
    ClientAssertionExpired "client.assertion_expired" InvalidClient 401 "Client authentication failed."
        "The assertion has ended, is of the future, or lives for longer than five minutes. Make one for each request."
    ClientAssertionReplayed "client.assertion_replayed" InvalidClient 401 "Client authentication failed."
        "The assertion was used already. Make one for each request, with a jti of its own."
    ClientIsPublic "client.is_public" InvalidClient 401 "Client authentication failed."
        "This client runs on people's devices and holds no secret; it cannot use this grant."
    ClientSchemeUnknown "client.scheme_unknown" InvalidClient 401 "Client authentication failed."
        "The Authorization header has another scheme than Basic."
    ClientDisabled "client.disabled" InvalidClient 401 "Client authentication failed."
        "The client is disabled. An administrator can enable it."
    ClientSuspended "client.suspended" InvalidClient 401 "Client authentication failed."
        "The client is suspended; the reason stands in its record."
    RealmInactive "realm.inactive" InvalidClient 401 "Client authentication failed."
        "The realm is not active."
    ClientTwoCredentials "client.two_credentials" InvalidRequest 400 "The request uses more than one way of client authentication."
        "Send the credentials in the header or in the body, not in both (RFC 6749 section 2.3)."
    ClientCredentialsDiffer "client.credentials_differ" InvalidClient 401 "Client authentication failed."
        "The credentials in the header and in the body are not the same."
    ClientBasicMalformed "client.basic_malformed" InvalidRequest 400 "The request is malformed."
        "The Authorization header is not: Basic, one space, base64 of id:secret, each part form-encoded."
    ClientQueryCredentials "client.query_credentials" InvalidRequest 400 "The request is malformed."
        "Credentials must not stand in the query string. Consider this secret leaked and make a new one."

    ClientTooManyFailures "client.too_many_failures" SlowDown 429 "Client authentication failed too often. Wait before trying again."
        "The credentials are wrong again and again from the same address; the lines before this one say why. The right ones pass at once."

    GrantUnknown "grant.unknown" UnsupportedGrantType 400 "The grant type is not supported."
        "Send a grant_type that the documentation names."
    GrantNotAllowed "grant.not_allowed" UnauthorizedClient 400 "The client may not use this grant type."
        "An administrator can allow this grant for the client."
    GrantPasswordNever "grant.password_never" UnsupportedGrantType 400 "The grant type is not supported."
        "Password and implicit grants are never supported (RFC 9700 section 2.4)."
    RefreshTokenInvalid "refresh_token.invalid" InvalidGrant 400 "The refresh token is invalid, expired or revoked."
        "The refresh token is not one of this realm's, or is damaged."
    RefreshTokenExpired "refresh_token.expired" InvalidGrant 400 "The refresh token is invalid, expired or revoked."
        "The refresh token has ended. Ask for a new token with the client's credentials."
    RefreshTokenForeign "refresh_token.of_another_client" InvalidGrant 400 "The refresh token is invalid, expired or revoked."
        "The refresh token was issued to another client."
    RefreshTokenRevoked "refresh_token.revoked" InvalidGrant 400 "The refresh token is invalid, expired or revoked."
        "The refresh token was revoked, or the client's tokens were revoked after it was issued."
    RefreshTokenIdle "refresh_token.idle" InvalidGrant 400 "The refresh token is invalid, expired or revoked."
        "The refresh token was not used for longer than the realm allows. Ask for a new one."
    RefreshTokenReplayed "refresh_token.replayed" InvalidGrant 400 "The refresh token is invalid, expired or revoked."
        "A refresh token was used that had been replaced already. Everything of its family was revoked, as if it was stolen; keep the newest one."

    ThriftLimited "thrift.limited" SlowDown 429 "Too many tokens were asked for. Keep a token until shortly before it ends."
        "The client asks for new tokens while those it has are fresh. Keep a token, and wait as long as Retry-After says."

    AdminDeclined "admin.declined" InvalidRequest 400 "The command was declined."
        "The command was not run; its answer said why."
    AdminDenied "admin.denied" InsufficientScope 403 "The caller may not do this."
        "The caller may not run this command."

    ScopeMalformed "scope.malformed" InvalidScope 400 "The requested scope is invalid."
        "Scopes are separated by exactly one space and have no quotes or control characters."
    ScopeMissing "scope.missing" InvalidScope 400 "The requested scope is invalid."
        "This realm wants a scope in every request."
    ScopeUnknown "scope.unknown" InvalidScope 400 "The requested scope is invalid."
        "No API of this realm has a scope of this name. Check spelling and case."
    ScopeNotGranted "scope.not_granted" InvalidScope 400 "The requested scope is invalid."
        "The client was not granted this scope. An administrator can grant it."
    ScopeTooLong "scope.too_long" InvalidScope 400 "The requested scope is invalid."
        "A token with all of this scope would be larger than 8 KiB, more than an API accepts. Ask for less."
    ScopeWildcardNotAlone "scope.wildcard_not_alone" InvalidScope 400 "The requested scope is invalid."
        "The scope * asks for everything and stands alone."
    ScopeOtherTenant "scope.other_tenant" InvalidScope 400 "The requested scope is invalid."
        "The scope names another tenant than the host that was asked."
    ScopeWidened "scope.widened" InvalidScope 400 "The requested scope is invalid."
        "A refresh may only ask for what the refresh token has."
    ResourceUnknown "resource.unknown" InvalidTarget 400 "The requested resource is invalid."
        "No API of this realm has this identifier (RFC 8707)."
    ResourceNotGranted "resource.not_granted" InvalidTarget 400 "The requested resource is invalid."
        "The client was granted none of this API's scopes."

    ApiKeyMissing "api_key.missing" InvalidApiKey 401 "The API key is missing or invalid."
        "The call carries no API key in the header that the documentation names."
    ApiKeyUnknown "api_key.unknown" InvalidApiKey 401 "The API key is missing or invalid."
        "No application of this realm has this API key. Check the environment."
    ApiKeyDisabled "api_key.disabled" InvalidApiKey 401 "The API key is missing or invalid."
        "The API key is disabled, or its application is."
    ApiKeyExpired "api_key.expired" InvalidApiKey 401 "The API key is missing or invalid."
        "The API key has expired. Make a new one."
    ApiKeyTooManyFailures "api_key.too_many_failures" SlowDown 429 "An API key was wrong too often. Wait before trying again."
        "API keys are wrong again and again from the same address. The right one passes at once."
    ApiKeyOfAnotherClient "api_key.of_another_client" InvalidApiKey 401 "The API key is missing or invalid."
        "The API key belongs to one application and the token to another."
    TokenMissing "token.missing" InvalidToken 401 "An access token is needed."
        "The call carries no Authorization header with a scheme that this API knows."
    TokenRepeated "token.repeated" InvalidRequest 400 "The request is malformed."
        "Send one Authorization header."
    TokenMalformed "token.malformed" InvalidToken 401 "The access token is invalid."
        "The access token is damaged, or not one of this realm's."
    TokenSignature "token.signature" InvalidToken 401 "The access token is invalid."
        "The access token was not signed by a key of this realm."
    TokenIssuer "token.issuer" InvalidToken 401 "The access token is invalid."
        "The access token was issued by another realm. Check the environment."
    TokenExpired "token.expired" InvalidToken 401 "The access token has expired."
        "Ask for a new token; keep it until shortly before it ends."
    TokenNotYetValid "token.not_yet_valid" InvalidToken 401 "The access token is invalid."
        "The access token counts from a later moment: a clock here or there is wrong."
    TokenAudience "token.audience" InvalidToken 401 "The access token is invalid."
        "The access token was issued for another API."
    TokenRevoked "token.revoked" InvalidToken 401 "The access token is invalid."
        "The token was revoked, or its application is disabled, suspended or gone."
    TokenOfAnotherClient "token.of_another_client" InvalidToken 401 "The access token is invalid."
        "The client wanted to revoke a token of another client. It was answered as always, and nothing was revoked: does it leak?"
    ScopeInsufficient "scope.insufficient" InsufficientScope 403 "The access token does not allow this operation."
        "Ask for a token with the scope that this operation needs."
}

impl Why {
    /// The reason's line in [`TABLE`].
    #[must_use]
    pub fn row(self) -> &'static Refusal {
        &TABLE[self as usize]
    }

    /// The reason of this name.
    #[must_use]
    pub fn by_id(id: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.id == id).map(|row| row.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().id)
    }
}

/// Our failure, never the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store does not answer, is full, or is read-only; trying later may help.
    Unavailable(String),
    /// What was read cannot be right; the object is named.
    Corrupt(String),
    /// The store belongs to a newer version or another installation.
    Foreign(String),
    /// An invariant of ours is broken.
    Broken(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(cause) => write!(f, "the store is unavailable: {cause}"),
            Self::Corrupt(what) => {
                write!(f, "the store holds something that cannot be right: {what}")
            }
            Self::Foreign(why) => write!(f, "this store cannot be used: {why}"),
            Self::Broken(what) => write!(f, "an invariant is broken: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_its_own_line_and_a_sentence_that_may_be_sent() {
        let ids: BTreeSet<_> = TABLE.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), TABLE.len());
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.why as usize, index);
            // RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
            assert!(row.sentence.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)), "{}", row.id);
            assert!((400..500).contains(&row.status), "{}", row.id);
        }
    }

    /// The deliberate merges: reasons that look alike from outside, so that nobody learns which clients exist.
    #[test]
    fn failed_client_authentication_looks_the_same_whatever_failed() {
        let outward = |why: Why| (why.row().code, why.row().status, why.row().sentence);
        for why in [
            Why::ClientCredentialsMissing,
            Why::ClientSecretMissing,
            Why::ClientUnknown,
            Why::ClientSecretWrong,
            Why::ClientSecretNotEncoded,
            Why::ClientSecretExpired,
            Why::ClientMethodNotAllowed,
            Why::ClientAssertionMalformed,
            Why::ClientAssertionSignature,
            Why::ClientAssertionAudience,
            Why::ClientAssertionExpired,
            Why::ClientAssertionReplayed,
            Why::ClientIsPublic,
            Why::ClientDisabled,
            Why::ClientSuspended,
            Why::RealmInactive,
            Why::ClientCredentialsDiffer,
        ] {
            assert_eq!(outward(why), outward(Why::ClientUnknown), "{why}");
        }
    }
}
