//! Being told by the kernel that something in a directory changed: inotify(7).

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// What a finished change of a file looks like from its directory. Not IN_MODIFY: it comes while
/// the file is still being written.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watched directories. The descriptor is readable when something changed in one of them.
pub struct Watch {
    descriptor: OwnedFd,
    directories: HashMap<PathBuf, i32>,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Watch> {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let directories = HashMap::new();
        Ok(Watch {
            descriptor,
            directories,
        })
    }

    /// Watches one more directory; false if it is watched already.
    pub fn add(&mut self, directory: &Path) -> io::Result<bool> {
        if self.directories.contains_key(directory) {
            return Ok(false);
        }
        let number = inotify::add_watch(&self.descriptor, directory, EVENTS)?;
        self.directories.insert(directory.to_owned(), number);
        Ok(true)
    }

    /// Takes what has happened since the last call; false if that was nothing. Directories that
    /// are gone are not watched any more, and may be added again when they come back.
    pub fn take(&mut self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.descriptor, &mut buffer);
        let mut any = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    any = true;
                    if event.events().contains(ReadFlags::IGNORED) {
                        let gone = event.wd();
                        self.directories.retain(|_, number| *number != gone);
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(any),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("oxicorn-watch-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_written_and_a_renamed_file_are_noticed() {
        let path = directory("files");
        let mut watch = Watch::new().unwrap();
        assert!(watch.add(&path).unwrap());
        assert!(!watch.add(&path).unwrap());
        assert!(!watch.take().unwrap());
        fs::write(path.join("a"), "1").unwrap();
        assert!(watch.take().unwrap());
        assert!(!watch.take().unwrap());
        fs::rename(path.join("a"), path.join("b")).unwrap();
        assert!(watch.take().unwrap());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_directory_that_came_back_can_be_watched_again() {
        let path = directory("back");
        let mut watch = Watch::new().unwrap();
        watch.add(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        assert!(watch.take().unwrap());
        fs::create_dir(&path).unwrap();
        assert!(watch.add(&path).unwrap());
        fs::write(path.join("a"), "1").unwrap();
        assert!(watch.take().unwrap());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(
            Watch::new()
                .unwrap()
                .add(Path::new("/nonexistent/x"))
                .is_err()
        );
    }
}
