//! Decoders of what other nodes and servers send, by name, for tests that feed each of them what nobody sends.

use std::fmt::Debug;

/// What became of bytes that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What they say.
    pub text: String,
    /// What is read when that is written again.
    pub again: Option<String>,
}

/// Something done with bytes.
type OnBytes<T> = Box<dyn Fn(&[u8]) -> T>;

/// A decoder.
pub struct Decoder {
    name: String,
    read: OnBytes<bool>,
    decode: OnBytes<Option<Decoded>>,
}

impl Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Decoder {
    /// Makes a decoder of the function that reads and the one that writes.
    pub fn new<T: Debug>(
        name: impl Into<String>,
        read: impl Fn(&[u8]) -> Option<T> + Copy + 'static,
        write: impl Fn(T) -> Vec<u8> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            read: Box::new(move |bytes| read(bytes).is_some()),
            decode: Box::new(move |bytes| {
                let value = read(bytes)?;
                let text = format!("{value:?}");
                let again = read(&write(value)).map(|value| format!("{value:?}"));
                Some(Decoded { text, again })
            }),
        }
    }

    /// Makes a decoder of the function that reads what only others write.
    pub fn of_reader<T>(
        name: impl Into<String>,
        read: impl Fn(&[u8]) -> Option<T> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            read: Box::new(move |bytes| read(bytes).is_some()),
            decode: Box::new(|_| None),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether bytes can be read; nothing else is done with them.
    #[must_use]
    pub fn reads(&self, bytes: &[u8]) -> bool {
        (self.read)(bytes)
    }

    /// What bytes say; `None` if they cannot be read, or only others write them.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Option<Decoded> {
        (self.decode)(bytes)
    }
}
