//! Families of refresh tokens: what every use of one, right or wrong, late or twice, leaves behind.

use super::*;
use jeton_core::endpoint::{AboutToken, AnswerForm, Ending, introspect, revoke_token};
use jeton_core::revocations::Revocations;
use jeton_core::store::{Order, Records};
use jeton_core::token::{Holder, check, use_family};

/// A house in which client credentials begin a family.
fn house(change: impl FnOnce(&mut Realm, &mut Client)) -> House {
    House::new(|realm, client| {
        realm.permissions.insert(Permission::RefreshWithClientCredentials);
        realm.settings.refresh_token = RefreshSettings {
            idle_lifetime: 1000,
            lifetime: 5000,
            with_client_credentials: WithClientCredentials::Rotating,
            ..RefreshSettings::default()
        };
        client.grants.insert(GrantName::RefreshToken);
        change(realm, client);
    })
}

/// Begins a family; answers its first refresh token.
fn begin(house: &House, seed: u8) -> String {
    house.ask(seed, &body(Some(SECRET))).expect("a token").refresh_token.expect("a refresh token")
}

fn refresh_as(house: &House, id: &str, token: &str, scope: Option<&str>) -> Result<Issued, Why> {
    let mut asked = body(Some(SECRET));
    asked.credentials.body_id = Some(id.into());
    asked.grant_type = Some("refresh_token".into());
    asked.scope = scope.map(str::to_owned);
    asked.refresh_token = Some(Presented::new(token));
    house.ask(200, &asked)
}

/// Refreshes; answers the refresh token that came.
fn refresh(house: &House, token: &str) -> Result<String, Why> {
    refresh_as(house, "build-7", token, None).map(|issued| issued.refresh_token.expect("a refresh token"))
}

fn rows<R: Record>(house: &House) -> Vec<R> {
    let all = Lookup { index: None, prefix: Vec::new(), guard: None };
    house.engine.read(house.now, |reader| reader.scan(all.clone(), None, Order::Ascending, 100)).expect("rows")
}

fn family(house: &House) -> TokenFamily {
    let mut families = rows::<TokenFamily>(house);
    assert_eq!(families.len(), 1, "one row, however often it rotates");
    families.remove(0)
}

fn change_family(house: &House, change: impl Fn(TokenFamily) -> TokenFamily) {
    let key = family(house).key;
    house.write(|records: &mut Records<'_>, _| {
        let family = records.read::<TokenFamily>(key)?.expect("the family");
        Ok(records.update(&change(family))?)
    });
}

#[test]
fn what_a_use_leaves_behind() {
    let at = |seconds: i64| NOW.plus_seconds(seconds);
    let present = TokenFamily {
        key: key("family"),
        realm: key("realm"),
        client: key("client"),
        client_id: ClientId::parse("build-7").expect("an id"),
        subject: "build-7".into(),
        scope: scope("read"),
        issued_at: NOW,
        generation: 7,
        rotated_at: Some(NOW),
        used_at: NOW,
        access_until: NOW,
        idle_until: NOW,
        ends_at: at(5000),
        revoked_at: None,
    };
    let on = RefreshSettings { idle_lifetime: 1000, ..RefreshSettings::default() };
    let off = RefreshSettings { rotation: Rotation::Off, ..on };
    let never = RefreshSettings { grace: 0, ..on };
    let later = |millis: i64| Time::from_millis(NOW.millis() + millis);
    use Holder::{Anybody, Proven};
    // Shown, settings, who, when: the generation that is handed out, and since when it waits for its first use.
    for (shown, settings, holder, now, expected) in [
        (7, on, Proven, at(9), Some((8, Some(at(9))))),
        (7, on, Anybody, at(9), Some((8, Some(at(9))))),
        (7, on, Proven, at(-86_400), Some((8, Some(at(-86_400))))),
        (7, off, Proven, at(9), Some((7, None))),
        (7, off, Anybody, at(9), Some((8, Some(at(9))))),
        (6, on, Proven, at(0), Some((7, Some(NOW)))),
        (6, on, Proven, at(30), Some((7, Some(NOW)))),
        (6, on, Proven, later(30_001), None),
        (6, on, Proven, at(-30), Some((7, Some(NOW)))),
        (6, on, Proven, later(-30_001), None),
        (6, off, Proven, at(30), Some((7, Some(NOW)))),
        (6, on, Anybody, at(1), None),
        (6, never, Proven, at(0), None),
        (5, on, Proven, at(0), None),
        (8, on, Proven, at(0), None),
        (0, on, Proven, at(0), None),
        (u64::MAX, on, Proven, at(0), None),
    ] {
        let used = use_family(&present, shown, &settings, holder, now);
        let left = used.as_ref().map(|family| (family.generation, family.rotated_at));
        assert_eq!(left, expected, "{shown} {settings:?} {holder:?} {now:?}");
        if let Some(used) = used {
            assert_eq!((used.used_at, used.idle_until, used.ends_at), (now, now.plus_seconds(1000), at(5000)));
        }
    }
    let used = TokenFamily { rotated_at: None, ..present };
    assert_eq!(use_family(&used, 6, &on, Proven, at(0)), None, "the successor was used");
}

#[test]
fn a_refresh_token_rotates_and_its_family_stays_one_row() {
    let house = house(|_, _| {});
    let mut token = begin(&house, 5);
    let first = family(&house);
    let mut seen = BTreeSet::from([token.clone()]);
    for generation in 2..=20 {
        token = refresh(&house, &token).expect("a successor");
        assert!(token.starts_with("jrf_") && token.len() == 68, "{token}");
        assert!(seen.insert(token.clone()), "a refresh token came twice");
        assert_eq!(family(&house), TokenFamily { generation, rotated_at: Some(NOW), ..first.clone() });
    }
    let stored = serde_json::to_string(&family(&house)).expect("JSON");
    assert!(seen.iter().all(|token| !stored.contains(token.as_str())), "a token is stored");
}

#[test]
fn the_access_tokens_name_the_family() {
    for format in [jwt(), AccessTokenFormat::Opaque] {
        let house = house(|realm, _| realm.settings.access_token.format = format.clone());
        let first = house.ask(5, &body(Some(SECRET))).expect("a token");
        let second = refresh_as(&house, "build-7", &first.refresh_token.expect("one"), None).expect("a token");
        for token in [first.access_token, second.access_token] {
            let state = house.state();
            let read = house.run(9, |world| {
                check(&state, &house.engine.memory, world, &token).map(|(token, _)| token).map_err(|(stop, _)| stop)
            });
            let read = read.expect("a good token");
            assert_eq!(read.family, Some(family(&house).key));
            assert!(read.expires_at <= family(&house).access_until);
        }
    }
}

/// Rows: RT-01.
#[test]
fn a_refresh_token_serves_only_its_own_client_and_realm() {
    let house = house(|_, _| {});
    let token = begin(&house, 5);
    let mut other = client("other");
    (other.kind, other.grants) = (house.client.kind.clone(), house.client.grants.clone());
    house.write(|records, _| Ok(records.insert(&other)?));
    assert_eq!(refresh_as(&house, "other", &token, None).err(), Some(Why::RefreshTokenForeign));
    assert_eq!(refresh_as(&house, "nobody", &token, None).err(), Some(Why::ClientUnknown));
    for broken in
        [&token[1..], &token[..67], &token.to_lowercase(), &format!("{token}A"), "jrf_", &format!("jrf_{}", "A".repeat(64))]
    {
        assert_eq!(refresh(&house, broken), Err(Why::RefreshTokenInvalid), "{broken}");
    }
    // Every character counts.
    for at in 4..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(refresh(&house, &changed), Err(Why::RefreshTokenInvalid), "{changed}");
    }
    assert_eq!(family(&house).generation, 1, "nobody has used it");
    // A token of another realm, even for the same family and client.
    let twin = Realm { key: key("twin"), ..house.realm.clone() };
    let twin = RealmState::open(twin, Vec::new(), &[], house.engine.data()).expect("a realm");
    let foreign = jeton_core::token::refresh_token_of(&twin, &family(&house));
    assert_eq!((foreign.len(), &foreign[..36]), (68, &token[..36]));
    assert_eq!(refresh(&house, &foreign), Err(Why::RefreshTokenInvalid));
    assert!(refresh(&house, &token).is_ok());
}

/// Rows: RT-02.
#[test]
fn scope_and_resource_narrow_one_token_and_never_the_family() {
    let house = house(|_, _| {});
    let token = begin(&house, 5);
    let asks = |token: &str, scope: Option<&str>| {
        refresh_as(&house, "build-7", token, scope).map(|issued| (issued.scope.to_string(), issued.refresh_token.expect("one")))
    };
    for (wrong, why) in
        [("read other", Why::ScopeWidened), ("read openid", Why::ScopeWidened), ("read  write", Why::ScopeMalformed)]
    {
        assert_eq!(asks(&token, Some(wrong)), Err(why), "{wrong}");
        assert_eq!(family(&house).generation, 1, "a refused scope used the token");
    }
    let (scope, second) = asks(&token, Some("read")).expect("less");
    assert_eq!(scope, "read");
    let (scope, third) = asks(&second, Some("write read")).expect("all of it again");
    assert_eq!(scope, "read write");
    assert_eq!(asks(&third, None).map(|(scope, _)| scope), Ok("read write".into()));
    let mut client = house.client.clone();
    client.scope = self::scope("write");
    house.write(|records, _| Ok(records.update(&client)?));
    let last = jeton_core::token::refresh_token_of(&house.state(), &family(&house));
    assert_eq!(asks(&last, Some("read")), Err(Why::ScopeWidened), "what was withdrawn is not given again");
    assert_eq!(asks(&last, None).map(|(scope, _)| scope), Ok("write".into()));
}

/// Rows: RT-03, RT-05.
#[test]
fn a_chain_of_twenty_within_a_second_and_then_an_old_one() {
    let mut house = house(|_, _| {});
    let mut chain = vec![begin(&house, 5)];
    for step in 0..20 {
        house.now = Time::from_millis(NOW.millis() + step * 50);
        chain.push(refresh(&house, &chain[chain.len() - 1]).expect("a successor"));
    }
    assert_eq!(house.now.seconds(), NOW.seconds());
    assert_eq!(rows::<Revocation>(&house), []);
    assert_eq!(refresh(&house, &chain[6]), Err(Why::RefreshTokenReplayed));
    let dead = family(&house);
    assert_eq!(dead.revoked_at, Some(house.now));
    let revocations = rows::<Revocation>(&house);
    assert_eq!(revocations.len(), 1);
    assert_eq!((revocations[0].target, revocations[0].until), (Revoked::Family(dead.key), dead.access_until));
    for token in &chain {
        assert_eq!(refresh(&house, token), Err(Why::RefreshTokenRevoked), "no token of a revoked family");
    }
    assert_eq!(rows::<Revocation>(&house).len(), 1);
}

/// Rows: RT-07.
#[test]
fn a_client_whose_answer_was_lost_gets_the_same_successor_until_it_is_used() {
    let mut house = house(|_, _| {});
    let first = begin(&house, 5);
    let second = refresh(&house, &first).expect("a successor");
    for seconds in [0, 10, 30, 29] {
        house.now = NOW.plus_seconds(seconds);
        let again = refresh_as(&house, "build-7", &first, Some("read")).expect("the same again");
        assert_eq!(again.refresh_token.as_deref(), Some(second.as_str()), "after {seconds} s");
        assert_eq!(again.scope.to_string(), "read");
        assert!(family(&house).access_until >= house.now.plus_seconds(3600), "the fresh access token ends with the family");
    }
    let third = refresh(&house, &second).expect("its successor");
    assert_eq!(refresh(&house, &second), Ok(third.clone()), "the newest pair is what counts");
    assert_eq!(refresh(&house, &first), Err(Why::RefreshTokenReplayed));
    assert_eq!(refresh(&house, &third), Err(Why::RefreshTokenRevoked));
}

#[test]
fn the_grace_ends_and_can_be_switched_off() {
    for (grace, after, expected) in [(30, 31_000, false), (30, 30_000, true), (0, 0, false), (120, 120_000, true)] {
        let mut house = house(|realm, _| realm.settings.refresh_token.grace = grace);
        let first = begin(&house, 5);
        let second = refresh(&house, &first).expect("a successor");
        house.now = Time::from_millis(NOW.millis() + after);
        let again = if expected { Ok(second.clone()) } else { Err(Why::RefreshTokenReplayed) };
        assert_eq!(refresh(&house, &first), again, "{grace} {after}");
        assert_eq!(refresh(&house, &second).is_ok(), expected);
    }
}

#[test]
fn a_clock_that_is_set_back_changes_nothing_about_generations() {
    let mut house = house(|_, _| {});
    let first = begin(&house, 5);
    let second = refresh(&house, &first).expect("a successor");
    house.now = NOW.plus_seconds(-900);
    let third = refresh(&house, &second).expect("a successor, by number and not by time");
    house.now = NOW.plus_seconds(-1800);
    let fourth = refresh(&house, &third).expect("a successor, by number and not by time");
    assert_eq!(refresh(&house, &second), Err(Why::RefreshTokenReplayed));
    house.now = NOW;
    assert_eq!(refresh(&house, &fourth), Err(Why::RefreshTokenRevoked));
}

#[test]
fn a_family_ends_when_it_is_idle_and_at_its_absolute_end() {
    let mut house = house(|_, _| {});
    let mut token = begin(&house, 5);
    for seconds in [999, 1998, 2997, 3996, 4995] {
        house.now = NOW.plus_seconds(seconds);
        token = refresh(&house, &token).expect("in time");
    }
    house.now = NOW.plus_seconds(4999);
    token = refresh(&house, &token).expect("in time");
    house.now = NOW.plus_seconds(5000);
    assert_eq!(refresh(&house, &token), Err(Why::RefreshTokenExpired));
    let mut house = self::house(|_, _| {});
    let token = begin(&house, 5);
    house.now = NOW.plus_seconds(1000);
    assert_eq!(refresh(&house, &token), Err(Why::RefreshTokenIdle));
    assert_eq!(family(&house).revoked_at, None, "whoever comes late is no thief");
    // Its row goes with the last of its access tokens, and what is left of it is refused without a row.
    house.now = NOW.plus_seconds(3600);
    assert_eq!(refresh(&house, &token), Err(Why::RefreshTokenExpired));
    assert_eq!(house.engine.store().sweep(house.now, 100), Ok(1));
    assert_eq!(rows::<TokenFamily>(&house), []);
}

#[test]
fn a_family_ends_with_the_tokens_of_its_client_and_of_its_realm() {
    for whose in ["client", "realm"] {
        let mut house = house(|_, _| {});
        house.now = Time::from_millis(NOW.millis() + 300);
        let old = begin(&house, 5);
        // Everything of this second dies, and what is issued in the rest of it counts from the next one.
        let next = Time::from_seconds(NOW.seconds() + 1);
        house.now = Time::from_millis(NOW.millis() + 400);
        let (mut client, mut realm) = (house.client.clone(), house.realm.clone());
        if whose == "client" {
            client.not_before = next
        } else {
            realm.not_before = next
        }
        house.write(|records, _| {
            records.update(&client)?;
            Ok(records.update(&realm)?)
        });
        house.now = Time::from_millis(NOW.millis() + 500);
        assert_eq!(refresh(&house, &old), Err(Why::RefreshTokenRevoked), "{whose}");
        let new = begin(&house, 6);
        let access = refresh_as(&house, "build-7", &new, None).expect("a family of the same second lives").access_token;
        house.now = next;
        assert_eq!(house.call("https://api.acme.example", "read", &access, None), Ok(()), "{whose}");
        house.now = NOW.plus_seconds(20);
        assert_eq!(refresh(&house, &old), Err(Why::RefreshTokenRevoked), "{whose}");
    }
}

#[test]
fn a_stopped_or_deleted_client_refreshes_nothing() {
    for (status, why) in [(Status::Disabled, Why::ClientDisabled), (Status::Deleted, Why::ClientUnknown)] {
        let house = house(|_, _| {});
        let token = begin(&house, 5);
        house.write(|records, house| Ok(records.update(&Client { status: status.clone(), ..house.client.clone() })?));
        assert_eq!(refresh(&house, &token), Err(why));
    }
}

#[test]
fn without_rotation_the_same_token_stays_good() {
    let mut house = house(|realm, _| realm.settings.refresh_token.rotation = Rotation::Off);
    let token = begin(&house, 5);
    for seconds in [0, 500, 1400] {
        house.now = NOW.plus_seconds(seconds);
        assert_eq!(refresh(&house, &token), Ok(token.clone()));
        assert_eq!((family(&house).generation, family(&house).used_at), (1, house.now));
    }
    change_family(&house, |family| TokenFamily { revoked_at: Some(NOW), ..family });
    assert_eq!(refresh(&house, &token), Err(Why::RefreshTokenRevoked));
}

#[test]
fn switching_rotation_off_revokes_nobody() {
    let house = house(|_, _| {});
    let (first, mut realm) = (begin(&house, 5), house.realm.clone());
    let second = refresh(&house, &first).expect("a successor");
    realm.settings.refresh_token.rotation = Rotation::Off;
    house.write(|records, _| Ok(records.update(&realm)?));
    assert_eq!(refresh(&house, &first), Ok(second.clone()), "a lost answer before");
    assert_eq!(refresh(&house, &second), Ok(second.clone()));
    assert_eq!(refresh(&house, &first), Err(Why::RefreshTokenReplayed), "the successor was used, though it stayed the same");
}

/// A store that was set back knows an older generation than the client does: that is no token to trust.
#[test]
fn a_token_from_after_the_store_was_set_back_ends_its_family() {
    let house = house(|_, _| {});
    let first = begin(&house, 5);
    let second = refresh(&house, &first).expect("a successor");
    let third = refresh(&house, &second).expect("a successor");
    change_family(&house, |family| TokenFamily { generation: 1, rotated_at: None, ..family });
    assert_eq!(refresh(&house, &third), Err(Why::RefreshTokenReplayed));
    assert_eq!(refresh(&house, &first), Err(Why::RefreshTokenRevoked));
}

#[test]
fn only_a_family_needs_records() {
    for (settings, needs) in [(WithClientCredentials::Sealed, false), (WithClientCredentials::Rotating, true)] {
        let house = house(|realm, _| realm.settings.refresh_token.with_client_credentials = settings);
        let state = house.state();
        house.ask(5, &body(Some(SECRET))).expect("remembers the client");
        with_world(NOW, 7, |world| {
            let asked = token(house.engine.known(&state), world, &mut Changing::later(world.facts), &body(Some(SECRET)));
            let need = matches!(asked, Err(stopped) if stopped.stop == Stop::Need(jeton_core::world::Need::Records));
            assert_eq!(need, needs, "{settings:?}");
        });
        assert_eq!(rows::<TokenFamily>(&house).len(), usize::from(needs));
    }
}

#[test]
fn a_guess_costs_no_reading() {
    let house = house(|_, _| {});
    let token = begin(&house, 5);
    let guess = format!("{}{}", &token[..67], if token.ends_with('A') { "B" } else { "A" });
    let state = house.state();
    let end = |token: &str| {
        let known = house.engine.known(&state);
        let about = AboutToken {
            credentials: body(Some(SECRET)).credentials,
            token: Some(Presented::new(token)),
            form: AnswerForm::Json,
        };
        let refresh_token = Some(Presented::new(token));
        let asked = TokenRequest { grant_type: Some("refresh_token".into()), refresh_token, ..body(Some(SECRET)) };
        with_world(NOW, 7, |world| {
            let mut later = Changing::later(world.facts);
            [
                super::token(known, world, &mut later, &asked).map(drop).map_err(|stopped| stopped.stop),
                introspect(known, world, &mut later, &about).map(drop).map_err(|stopped| stopped.stop),
                revoke_token(known, world, &mut later, &about).map(drop).map_err(|stopped| stopped.stop),
            ]
        })
    };
    assert_eq!(end(&guess), [Err(Stop::Refuse(Why::RefreshTokenInvalid)), Ok(()), Ok(())]);
    let read = || Err(Stop::Need(jeton_core::world::Need::Records));
    assert_eq!(end(&token), [read(), read(), read()]);
    // What this realm made is told apart from a guess although its family is gone.
    house.write(|records, house| {
        let gone = records.read::<TokenFamily>(family(house).key)?.expect("the family");
        records.delete(&gone);
        Ok(())
    });
    assert_eq!(refresh(&house, &token), Err(Why::RefreshTokenExpired));
    assert_eq!(refresh(&house, &guess), Err(Why::RefreshTokenInvalid));
}

#[test]
fn where_no_more_revocations_are_kept_in_mind_a_living_family_is_not_said_to_be_dead() {
    let mut house = house(|_, _| {});
    let token = begin(&house, 5);
    house.engine.memory.revocations = Revocations::with_room_for(0);
    let end = |house: &House| {
        let state = house.state();
        let facts = Facts { patience: jeton_core::world::Patience::Waits, ..Facts::default() };
        let about = AboutToken {
            credentials: body(Some(SECRET)).credentials,
            token: Some(Presented::new(&token)),
            form: AnswerForm::Json,
        };
        with_world(house.now, 7, |world| {
            let (world, known) = (World { facts: &facts, ..world.clone() }, house.engine.known(&state));
            let ended = house.engine.decide(&world, |changing, world| revoke_token(known, world, changing, &about));
            ended.map(|(ending, _)| ending).map_err(|stopped| stopped.stop)
        })
    };
    assert!(matches!(end(&house), Err(Stop::Fault(jeton_core::refusal::Fault::Unavailable(_)))));
    assert_eq!(family(&house).revoked_at, None);
    // Without an access token that lives, nothing has to be kept in mind.
    change_family(&house, |family| TokenFamily { access_until: NOW, ..family });
    assert_eq!(end(&house), Ok(Ending::Revoked));
}

/// Both forms are read where one realm has changed from one to the other.
#[test]
fn a_sealed_token_from_before_stays_good_where_families_begin() {
    let house = house(|realm, _| realm.settings.refresh_token.with_client_credentials = WithClientCredentials::Sealed);
    let sealed = begin(&house, 5);
    let mut realm = house.realm.clone();
    realm.settings.refresh_token.with_client_credentials = WithClientCredentials::Rotating;
    house.write(|records, _| Ok(records.update(&realm)?));
    assert_eq!(refresh(&house, &sealed), Ok(sealed.clone()));
    let rotating = begin(&house, 6);
    assert!(sealed.starts_with("jrt_") && rotating.starts_with("jrf_"));
    assert_ne!(refresh(&house, &rotating), Ok(rotating));
}
