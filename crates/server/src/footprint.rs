//! The footprint of this process, as the operating system sees it; `None` where it does not tell.

use rustix::process::{Resource, getrlimit};
use std::fs::{read_dir, read_to_string};

/// Memory that is in use, in bytes.
pub fn resident_bytes() -> Option<u64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Open files and sockets.
pub fn open_files() -> Option<u64> {
    u64::try_from(read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// Most open files and sockets.
pub fn most_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Processor time that was used, in whole seconds.
pub fn cpu_seconds() -> Option<u64> {
    let (user, system): (u64, u64) = (field(14)?, field(15)?);
    (user + system).checked_div(rustix::param::clock_ticks_per_second())
}

/// When the process started, in seconds of the Unix time.
pub fn started_at() -> Option<u64> {
    let system = read_to_string("/proc/stat").ok()?;
    let booted: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + field(22)?.checked_div(rustix::param::clock_ticks_per_second())?)
}

/// A number of `/proc/self/stat`, counted from 1 as in proc(5).
fn field(number: usize) -> Option<u64> {
    let stat = read_to_string("/proc/self/stat").ok()?;
    // The name of the program is the second field, and may hold spaces and brackets.
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    behind_the_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn what_the_system_tells_is_plausible() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let started = started_at().expect("told");
        // The boot time of a container or after a set clock may be seconds off, never days.
        assert!((now - 86_400..=now + 86_400).contains(&started), "{started} at {now}");
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert!(cpu_seconds().is_some_and(|seconds| seconds < 86_400));
        let open = open_files().expect("told");
        assert!(open > 2 && most_open_files().is_none_or(|most| open < most));
    }
}
