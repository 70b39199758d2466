//! Frames on a stream: four bytes of length, big endian, then that many bytes, sealed if the session has keys.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::seal::{SessionKey, TAG};
use crate::cluster::MAX_FRAME;

/// Bytes of the length.
const HEAD: usize = 4;

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The other side closed the connection between two frames.
    #[error("the other side closed the connection")]
    End,
    /// It ended or failed elsewhere.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No frame of ours is so long.
    #[error("a frame of {0} bytes came, more than is allowed")]
    TooLong(usize),
    /// It was not sealed by the other side, or frames are missing.
    #[error("a frame came that the other side did not seal")]
    Seal,
}

impl FrameError {
    /// Whether the other side closed the connection, between two frames or within one.
    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::End => true,
            Self::Io(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            Self::TooLong(_) | Self::Seal => false,
        }
    }
}

/// Writes frames.
#[derive(Debug)]
pub(super) struct FrameWriter {
    key: Option<SessionKey>,
    counter: u64,
}

impl FrameWriter {
    pub(super) fn new(key: Option<SessionKey>) -> Self {
        Self { key, counter: 0 }
    }

    /// Appends a frame of at most [`MAX_FRAME`] bytes to what is to be written.
    pub(super) fn append(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        let sealed = frame.len() + self.key.as_ref().map_or(0, |_| TAG);
        let length = u32::try_from(sealed).expect("frames are bounded");
        out.extend_from_slice(&length.to_be_bytes());
        let from = out.len();
        out.extend_from_slice(frame);
        if let Some(key) = &self.key {
            key.seal(self.counter, &[], out, from);
            self.counter += 1;
        }
    }
}

/// Reads frames.
#[derive(Debug)]
pub(super) struct FrameReader {
    key: Option<SessionKey>,
    counter: u64,
}

impl FrameReader {
    pub(super) fn new(key: Option<SessionKey>) -> Self {
        Self { key, counter: 0 }
    }

    /// Reads the next frame.
    pub(super) async fn read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin + ?Sized),
    ) -> Result<Vec<u8>, FrameError> {
        let mut head = [0; HEAD];
        if from.read(&mut head[..1]).await? == 0 {
            return Err(FrameError::End);
        }
        from.read_exact(&mut head[1..]).await?;
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        let most = MAX_FRAME + self.key.as_ref().map_or(0, |_| TAG);
        if length > most {
            return Err(FrameError::TooLong(length));
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes).await?;
        let Some(key) = &self.key else {
            return Ok(bytes);
        };
        let opened = key.open(self.counter, &[], bytes).ok_or(FrameError::Seal)?;
        self.counter += 1;
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn key(sealed: bool) -> Option<SessionKey> {
        sealed.then(|| SessionKey::new(&[7; 32]))
    }

    async fn read_all(sealed: bool, mut bytes: &[u8]) -> (Vec<Vec<u8>>, FrameError) {
        let mut reader = FrameReader::new(key(sealed));
        let mut frames = Vec::new();
        loop {
            match reader.read(&mut bytes).await {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, error),
            }
        }
    }

    proptest! {
        #[test]
        fn frames_come_back(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..8), sealed: bool) {
            let mut writer = FrameWriter::new(key(sealed));
            let mut wire = Vec::new();
            for frame in &frames {
                writer.append(frame, &mut wire);
            }
            let (read, end) = block_on(read_all(sealed, &wire));
            prop_assert_eq!(&read, &frames);
            prop_assert!(matches!(end, FrameError::End));
            // Cut anywhere: whole frames, then an end or an error.
            for cut in 0..wire.len().min(64) {
                let (read, _) = block_on(read_all(sealed, &wire[..cut]));
                prop_assert!(frames.starts_with(&read));
            }
        }

        #[test]
        fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..2000), sealed: bool) {
            let (frames, _) = block_on(read_all(sealed, &bytes));
            prop_assert!(!sealed || frames.is_empty());
        }

        #[test]
        fn a_changed_byte_is_no_frame(frame in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, by in 1_u8..) {
            let mut wire = Vec::new();
            FrameWriter::new(key(true)).append(&frame, &mut wire);
            let at = at.index(wire.len());
            wire[at] ^= by;
            let (read, _) = block_on(read_all(true, &wire));
            prop_assert!(read.is_empty());
        }
    }

    #[test]
    fn frames_have_an_order_and_a_size() {
        let mut writer = FrameWriter::new(key(true));
        let (mut first, mut second) = (Vec::new(), Vec::new());
        writer.append(b"one", &mut first);
        writer.append(b"two", &mut second);
        let swapped = [second, first.clone()].concat();
        let (read, error) = block_on(read_all(true, &swapped));
        assert!(read.is_empty() && matches!(error, FrameError::Seal));
        let twice = [first.clone(), first].concat();
        assert_eq!(block_on(read_all(true, &twice)).0.len(), 1);
        for sealed in [false, true] {
            let mut wire = Vec::new();
            FrameWriter::new(key(sealed)).append(&vec![1; MAX_FRAME], &mut wire);
            assert_eq!(block_on(read_all(sealed, &wire)).0[0].len(), MAX_FRAME);
            let long = u32::try_from(MAX_FRAME + TAG + 1).unwrap().to_be_bytes();
            let (_, error) = block_on(read_all(sealed, &long));
            assert!(matches!(error, FrameError::TooLong(_)), "{error}");
        }
    }
}
