//! A permission is something a realm allows beyond the RFCs; whoever is asked for it reads its name and one sentence.

use super::stop::Needed;
use super::{AdminStop, args::unknown};
use crate::record::Permission;

/// Every permission with its name and the sentence for the administrator who is asked.
const PERMISSIONS: &[(Permission, &str, &str)] = &[
    (
        Permission::TwoCredentials,
        "two-credentials",
        "the same credentials may stand in the header and in the body of one request, against RFC 6749 section 2.3",
    ),
    (
        Permission::RefreshWithClientCredentials,
        "refresh-with-client-credentials",
        "a refresh token may come with client credentials, against the SHOULD NOT of RFC 6749 section 4.4.3",
    ),
    (Permission::WildcardScope, "wildcard-scope", "the scope * asks for everything that was granted"),
    (
        Permission::GenericTokenType,
        "generic-token-type",
        "access tokens are typed JWT instead of at+jwt, against RFC 9068 section 2.1",
    ),
    (Permission::ClientIsPerson, "client-is-person", "a client id is a person's login, and its token acts as that person"),
    (
        Permission::Status400ForClient,
        "status400-for-client",
        "failed client authentication is answered with status 400, against RFC 6749 section 5.2",
    ),
    (Permission::TextNumbers, "text-numbers", "numbers are answered as text, against RFC 6749 section 5.1"),
    (Permission::IgnoreAuthorization, "ignore-authorization", "an Authorization header at the token endpoint is ignored"),
    (Permission::JsonTokenRequest, "json-token-request", "token requests have a JSON body, against RFC 6749 section 4.4.2"),
    (Permission::CodeResend, "code-resend", "the right client may send a spent code again without losing its tokens"),
];

/// The permission of this name.
pub(super) fn parse(name: &str) -> Result<Permission, AdminStop> {
    let found = PERMISSIONS.iter().find(|(_, known, _)| *known == name).map(|(permission, ..)| *permission);
    found.ok_or_else(|| AdminStop::Invalid(unknown("permission", name, PERMISSIONS.iter().map(|(_, known, _)| *known))))
}

/// The permission, for somebody who is asked to accept it.
pub(super) fn needed(permission: Permission) -> Needed {
    let row = PERMISSIONS.iter().find(|(known, ..)| *known == permission);
    let (name, sentence) =
        row.map_or(("unknown", "this version cannot say what it allows"), |(_, name, sentence)| (name, sentence));
    Needed { permission: name.to_owned(), sentence: sentence.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_a_name_and_a_sentence() {
        // The list of variants in the error of an unknown one is the whole set.
        let error = serde_json::from_str::<Permission>("\"\"").expect_err("no permission has an empty name").to_string();
        assert_eq!(error.matches('`').count() / 2, PERMISSIONS.len() + 1, "{error}");
        for (permission, name, sentence) in PERMISSIONS {
            assert_eq!(serde_json::to_value(permission).ok(), Some(serde_json::Value::from(*name)));
            assert!(!sentence.is_empty());
        }
    }
}
