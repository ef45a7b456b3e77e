//! A disk whose power can be cut: an image with a file system of its own, on a file system that copies a file in one moment.
//!
//! The picture of the image at any moment is what had reached the disk by then; whatever the system still held back is lost in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A machine's disk.
pub struct Disk {
    directory: TempDir,
}

/// The disk as it was when the power was cut.
pub struct Cut<'a> {
    disk: &'a Disk,
}

/// Why no such disk can be made here; `None` if one can.
pub fn unavailable() -> Option<String> {
    for tool in ["mkfs.xfs", "mkfs.ext4", "mount", "umount", "losetup"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|out| out.status.success());
        if !found {
            return Some(format!("{tool} is not installed"));
        }
    }
    if !rustix::process::geteuid().is_root() {
        return Some("mounting needs root".to_owned());
    }
    Disk::new().err().map(|error| format!("no file system can be mounted here: {error}"))
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} {}: {told}", arguments.join(" "))) }
}

/// Mounts something so at this place.
pub fn mounted(arguments: &[&str], place: &Path) -> Result<(), String> {
    run("mount", &[arguments, &[&place.to_string_lossy()]].concat())
}

/// Unmounting waits for whoever was just killed.
pub fn unmounted(path: &Path) {
    for _ in 0..50 {
        if run("umount", &[&path.to_string_lossy()]).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

impl Disk {
    /// Makes the outer file system and mounts it. The disk itself is made by [`Disk::fresh`].
    pub fn new() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = Self { directory };
        for name in ["outer", "disk", "cut"] {
            std::fs::create_dir(disk.path(name)).map_err(|error| error.to_string())?;
        }
        run("truncate", &["-s", "1500M", &disk.text("outer.img")])?;
        run("mkfs.xfs", &["-q", "-m", "reflink=1", &disk.text("outer.img")])?;
        run("mount", &["-o", "loop", &disk.text("outer.img"), &disk.text("outer")])?;
        Ok(disk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A fresh, empty disk.
    pub fn fresh(&self) -> Result<(), String> {
        let _ = run("umount", &[&self.text("disk")]);
        let image = self.text("outer/disk.img");
        let _ = std::fs::remove_file(&image);
        run("truncate", &["-s", "192M", &image])?;
        run("mkfs.ext4", &["-q", &image])?;
        run("mount", &["-o", "loop", &image, &self.text("disk")])
    }

    /// Where a store may live on it.
    pub fn data(&self) -> PathBuf {
        self.path("disk").join("data")
    }

    /// A place that no power cut touches.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// Cuts the power of a copy, and mounts what is left; the disk itself goes on.
    pub fn cut(&self) -> Result<Cut<'_>, String> {
        let (image, left) = (self.text("outer/disk.img"), self.text("outer/cut.img"));
        run("cp", &["--reflink=always", &image, &left])?;
        run("mount", &["-o", "loop", &left, &self.text("cut")])?;
        Ok(Cut { disk: self })
    }
}

impl Cut<'_> {
    /// Where the store is.
    pub fn data(&self) -> PathBuf {
        self.disk.path("cut").join("data")
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        unmounted(&self.disk.path("cut"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for name in ["disk", "outer"] {
            if std::fs::read_to_string("/proc/mounts").is_ok_and(|mounts| mounts.contains(&self.text(name))) {
                unmounted(&self.path(name));
            }
        }
    }
}
