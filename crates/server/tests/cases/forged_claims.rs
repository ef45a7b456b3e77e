//! Tokens with the right signature and wrong claims: rows JW-10 to JW-15 of the attack catalogue.

use crate::forge::{Forge, ISSUER, claims, now};
use serde_json::json;

#[test]
fn jw_10_jw_11_times_are_whole_seconds_and_hold() {
    let mut forge = Forge::start();
    for exp in [
        json!(now() - 1),
        json!(now() - 11),
        json!(0),
        json!(-1),
        json!((now() + 600).to_string()),
        json!(now() as f64 + 600.5),
        json!(1e30),
        json!(true),
        json!([now() + 600]),
        json!({}),
    ] {
        let token = forge.with_claims(json!({ "exp": exp }));
        forge.refuses(&format!("exp {exp}"), &token);
    }
    for text in ["null", "4102444800.0", "41024448e2", "-0.0", "1e400", "00004102444800", "0xF4865700"] {
        let token =
            forge.with_text(&claims().to_string().replacen(&format!("\"exp\":{}", now() + 600), &format!("\"exp\":{text}"), 1));
        forge.refuses(&format!("exp {text}"), &token);
    }
    let token = forge.with_claims(json!({ "exp": null }));
    forge.refuses("no exp", &token);
    for claim in ["nbf", "iat"] {
        for (ahead, passes) in [(8, true), (14, false), (60, false), (86_400 * 365, false)] {
            let token = forge.with_claims(json!({ claim: now() + ahead, "exp": now() + 86_400 * 400 }));
            match passes {
                true => forge.accepts(&format!("{claim} in {ahead} s"), &token),
                false => forge.refuses(&format!("{claim} in {ahead} s"), &token),
            }
        }
        for odd in [json!("1"), json!(1.5), json!(true), json!([1]), json!({})] {
            let token = forge.with_claims(json!({ claim: odd }));
            forge.refuses(&format!("{claim} {odd}"), &token);
        }
    }
    let token = forge.with_claims(json!({ "iat": null }));
    forge.refuses("no iat", &token);
    forge.close();
}

#[test]
fn jw_13_the_issuer_is_compared_byte_for_byte() {
    let mut forge = Forge::start();
    for iss in [
        json!("https://login.beta.example"),
        json!(format!("{ISSUER}/")),
        json!("https://LOGIN.acme.example"),
        json!("HTTPS://login.acme.example"),
        json!("https://login.acme.example:443"),
        json!("https://login.аcme.example"),
        json!("https://login.acme.example."),
        json!(""),
        json!([ISSUER]),
        json!(1),
    ] {
        let token = forge.with_claims(json!({ "iss": iss }));
        forge.refuses(&format!("iss {iss}"), &token);
    }
    for claim in ["iss", "sub", "aud", "client_id", "scope"] {
        let token = forge.with_claims(json!({ claim: null }));
        let status = forge.status(&token, "/acme/data");
        assert!(matches!(status, 401 | 403), "without {claim}: {status}");
    }
    for aud in [
        json!("https://api.beta.example"),
        json!("https://billing.acme.example"),
        json!([]),
        json!("https://api.acme.example/"),
        json!(1),
        json!({}),
    ] {
        let token = forge.with_claims(json!({ "aud": aud }));
        forge.refuses(&format!("aud {aud}"), &token);
    }
    for id in [json!("nobody"), json!("BUILD-7"), json!(""), json!(["build-7"]), json!(7)] {
        let token = forge.with_claims(json!({ "client_id": id, "sub": id }));
        forge.refuses(&format!("client_id {id}"), &token);
    }
    forge.close();
}

#[test]
fn jw_14_jw_15_the_inside_is_strict_json() {
    let mut forge = Forge::start();
    let right = claims().to_string();
    let open = right.strip_suffix('}').expect("an object").to_owned();
    for (what, text) in [
        ("scope twice", format!("{open},\"scope\":\"read write\"}}")),
        ("aud twice, once escaped", format!("{open},\"\\u0061ud\":\"https://api.acme.example\"}}")),
        ("a name of their own twice", format!("{open},\"x\":1,\"x\":1}}")),
        ("a name twice further inside", format!("{open},\"x\":{{\"y\":1,\"y\":1}}}}")),
        ("a byte order mark", format!("\u{feff}{right}")),
        ("bytes behind it", format!("{right}x")),
        ("a second object behind it", format!("{right}{right}")),
        ("a NUL behind it", format!("{right}\0")),
        ("a comment", format!("/* x */{right}")),
        ("a comma at the end", format!("{open},}}")),
        ("NaN", format!("{open},\"x\":NaN}}")),
        ("a lone surrogate", format!("{open},\"x\":\"\\ud800\"}}")),
        ("single quotes", right.replace('"', "'")),
        ("an array", format!("[{right}]")),
        ("a text", json!(right).to_string()),
        ("null", "null".to_owned()),
        ("nothing but space", " ".to_owned()),
        ("a thousand arrays", format!("{open},\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000))),
    ] {
        let token = forge.with_text(&text);
        forge.refuses(&format!("claims with {what}"), &token);
    }
    let header = forge.header().to_string();
    let open = header.strip_suffix('}').expect("an object").to_owned();
    let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (what, bytes) in [
        ("alg twice", format!("{open},\"alg\":\"ES256\"}}").into_bytes()),
        ("typ twice, once escaped", format!("{open},\"\\u0074yp\":\"at+jwt\"}}").into_bytes()),
        ("a byte order mark", format!("\u{feff}{header}").into_bytes()),
        ("UTF-16", utf16),
        ("bytes behind it", format!("{header} x").into_bytes()),
        ("bytes that are not UTF-8", [open.as_bytes(), b",\"x\":\"\xff\"}"].concat()),
        ("a comment", format!("{header}//").into_bytes()),
    ] {
        let token = forge.sign(&bytes, right.as_bytes());
        forge.refuses(&format!("a header with {what}"), &token);
    }
    let mut bytes = claims().to_string().into_bytes();
    bytes.push(0xff);
    let token = forge.sign(header.as_bytes(), &bytes);
    forge.refuses("claims that are not UTF-8", &token);
    forge.close();
}
