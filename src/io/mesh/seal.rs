//! Keys of a session and what is sealed with them: ChaCha20-Poly1305, a counter as nonce, one key per direction and use.

use std::fmt;

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf,
};

/// Bytes that a seal adds.
pub(super) const TAG: usize = 16;

/// Bytes of a key.
pub(super) const KEY: usize = 32;

/// A key of a session for one direction and one use.
pub(super) struct SessionKey(LessSafeKey);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(<secret>)")
    }
}

impl SessionKey {
    pub(super) fn new(bytes: &[u8; KEY]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("the length is that of keys");
        Self(LessSafeKey::new(key))
    }

    /// Seals what stands in `bytes` behind `from`; the tag is appended. A counter must not be used twice.
    pub(super) fn seal(&self, counter: u64, aad: &[u8], bytes: &mut Vec<u8>, from: usize) {
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce(counter), Aad::from(aad), &mut bytes[from..])
            .expect("frames are far below the cipher's limit");
        bytes.extend_from_slice(tag.as_ref());
    }

    /// Opens in place; `None` if it was not sealed with this key, counter and `aad`.
    pub(super) fn open(&self, counter: u64, aad: &[u8], mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let length = self
            .0
            .open_in_place(nonce(counter), Aad::from(aad), &mut bytes)
            .ok()?
            .len();
        bytes.truncate(length);
        Some(bytes)
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// HKDF-SHA256.
pub(super) fn derive(salt: &[u8], secret: &[u8], purpose: &str) -> [u8; KEY] {
    let mut key = [0; KEY];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes are within HKDF's limit");
    key
}
