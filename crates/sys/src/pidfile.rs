//! The file that tells operators and their tools which process to signal.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

/// Why a pid file could not be written.
#[derive(Debug)]
pub enum Refused {
    /// The process named in the file lives.
    Running {
        /// The pid found in the file.
        pid: i32,
        /// The file.
        path: PathBuf,
    },
    /// The system said no.
    Io(io::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Running { pid, path } => write!(
                f,
                "Already running on PID {pid} (or pid file '{}' is stale)",
                path.display()
            ),
            Refused::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

/// Writes `pid` into the file at `path`, in one step for readers, unless another living process is named there.
pub fn create(path: &Path, pid: i32) -> Result<(), Refused> {
    if let Some(other) = read(path)
        && other != pid
        && is_alive(other)
    {
        return Err(Refused::Running {
            pid: other,
            path: path.to_owned(),
        });
    }
    write(path, pid)?;
    Ok(())
}

/// Removes the file if it still names `pid`; a successor's file is left alone.
pub fn remove(path: &Path, pid: i32) {
    if read(path) == Some(pid) {
        // Gone already, or a directory that became read-only: nothing that could be done about it.
        let _ = fs::remove_file(path);
    }
}

fn read(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn is_alive(pid: i32) -> bool {
    let process = if pid > 0 { Pid::from_raw(pid) } else { None };
    let Some(pid) = process else {
        return false;
    };
    // A process of another user answers EPERM: it lives.
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

fn write(path: &Path, pid: i32) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{pid}.tmp"));
    let temporary = PathBuf::from(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&temporary)
        .and_then(|mut file| {
            writeln!(file, "{pid}")?;
            // The mode given to open is cut by the umask.
            fs::set_permissions(
                &temporary,
                std::os::unix::fs::PermissionsExt::from_mode(0o644),
            )?;
            fs::rename(&temporary, path)
        });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(test: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("oxicorn-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_living_process_is_not_replaced_and_a_dead_one_is() {
        let directory = directory("pidfile");
        let path = directory.join("pid");
        let parent = std::os::unix::process::parent_id() as i32;
        fs::write(&path, format!("{parent}\n")).unwrap();
        let refused = create(&path, 7).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("Already running on PID {parent} (or pid file '")));

        for stale in ["99999999\n", "", "nonsense", "-1"] {
            fs::write(&path, stale).unwrap();
            create(&path, 7).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn only_our_own_file_is_removed() {
        let directory = directory("pidfile-remove");
        let path = directory.join("pid");
        create(&path, 7).unwrap();
        remove(&path, 8);
        assert!(path.exists());
        remove(&path, 7);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir_all(directory).unwrap();
    }
}
