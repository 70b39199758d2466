//! Where a queue keeps its segments.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::mark::SLOT;

/// What the queue needs of a directory; tests have one that forgets what was not synced.
pub(super) trait Disk {
    /// Numbers and lengths in bytes of all segments, in any order.
    fn segments(&mut self) -> io::Result<Vec<(u64, u64)>>;
    /// Makes a new segment; what is appended goes there from now on.
    fn create(&mut self, number: u64) -> io::Result<()>;
    /// Appends to the segment that was made last.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Reads all of `into`.
    fn read(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Cuts the end of a segment off.
    fn cut(&mut self, number: u64, length: u64) -> io::Result<()>;
    /// Removes a segment.
    fn remove(&mut self, number: u64) -> io::Result<()>;
    /// Both slots of the mark, as far as there are any.
    fn load_mark(&mut self) -> io::Result<Vec<u8>>;
    /// Writes a slot of the mark.
    fn store_mark(&mut self, slot: u64, bytes: &[u8; SLOT]) -> io::Result<()>;
    /// Waits until everything is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// How the files of segments end.
const ENDING: &str = ".segment";

/// The file of the mark.
const MARK: &str = "taken";

/// A directory of the file system.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The segment that is written.
    writing: Option<File>,
    /// The segment that was read last.
    reading: Option<(u64, File)>,
    mark: File,
    marked: bool,
    /// Whether files were made since the last sync.
    made: bool,
}

impl Directory {
    /// Opens a directory, which is made if it is not there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let mark = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(path.join(MARK))?;
        Ok(Self {
            path: path.to_owned(),
            writing: None,
            reading: None,
            mark,
            marked: true,
            made: true,
        })
    }

    fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016}{ENDING}"))
    }
}

impl Disk for Directory {
    fn segments(&mut self) -> io::Result<Vec<(u64, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            if let Some(Ok(number)) = number.map(str::parse) {
                segments.push((number, entry.metadata()?.len()));
            }
        }
        Ok(segments)
    }

    fn create(&mut self, number: u64) -> io::Result<()> {
        // What was written before must not be less durable than what comes after.
        self.sync()?;
        let path = self.file(number);
        let made = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(path)?;
        self.writing = Some(made);
        self.made = true;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.writing {
            Some(file) => file.write_all(bytes),
            None => Err(io::Error::other("no segment is open")),
        }
    }

    fn read(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let mut file = match self.reading.take() {
            Some((known, file)) if known == number => file,
            Some(_) | None => File::open(self.file(number))?,
        };
        file.seek(SeekFrom::Start(offset))?;
        let read = file.read_exact(into);
        self.reading = Some((number, file));
        read
    }

    fn cut(&mut self, number: u64, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.file(number))?;
        file.set_len(length)?;
        file.sync_data()
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        if self
            .reading
            .as_ref()
            .is_some_and(|(known, _)| *known == number)
        {
            self.reading = None;
        }
        fs::remove_file(self.file(number))
    }

    fn load_mark(&mut self) -> io::Result<Vec<u8>> {
        let mut slots = Vec::new();
        self.mark.seek(SeekFrom::Start(0))?;
        let both = u64::try_from(2 * SLOT).unwrap_or(u64::MAX);
        (&mut self.mark).take(both).read_to_end(&mut slots)?;
        Ok(slots)
    }

    fn store_mark(&mut self, slot: u64, bytes: &[u8; SLOT]) -> io::Result<()> {
        let size = u64::try_from(SLOT).unwrap_or(u64::MAX);
        self.mark.seek(SeekFrom::Start(slot * size))?;
        self.mark.write_all(bytes)?;
        self.marked = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &self.writing {
            file.sync_data()?;
        }
        if std::mem::take(&mut self.marked) {
            self.mark.sync_data()?;
        }
        if std::mem::take(&mut self.made) {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }
}
