//! A restore puts a backup in the place of a store that does not serve: proven first, made ready apart, and then at once.
//!
//! What was revoked after the backup would live again, and nobody can tell those tokens from others. So every token issued before
//! the restore ends, unless the operator says otherwise (docs/decisions/0007-backups.md).

use super::file::BackupFile;
use super::{Look, Progress, json_flag, look};
use crate::admin::own_uid;
use crate::cli::{PLACE, yes_unless_no};
use crate::request::Moment;
use crate::rotation;
use crate::seal;
use crate::serve::make_directory;
use crate::settings::{Settings, flags};
use clap::{Arg, ArgAction, ArgMatches};
use jeton_core::name::Time;
use jeton_core::record::{Actor, Audit, KeyEnd, Lookup, Realm, SigningKeyRecord, keys_of_realm};
use jeton_core::refusal::Fault;
use jeton_core::run::Engine;
use jeton_core::store::{Order, Records};
use jeton_core::token::realm_dead_until;
use jeton_core::world::{Facts, Stop, World};
use jeton_jose::SealKey;
use jeton_store::{PostgresStore, Present, Replacement, SqliteReader, SqliteStore, schema_version};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Most realms of one store.
const MOST_REALMS: usize = 100_000;
/// Most signing keys of one realm.
const MOST_KEYS: usize = 10_000;

/// The command.
pub fn command() -> clap::Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    clap::Command::new("restore")
        .about("Put a backup in the place of a store that does not serve")
        .long_about(
            "Put a backup in the place of a store that does not serve.\n\nThe backup is proven with the seal key before anything is \
             touched. A crash leaves the old store or the restored one. What was revoked after the backup would live again, so every \
             token issued before the restore ends, and every signing key, unless you say --keep-tokens. Everything else is as it was when the backup was made.",
        )
        .after_help(
            "Examples:\n  # Into a new directory, to which the seal key was copied first\n  \
             jeton restore jeton.backup --data /var/lib/jeton\n  # In the place of a store, without being asked\n  \
             jeton restore jeton.backup --data /var/lib/jeton --replace --end-tokens\n  # From SQLite to PostgreSQL\n  \
             jeton restore jeton.backup --database-url postgres://jeton@localhost/jeton --seal-key-file seal.key",
        )
        .arg(Arg::new("file").value_name("FILE").required(true).help("What jeton backup wrote"))
        .arg(flag("replace").help("Replace the store that is there; it stays beside the new one as jeton.db.before-restore"))
        .arg(flag("end-tokens").help("End every token issued before now; this is also what holds if nobody is asked"))
        .arg(flag("keep-tokens").conflicts_with("end-tokens").help("Keep tokens alive, also those revoked since the backup"))
        .args(flags(PLACE))
        .arg(json_flag())
}

/// What becomes of tokens that were issued before the restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tokens {
    End,
    Keep,
}

/// Restores a backup.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, String> {
    let settings = Settings::load(matches).map_err(|error| error.to_string())?;
    let (started, look) = (Instant::now(), look(matches));
    let path = matches.get_one::<String>("file").map_or("", String::as_str);
    let backup = BackupFile::open(Path::new(path))?;
    let known = schema_version();
    if backup.manifest.schema > known {
        let (schema, jeton) = (backup.manifest.schema, &backup.manifest.jeton);
        return Err(format!(
            "{path} has the schema version {schema}, and this jeton knows versions up to {known}; use jeton {jeton}"
        ));
    }
    let seal = seal::open(&settings, seal::Store::Sealed).map_err(|sentence| {
        format!("{sentence}; this backup needs the seal key with the fingerprint {}", backup.manifest.seal_fingerprint)
    })?;
    backup.prove(&seal)?;
    backup.read(&mut Progress::new("proven"), |_| Ok(()))?;
    let from = backup.manifest.moment;
    let tokens = tokens(matches, look, from)?;
    let present = if matches.get_flag("replace") { Present::Goes } else { Present::Stays };
    make_directory(&settings.data).map_err(|error| error.to_string())?;
    match &settings.database_url {
        None => into_directory(&settings, &backup, &seal, (tokens, present))?,
        Some(url) => into_postgres((url.expose(), &settings), &backup, &seal, (tokens, present))?,
    }
    let rows: u64 = backup.manifest.rows.values().sum();
    let seconds = started.elapsed().as_secs_f64();
    let reverted = format!(
        "Everything else is as it was at {}: a secret or API key that was replaced or revoked since works again, a client or \
         realm that was stopped or deleted since runs again, and what was made since is gone. The audit trail ends there too, so this \
         cannot be listed from here; read what happened since in the log, or in the store that was replaced.",
        from.to_rfc3339()
    );
    let ended = match tokens {
        Tokens::End => {
            "every token issued before the restore has ended, and every signing key with them; clients fetch new tokens by \
             themselves, and verifiers the new keys within the time for which they keep the key set"
        }
        Tokens::Keep => "tokens and signing keys were kept, also those that were revoked after the backup",
    };
    let told = if look == Look::Json {
        json!({
            "rows": rows, "bytes": backup.manifest.bytes, "took_seconds": seconds, "tokens_ended": tokens == Tokens::End,
            "moment": from.to_rfc3339(), "installation": backup.manifest.installation, "reverted": reverted,
        })
        .to_string()
    } else {
        format!("restored {rows} rows from {path}\n{ended}\n\n{reverted}")
    };
    writeln!(std::io::stdout(), "{told}").map_err(|error| format!("the answer cannot be written: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

fn tokens(matches: &ArgMatches, look: Look, from: Time) -> Result<Tokens, String> {
    if matches.get_flag("keep-tokens") {
        return Ok(Tokens::Keep);
    }
    if matches.get_flag("end-tokens") || look == Look::Json {
        return Ok(Tokens::End);
    }
    let question =
        format!("Tokens that were revoked after {} would live again. End every token issued before now?", from.to_rfc3339());
    let ends = yes_unless_no(&question).map_err(|error| error.to_string())?;
    Ok(if ends { Tokens::End } else { Tokens::Keep })
}

fn into_directory(
    settings: &Settings,
    backup: &BackupFile,
    seal: &SealKey,
    (tokens, present): (Tokens, Present),
) -> Result<(), String> {
    let faulty = |fault: Fault| fault.to_string();
    let replacement = Replacement::begin(&settings.data).map_err(faulty)?;
    if replacement.has_store() && present == Present::Stays {
        let data = settings.data.display();
        return Err(format!("there is a store in {data} already; say --replace to put the backup in its place"));
    }
    stage(&replacement, settings, backup, (seal, tokens))?;
    replacement.commit().map_err(faulty)
}

/// A store elsewhere is filled in one transaction, from a copy in which the tokens have ended already.
fn into_postgres(
    (url, settings): (&str, &Settings),
    backup: &BackupFile,
    seal: &SealKey,
    (tokens, present): (Tokens, Present),
) -> Result<(), String> {
    let faulty = |fault: Fault| fault.to_string();
    let room = settings.data.join(format!("restore-{}", std::process::id()));
    let replacement = Replacement::begin(&room).map_err(faulty)?;
    let filled = stage(&replacement, settings, backup, (seal, tokens)).and_then(|()| {
        let reader = SqliteReader::of_directory(&replacement.staging()).map_err(faulty)?;
        let mut progress = Progress::new("restored");
        let mut filled = Ok(());
        reader
            .view(Time::from_millis(i64::MIN), &mut |view| {
                filled = PostgresStore::fill(url, view, present, &mut |rows| progress.rows(rows));
                Ok(())
            })
            .map_err(faulty)?;
        filled.map_err(faulty)
    });
    let _ = std::fs::remove_dir_all(&room);
    filled
}

/// Makes the restored store ready apart from the old one: copied, proven again, tokens ended, closed.
fn stage(
    replacement: &Replacement,
    settings: &Settings,
    backup: &BackupFile,
    (seal, tokens): (&SealKey, Tokens),
) -> Result<(), String> {
    let mut broken = Ok(());
    let copy = |file: &mut std::fs::File| {
        broken = backup.read(&mut Progress::new("copied"), |piece| file.write_all(piece));
        broken.clone().map_err(std::io::Error::other)
    };
    let staged = replacement.stage(copy);
    broken?;
    let staged: SqliteStore = staged.map_err(|fault| fault.to_string())?;
    let moment = Moment::present();
    let facts = Facts::default();
    let world = moment.world(&facts);
    let engine = Engine::open(Arc::new(staged), seal, &world).map_err(|fault| fault.to_string())?;
    let actor = Actor::Local { uid: own_uid(&settings.data) };
    let done = engine.transact(&world, |records, world| note(records, world, (&actor, backup, tokens)));
    done.map_err(|stop| match stop {
        Stop::Fault(fault) => fault.to_string(),
        _ => "a restore asks for nothing".to_owned(),
    })?;
    // What was ended has its successor before the first request.
    rotation::begin(&engine).map_err(|stop| format!("new signing keys cannot be made: {stop}"))
}

/// Ends what shall end, and writes down that the store was restored.
fn note(
    records: &mut Records<'_>,
    world: &World<'_>,
    (actor, backup, tokens): (&Actor, &BackupFile, Tokens),
) -> Result<(), Stop> {
    if tokens == Tokens::End {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let realms: Vec<Realm> = records.scan(all, None, Order::Ascending, MOST_REALMS)?;
        for realm in realms {
            // A key that was revoked since would sign again, and whoever has it would date what it signs anew.
            let keys: Vec<SigningKeyRecord> = records.scan(keys_of_realm(realm.key), None, Order::Ascending, MOST_KEYS)?;
            for key in keys.iter().filter(|key| key.state.is_published()) {
                records.update(&key.gone(world.now, KeyEnd::Revoked))?;
            }
            let not_before = realm_dead_until(realm.not_before, world.now);
            records.update(&Realm { not_before, ..realm })?;
        }
    }
    records.insert(&Audit {
        key: world.new_key("audit"),
        actor: actor.clone(),
        realm: None,
        action: "store.restore".to_owned(),
        target: "store".to_owned(),
        detail: json!({
            "backup_from": backup.manifest.moment.to_rfc3339(), "digest": backup.manifest.digest,
            "tokens_and_signing_keys": if tokens == Tokens::End { "ended" } else { "kept" },
        }),
        request_id: world.request_id.clone(),
    })?;
    Ok(())
}
