//! The write-ahead log is looked at before SQLite reads it: one that lost what was acknowledged, or belongs to another file, is
//! refused.
//!
//! SQLite takes a log up to the first frame that is not whole, and forgets the rest without a word. That is right for the last
//! commit, which a loss of power may have torn. But every commit is synced before the next one is written, so where two commits
//! lie behind a broken frame, the first of them was acknowledged. And SQLite takes any log of the right name. So each log
//! carries a stamp in its first page (`user_version`), one greater than the stamp of the file it was begun on.
//! And while the machine did not go down, the index beside the log (`-shm`) still knows how many frames were acknowledged.
//! The formats: <https://sqlite.org/fileformat2.html#walformat>, <https://sqlite.org/walformat.html#the_wal_index_file_format>.

use jeton_core::store::Fault;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Where the stamp stands in page 1.
const STAMP: usize = 60;

/// Looks at the log of this database file, if there is one.
pub(super) fn examine(database: &Path) -> Result<(), Fault> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let Some(log) = read(Path::new(&log))? else { return Ok(()) };
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    if frames_of_index(Path::new(&index), &log).is_some_and(|acknowledged| acknowledged > log.whole) {
        return Err(damaged("ends too early"));
    }
    let (Some(of_log), Some(of_file)) = (log.stamp, stamp_of_file(database)?) else { return Ok(()) };
    if of_log == of_file || of_log == of_file.wrapping_add(1) {
        return Ok(());
    }
    Err(Fault::Foreign(
        "jeton.db-wal is not the log of this jeton.db: one of them is a copy from another time or place; put back the pair that belongs together, or restore a backup"
            .to_owned(),
    ))
}

/// The stamp in the file, without the log; nothing as long as the file is not a database.
fn stamp_of_file(database: &Path) -> Result<Option<u32>, Fault> {
    let mut page = [0; STAMP + 4];
    let read = File::open(database).and_then(|mut file| file.read_exact(&mut page));
    match read {
        Ok(()) => Ok(Some(word(&page, STAMP))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => Ok(None),
        Err(error) => Err(unreadable("jeton.db", &error)),
    }
}

/// How many frames the index knows of this log; nothing if the index is of another one, or not whole. It is written after the
/// log was synced, so it never knows too many.
fn frames_of_index(path: &Path, log: &Log) -> Option<u64> {
    const HALF: usize = 48;
    let mut header = [0; 2 * HALF];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).ok()?;
    let (first, second) = header.split_at(HALF);
    let native = |at: usize| u32::from_ne_bytes(std::array::from_fn(|index| first[at + index]));
    let sums = sum(cfg!(target_endian = "big"), (0, 0), &first[..40]);
    let is_whole = first == second && first[12] == 1 && sums == (native(40), native(44));
    (is_whole && first[32..40] == log.salts).then(|| u64::from(native(16)))
}

fn unreadable(name: &str, error: &std::io::Error) -> Fault {
    Fault::Unavailable(format!("{name} cannot be read: {error}"))
}

fn damaged(what: &str) -> Fault {
    Fault::Corrupt(format!("jeton.db-wal {what}, so changes that were acknowledged are lost; restore a backup"))
}

/// Reads a log to its end. `None` if there is none.
fn read(path: &Path) -> Result<Option<Log>, Fault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable("jeton.db-wal", &error)),
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER];
    // Without a frame behind it a header promises nothing.
    if !fill(&mut file, &mut header)? || header == [0; HEADER] {
        return Ok(None);
    }
    let Some(mut log) = Log::begin(&header) else {
        let has_frames = fill(&mut file, &mut [0; FRAME_HEADER])?;
        return if has_frames { Err(damaged("has a damaged header")) } else { Ok(None) };
    };
    let mut frame = vec![0; FRAME_HEADER + log.page_size];
    while fill(&mut file, &mut frame)? {
        log.take(&frame);
    }
    if log.commits_lost > 1 {
        return Err(damaged(&format!("is damaged in frame {}", log.whole + 1)));
    }
    Ok(Some(log))
}

/// Fills the buffer; `false` at the end of the file.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> Result<bool, Fault> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(unreadable("jeton.db-wal", &error)),
    }
}

/// What is known of a log while it is read.
struct Log {
    page_size: usize,
    salts: [u8; 8],
    is_big_endian: bool,
    sums: (u32, u32),
    is_broken: bool,
    /// Frames before the first broken one.
    whole: u64,
    /// Ends of commits from the first broken frame on.
    commits_lost: u32,
    /// The stamp of the last whole commit, and of the commit under way.
    stamp: Option<u32>,
    next_stamp: Option<u32>,
}

impl Log {
    fn begin(header: &[u8; HEADER]) -> Option<Self> {
        let is_big_endian = match word(header, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let sums = sum(is_big_endian, (0, 0), &header[..24]);
        let page_size = usize::try_from(word(header, 8)).ok()?;
        let is_whole = sums == (word(header, 24), word(header, 28)) && page_size.is_power_of_two();
        (is_whole && (512..=65536).contains(&page_size)).then(|| Self {
            page_size,
            salts: std::array::from_fn(|index| header[16 + index]),
            is_big_endian,
            sums,
            is_broken: false,
            whole: 0,
            commits_lost: 0,
            stamp: None,
            next_stamp: None,
        })
    }

    fn take(&mut self, frame: &[u8]) {
        let has_salts = frame[8..16] == self.salts;
        let is_commit = word(frame, 4) != 0;
        if !self.is_broken {
            let sums = sum(self.is_big_endian, self.sums, &frame[..8]);
            let sums = sum(self.is_big_endian, sums, &frame[FRAME_HEADER..]);
            self.is_broken = !has_salts || sums != (word(frame, 16), word(frame, 20));
            self.sums = sums;
        }
        if self.is_broken {
            self.commits_lost += u32::from(has_salts && is_commit);
            return;
        }
        self.whole += 1;
        if word(frame, 0) == 1 {
            self.next_stamp = Some(word(frame, FRAME_HEADER + STAMP));
        }
        if is_commit {
            self.stamp = self.next_stamp;
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|index| bytes[at + index]))
}

/// SQLite's checksum of a log, gone on with.
fn sum(is_big_endian: bool, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let read = |four: &[u8]| {
        let four = std::array::from_fn(|index| four[index]);
        if is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for eight in bytes.chunks_exact(8) {
        first = first.wrapping_add(read(&eight[..4])).wrapping_add(second);
        second = second.wrapping_add(read(&eight[4..])).wrapping_add(first);
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use crate::SqliteStore;
    use jeton_core::name::{Key, Time};
    use jeton_core::record::{LastUse, Record};
    use jeton_core::store::{Batch, Fault, Row, Store, Write};
    use std::path::{Path, PathBuf};

    fn commit(store: &SqliteStore, number: u8) {
        let key = Key::from_bytes([number; 16]);
        let row = Row { key, version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body: vec![b'1'; 3000] };
        let writes = vec![Write::Insert(LastUse::KIND, row)];
        store.commit(Batch { id: key, now: Time::from_millis(0), guards: Vec::new(), writes }).expect("commits");
    }

    /// The files of a store as a crash would leave them: a copy of what a running one has.
    fn crashed(store: &Path, into: &Path) {
        std::fs::create_dir_all(into).expect("is made");
        for name in ["jeton.db", "jeton.db-wal"] {
            drop(std::fs::copy(store.join(name), into.join(name)));
        }
    }

    fn refused(directory: &Path) -> String {
        SqliteStore::open(directory).err().expect("is refused").to_string()
    }

    fn change(path: PathBuf, at: usize) {
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[at] ^= 4;
        std::fs::write(path, bytes).expect("writes");
    }

    #[test]
    fn a_log_that_lost_acknowledged_commits_is_refused_and_a_torn_end_is_not() {
        let room = tempfile::tempdir().expect("works");
        let live = room.path().join("live");
        let store = SqliteStore::open(&live).expect("opens");
        for number in 1..=5 {
            commit(&store, number);
        }
        let length = std::fs::metadata(live.join("jeton.db-wal")).expect("is there").len() as usize;
        let opens = |name: &str, at: usize| {
            let copy = room.path().join(name);
            crashed(&live, &copy);
            change(copy.join("jeton.db-wal"), at);
            SqliteStore::open(&copy).map(drop)
        };
        assert!(matches!(opens("header", 20), Err(Fault::Corrupt(_))));
        assert!(matches!(opens("first frame", 32 + 24 + 100), Err(Fault::Corrupt(_))));
        assert_eq!(opens("last byte", length - 1), Ok(()), "the last commit may have been torn");
        // The index of the log knows that it was not.
        let copy = room.path().join("with index");
        crashed(&live, &copy);
        std::fs::copy(live.join("jeton.db-shm"), copy.join("jeton.db-shm")).expect("copies");
        let log = std::fs::OpenOptions::new().write(true).open(copy.join("jeton.db-wal")).expect("opens");
        log.set_len(length as u64 - 1).expect("is cut");
        assert!(refused(&copy).contains("ends too early"));
    }

    #[test]
    fn the_log_of_another_time_or_file_is_refused() {
        let room = tempfile::tempdir().expect("works");
        let (live, old, other) = (room.path().join("live"), room.path().join("old"), room.path().join("other"));
        let store = SqliteStore::open(&live).expect("opens");
        commit(&store, 1);
        crashed(&live, &old);
        commit(&store, 2);
        drop(store);
        assert!(!live.join("jeton.db-wal").exists());
        std::fs::copy(old.join("jeton.db-wal"), live.join("jeton.db-wal")).expect("copies");
        assert!(refused(&live).contains("not the log of this jeton.db"));
        drop(SqliteStore::open(&other).expect("opens"));
        std::fs::copy(old.join("jeton.db-wal"), other.join("jeton.db-wal")).expect("copies");
        assert!(refused(&other).contains("not the log of this jeton.db"));
        drop(SqliteStore::open(&old).expect("the pair belongs together"));
    }
}
