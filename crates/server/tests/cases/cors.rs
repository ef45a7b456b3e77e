//! CORS: who may read what from a page of another origin, and what a preflight says (the Fetch standard).

use crate::harness::http::{self, Until};
use crate::harness::{Server, said};
use crate::replay::text;
use jeton_wire::transcript::Answer;

const PAGE: &str = r#"
[[realm.client]]
client_id = "page"
type = "public"
redirect_uris = ["https://app.acme.example/callback"]
web_origins = ["https://app.acme.example", "http://localhost:5173"]

[[realm.client]]
client_id = "other-page"
type = "public"
redirect_uris = ["https://other.acme.example/callback"]
web_origins = ["https://other.acme.example"]
"#;

fn server() -> Server {
    // The first realm of the fixture gets two clients more, at its end.
    let fixture = text("fixture.toml");
    let second = fixture.match_indices("[[realm]]").nth(1).expect("a second realm").0;
    Server::start(&format!("{}{PAGE}\n{}", &fixture[..second], &fixture[second..]))
}

fn ask(server: &Server, request: &[u8]) -> Answer {
    http::send(server.listen, request, Until::Answered).expect("an answer").answer
}

fn preflight(server: &Server, path: &str, origin: &str) -> Answer {
    let request = format!(
        "OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: content-type\r\n\r\n"
    );
    ask(server, request.as_bytes())
}

fn allowed(answer: &Answer) -> Option<&str> {
    assert!(answer.header("access-control-allow-credentials").is_none(), "{}", answer.readable());
    answer.header("access-control-allow-origin")
}

fn token(server: &Server, client: &str, origin: &str) -> Answer {
    ask(
        server,
        &http::form(
            "/acme/token",
            &[&format!("Origin: {origin}")],
            &format!("grant_type=refresh_token&refresh_token=x&client_id={client}"),
        ),
    )
}

#[test]
fn documents_are_open_to_every_page() {
    let server = server();
    for path in ["/acme/jwks", "/acme/.well-known/oauth-authorization-server", "/acme/.well-known/openid-configuration"] {
        let answer = ask(&server, &http::get(path, &["Origin: https://somewhere.example"]));
        assert_eq!((answer.status, allowed(&answer)), (Some(200), Some("*")), "{path}");
        let tag = answer.header("etag").expect("a tag").to_owned();
        let fresh = ask(&server, &http::get(path, &["Origin: null", &format!("If-None-Match: {tag}")]));
        assert_eq!((fresh.status, allowed(&fresh)), (Some(304), Some("*")), "{path}");
        let before = preflight(&server, path, "https://somewhere.example");
        assert_eq!((before.status, allowed(&before)), (Some(204), Some("*")), "{path}");
        assert_eq!(before.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(before.header("access-control-allow-headers"), Some("if-none-match"));
        let wrong = ask(&server, &http::form(path, &["Origin: https://somewhere.example"], ""));
        assert_eq!(
            (wrong.status, wrong.header("allow"), allowed(&wrong)),
            (Some(405), Some("GET, HEAD, OPTIONS"), None),
            "{path}"
        );
    }
}

#[test]
fn the_token_endpoint_is_open_to_registered_origins_of_the_client_that_asks() {
    let server = server();
    for origin in ["https://app.acme.example", "https://other.acme.example", "http://localhost:5173"] {
        let answer = preflight(&server, "/acme/token", origin);
        assert_eq!((answer.status, allowed(&answer)), (Some(204), Some(origin)));
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST, OPTIONS"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    for origin in [
        "https://evil.example",
        "null",
        "*",
        "https://app.acme.example.evil.example",
        "https://app.acme.example/",
        "http://app.acme.example",
    ] {
        let answer = preflight(&server, "/acme/token", origin);
        assert_eq!((answer.status, allowed(&answer), answer.header("vary")), (Some(204), None, Some("origin")), "{origin}");
    }
    // The realm beside it registered nothing.
    assert_eq!(allowed(&preflight(&server, "/beta/token", "https://app.acme.example")), None);
    // The request itself names its client, and only that client's origins count.
    for (client, origin, expected) in [
        ("page", "https://app.acme.example", true),
        ("page", "https://other.acme.example", false),
        ("other-page", "https://other.acme.example", true),
        ("other-page", "null", false),
        ("build-7", "https://app.acme.example", false),
        ("nobody", "https://app.acme.example", false),
    ] {
        let answer = token(&server, client, origin);
        assert_eq!((answer.status, allowed(&answer)), (Some(401), expected.then_some(origin)), "{client} {origin}");
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    // Two origins are none.
    let two =
        http::form("/acme/token", &["Origin: https://app.acme.example", "Origin: https://app.acme.example"], "client_id=page");
    assert_eq!(allowed(&ask(&server, &two)), None);
}

/// RFC 9110 §9.3.7: OPTIONS tells the methods of a place, whether or not a page asks; only what may be read names its origin.
#[test]
fn every_endpoint_answers_options() {
    let server = server();
    let documents = ["/acme/jwks", "/acme/.well-known/oauth-authorization-server", "/acme/.well-known/openid-configuration"];
    let asked = ["/acme/token", "/acme/introspect", "/acme/revoke"];
    for (paths, methods) in [(&documents, "GET, HEAD, OPTIONS"), (&asked, "POST, OPTIONS")] {
        for path in paths {
            let plain = ask(&server, format!("OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
            assert_eq!((plain.status, plain.header("allow"), allowed(&plain)), (Some(204), Some(methods), None), "{path}");
        }
    }
    for path in ["/acme/introspect", "/acme/revoke"] {
        let answer = preflight(&server, path, "https://app.acme.example");
        assert_eq!((answer.status, allowed(&answer)), (Some(204), None), "no page may ask there");
        let wrong = ask(&server, &http::get(path, &[]));
        assert_eq!((wrong.status, wrong.header("allow")), (Some(405), Some("POST, OPTIONS")), "{path}");
    }
}

#[test]
fn an_origin_that_is_taken_away_is_closed_at_once() {
    let server = server();
    let origin = "https://app.acme.example";
    assert_eq!(allowed(&preflight(&server, "/acme/token", origin)), Some(origin));
    let changed = server.command(&["client", "set", "acme", "page", "--web-origin", "https://new.acme.example"]);
    assert!(changed.status.success(), "{}", said(&changed));
    assert_eq!(allowed(&preflight(&server, "/acme/token", origin)), None);
    assert_eq!(allowed(&token(&server, "page", origin)), None);
    assert_eq!(allowed(&preflight(&server, "/acme/token", "https://new.acme.example")), Some("https://new.acme.example"));
    let deleted = server.command(&["client", "delete", "acme", "page", "--yes"]);
    assert!(deleted.status.success(), "{}", said(&deleted));
    assert_eq!(allowed(&preflight(&server, "/acme/token", "https://new.acme.example")), None);
    let secret = server.command(&["client", "create", "acme", "robot", "--web-origin", "https://robot.example"]);
    assert!(!secret.status.success() && said(&secret).contains("only a public client has web origins"), "{}", said(&secret));
}

/// Rows: AD-05.
#[test]
fn the_admin_api_and_the_operators_pages_are_open_to_no_page() {
    let server = server();
    for (listener, path) in [(server.admin.expect("an admin listener"), "/v1/realms"), (server.ops, "/metrics")] {
        for request in [
            format!(
                "OPTIONS {path} HTTP/1.1\r\nHost: h\r\nOrigin: https://app.acme.example\r\nAccess-Control-Request-Method: GET\r\n\r\n"
            ),
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nOrigin: https://app.acme.example\r\n\r\n"),
        ] {
            let answer = http::send(listener, request.as_bytes(), Until::Answered).expect("an answer").answer;
            assert_eq!(allowed(&answer), None, "{}", answer.readable());
        }
    }
}
