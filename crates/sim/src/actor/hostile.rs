//! A hostile sender sends what no client would: broken forms, doubled headers, wrong methods, wrong places.

use crate::ask::{Ask, Nonsense};
use crate::game::Game;
use crate::spell;
use crate::watch::{Broken, NOWHERE};
use http::Method;

/// Bodies that no form parser may accept, and what they are.
const BODIES: &[(&str, &[u8])] = &[
    ("a form with a broken escape", b"grant_type=client_credentials&client_id=%zz&client_secret=x&scope=a"),
    ("a form with half an escape", b"grant_type=client_credentials&client_id=alpha&client_secret=x&scope=%4"),
    ("a form with a NUL", b"grant_type=client_credentials&client_id=a\0b&client_secret=x&scope=a"),
    ("a form with an escaped NUL", b"grant_type=client_credentials&client_id=a%00b&client_secret=x&scope=a"),
    ("a form that is not UTF-8", b"grant_type=client_credentials&client_id=%ff&client_secret=x&scope=a"),
    ("bytes that are not UTF-8", b"\xff\xfe\x00grant_type=client_credentials"),
    ("a doubled parameter", b"grant_type=client_credentials&grant_type=client_credentials&client_id=alpha&client_secret=x"),
    ("a doubled secret", b"grant_type=client_credentials&client_id=alpha&client_secret=x&client_secret=y&scope=a"),
    ("an empty body", b""),
    ("a form without a client", b"grant_type=client_credentials&scope=a"),
    ("nothing but separators", b"&&&===&&"),
    ("JSON as a form", b"{\"grant_type\":\"client_credentials\"}"),
];

/// Sends one request that must be refused.
pub(super) fn step(game: &mut Game) -> Result<(), Broken> {
    let house = game.chance.below(game.model.houses.len());
    let dialects = std::sync::Arc::clone(&game.dialects);
    let dialect = dialects.by_name(&game.model.houses[house].realm.dialect).expect("a built-in dialect");
    let target = spell::token_path(&game.model.houses[house], dialect, &mut game.chance);
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    let good = b"grant_type=client_credentials&client_id=alpha&client_secret=x&scope=a".to_vec();
    let mut ask = Nonsense { what: "", house, method: Method::POST, target, headers: vec![form], body: good };
    match game.chance.below(9) {
        0 => (ask.what, ask.body) = ("a body that is too large", vec![b'a'; 64 * 1024 + 1]),
        1 => {
            ask.what = "two Authorization headers";
            ask.headers.extend([("authorization", "Basic YTpi".to_owned()), ("authorization", "Basic YTpi".to_owned())]);
        }
        2 => {
            let values = ["Basic", "Basic ", "Basic YTpi=", "Bearer x", "Basic  YTpi", "Basic YQ==", "Basic JXp6OmI="];
            ask.what = "broken Basic credentials";
            ask.headers.push(("authorization", game.chance.pick(&values).to_string()));
        }
        3 => (ask.what, ask.headers) = ("a form of no content type", Vec::new()),
        4 => (ask.what, ask.headers) = ("a form called a picture", vec![("content-type", "image/png".to_owned())]),
        5 => {
            ask.what = "a token request with the wrong method";
            ask.method = game.chance.pick(&[Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS]).clone();
        }
        6 => {
            ask.what = "a secret in the query string";
            ask.target.push_str("?client_secret=x");
        }
        7 => (ask.what, ask.target) = somewhere(game, house),
        _ => {
            let (what, body) = *game.chance.pick(BODIES);
            (ask.what, ask.body) = (what, body.to_vec());
        }
    }
    game.send("A hostile sender", &Ask::Nonsense(ask))?;
    Ok(())
}

/// A path where nothing is, below the realm's mount or beside it.
fn somewhere(game: &mut Game, house: usize) -> (&'static str, String) {
    let mount = spell::mount(&game.model.houses[house]).to_owned();
    let nothing = game.chance.text(6);
    if !mount.is_empty() && game.chance.once_in(2) {
        return (NOWHERE, format!("{mount}{nothing}/token"));
    }
    ("a request to a place where nothing is", format!("{mount}/{nothing}/../token"))
}
