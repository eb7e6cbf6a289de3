//! What the kernel says about this process's memory, and whom it kills where memory runs out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Resident memory of this process in KiB. `None` where `/proc` does not say.
pub fn resident_kib() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64) / 1024)
}

/// Thousandths of the memory that there is, by which a process counts as larger than it is.
const HANDICAP: i32 = 10;

/// The value that keeps a process from ever being chosen.
const NEVER: i32 = -1000;

/// Has the kernel choose this process before its parent where memory runs out, if they are about as large: an arbiter
/// brings dead workers back, and nobody brings back an arbiter.
///
/// # Errors
///
/// Where `/proc` cannot be read or written.
pub fn go_before_parent() -> io::Result<()> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let inherited: i32 = fs::read_to_string(FILE)?
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    if inherited == NEVER {
        return Ok(());
    }
    let own = inherited.saturating_add(HANDICAP).min(1000);
    fs::write(FILE, own.to_string())
}

/// Where the kernel counts the processes that it killed because memory ran out.
///
/// The cgroup's own count where there is one (version 2: `memory.events`, version 1:
/// `memory.oom_control`), else that of the whole machine.
#[derive(Debug)]
pub struct OutOfMemory {
    file: Option<PathBuf>,
}

impl OutOfMemory {
    /// The place that counts for this process and its children.
    pub fn of_this_process() -> OutOfMemory {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let file = candidates(&groups)
            .into_iter()
            .chain([PathBuf::from("/proc/vmstat")])
            .find(|file| count_in(file).is_some());
        OutOfMemory { file }
    }

    /// Processes killed so far. `None` where nobody counts.
    pub fn count(&self) -> Option<u64> {
        count_in(self.file.as_ref()?)
    }
}

fn count_in(file: &Path) -> Option<u64> {
    count(&fs::read_to_string(file).ok()?)
}

fn count(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// Files that may have the count, best first. Inside a container the group's path may be that of
/// the host, and its files are at the root.
fn candidates(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.events"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.oom_control")
            }
            _ => continue,
        };
        let root = Path::new(root);
        files.extend([root.join(path).join(file), root.join(file)]);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(resident_kib().is_some_and(|kib| kib > 100));
    }

    #[test]
    fn counts_are_read_from_all_three_kinds_of_files() {
        assert_eq!(
            count("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(
            count("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            Some(1)
        );
        assert_eq!(count("nr_free_pages 5\noom_kill 0\n"), Some(0));
        assert_eq!(count("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn the_group_comes_before_its_root() {
        let version_2 = candidates("0::/system.slice/web.service\n");
        assert_eq!(
            version_2[0],
            Path::new("/sys/fs/cgroup/system.slice/web.service/memory.events")
        );
        let version_1 = candidates("5:cpu:/\n4:hugetlb,memory:/docker/1\n");
        assert_eq!(
            version_1,
            [
                "/sys/fs/cgroup/memory/docker/1/memory.oom_control",
                "/sys/fs/cgroup/memory/memory.oom_control"
            ]
            .map(PathBuf::from)
        );
    }
}
