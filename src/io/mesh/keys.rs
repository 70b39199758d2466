//! `--cluster.secret-file`: the keys that all nodes share, one a line, read again when the file changes.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};

use super::{
    preamble::MAX_KEYS,
    seal::{KEY, derive},
};

/// Names a key without giving it away.
pub(super) type KeyId = [u8; 8];

/// A file of keys is small.
const MAX_FILE: u64 = 64 << 10;

/// The keys of the file.
#[derive(PartialEq, Eq)]
pub(super) struct Keys(Vec<(KeyId, [u8; KEY])>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} <secret>)", self.0.len())
    }
}

impl Keys {
    /// Their ids, the one that seals first.
    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.0.iter().map(|(id, _)| *id).collect()
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&[u8; KEY]> {
        self.0
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, key)| key)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<(KeyId, [u8; KEY])> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            // The line is not quoted: it may be a key with a typing error.
            let key = decode(line).ok_or_else(|| {
                format!("line {number} is no key: 32 bytes in base64 or as 64 hexadecimal digits are expected, such as \
                         `openssl rand -base64 32` prints")
            })?;
            let id = key_id(&key);
            if !keys.iter().any(|(known, _)| *known == id) {
                keys.push((id, key));
            }
        }
        match keys.len() {
            0 => Err("there is no key in it".to_owned()),
            1..=MAX_KEYS => Ok(Self(keys)),
            count => Err(format!("{count} keys are in it, more than {MAX_KEYS}")),
        }
    }
}

fn decode(line: &str) -> Option<[u8; KEY]> {
    let bytes = if line.len() == 2 * KEY && line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        (0..KEY)
            .map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).ok())
            .collect::<Option<Vec<u8>>>()
    } else {
        let decoded = STANDARD
            .decode(line)
            .or_else(|_padding| STANDARD_NO_PAD.decode(line));
        decoded.ok()
    };
    bytes?.try_into().ok()
}

fn key_id(key: &[u8; KEY]) -> KeyId {
    let hash = derive(b"watchfire mesh", key, "id of key");
    *hash.first_chunk().expect("a hash is longer than an id")
}

/// The file, and what it said when it was last good.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Arc<Keys>,
    seen: Seen,
}

/// Enough of a file to notice its change.
type Seen = Option<(SystemTime, u64, u64)>;

impl KeyFile {
    /// Reads the file.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let seen = look(path);
        let keys = Arc::new(read(path)?);
        let state = Mutex::new(State { keys, seen });
        Ok(Self {
            path: path.to_owned(),
            state,
        })
    }

    pub(super) fn current(&self) -> Arc<Keys> {
        Arc::clone(
            &self
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .keys,
        )
    }

    /// Reads the file again if it changed; a broken one keeps what was there.
    pub(super) fn refresh(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look(&self.path);
        if seen == state.seen {
            return;
        }
        state.seen = seen;
        match read(&self.path) {
            Ok(keys) if keys == *state.keys => {}
            Ok(keys) => {
                tracing::info!(
                    component = "cluster",
                    file = %self.path.display(),
                    keys = keys.0.len(),
                    "the keys of the mesh were read again"
                );
                state.keys = Arc::new(keys);
            }
            Err(error) => tracing::error!(
                component = "cluster",
                error,
                "--cluster.secret-file changed and cannot be used; the keys before stay in force"
            ),
        }
    }
}

fn read(path: &Path) -> Result<Keys, String> {
    let at = |error: String| format!("{}: {error}", path.display());
    let size = fs::metadata(path)
        .map_err(|error| at(error.to_string()))?
        .len();
    if size > MAX_FILE {
        return Err(at("the file is larger than 64 KiB".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
    Keys::parse(&text).map_err(at)
}

/// The time, the size and the inode of a file.
pub(super) fn look(path: &Path) -> Seen {
    use std::os::unix::fs::MetadataExt as _;
    let file = fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hexadecimal_or_base64() {
        let hex = "0123456789abcdef".repeat(4);
        let base64 = STANDARD.encode([7; 32]);
        let bare = STANDARD_NO_PAD.encode([8; 32]);
        let text = format!("# ours\n\n{hex}  # first\r\n{base64}\n {bare}\n{base64}\n");
        let keys = Keys::parse(&text).unwrap();
        assert_eq!(keys.0.len(), 3);
        assert_eq!(keys.0[1].1, [7; 32]);
        assert_eq!(keys.get(keys.ids()[2]), Some(&[8; 32]));
        assert_eq!(format!("{keys:?}"), "Keys(3 <secret>)");
        for (text, expect) in [
            ("", "there is no key"),
            ("# only this", "there is no key"),
            ("secret123", "line 1 is no key"),
            ("\nAAAA", "line 2 is no key"),
        ] {
            let error = Keys::parse(text).unwrap_err();
            assert!(
                error.contains(expect) && !error.contains("secret123"),
                "{error}"
            );
        }
        let many: Vec<String> = (0..17).map(|i| STANDARD.encode([i; 32])).collect();
        assert!(
            Keys::parse(&many.join("\n"))
                .unwrap_err()
                .contains("17 keys")
        );
    }

    #[test]
    fn a_file_that_breaks_keeps_its_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        fs::write(&path, STANDARD.encode([1; 32])).unwrap();
        let file = KeyFile::open(&path).unwrap();
        let before = file.current();
        fs::write(&path, "no key").unwrap();
        file.refresh();
        assert_eq!(file.current(), before);
        fs::write(&path, format!("{0}\n{0}\n", STANDARD.encode([2; 32]))).unwrap();
        file.refresh();
        assert_eq!(file.current().get(key_id(&[2; 32])), Some(&[2; 32]));
        fs::remove_file(&path).unwrap();
        file.refresh();
        assert_eq!(file.current().0.len(), 1);
        assert!(KeyFile::open(&path).unwrap_err().contains("keys: "));
    }
}
