//! Passwords against bcrypt hashes: slow by design, so off the async threads, one at a time, and remembered.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{config::Secret, io::random_bytes};

/// Compared with for users that do not exist, so that the time of an answer does not tell who exists.
const NOBODY: &str = "$2y$10$abcdefghijklmnopqrstuuAuqtuNaNGHrAPtMENyoKkjN6fBGTMbm";
/// Verdicts that are remembered.
const REMEMBERED: usize = 256;
/// Passwords that wait for their turn; more are refused at once, so that guessing cannot fill the memory.
const WAITING: usize = 64;

/// Checks passwords and remembers verdicts.
pub(super) struct Passwords {
    /// Makes the keys of the memory worthless outside this process.
    key: [u8; 16],
    known: Mutex<Verdicts>,
    turn: Semaphore,
    waiting: Semaphore,
}

#[derive(Default)]
struct Verdicts {
    verdicts: BTreeMap<[u8; 32], bool>,
    order: VecDeque<[u8; 32]>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            key: random_bytes(),
            known: Mutex::new(Verdicts::default()),
            turn: Semaphore::new(1),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// Whether `password` is that of `user`.
    pub(super) async fn check(
        &self,
        users: &BTreeMap<String, Secret>,
        user: String,
        password: String,
    ) -> bool {
        let known_user = users.get(&user);
        let hash = known_user.map_or(NOBODY, Secret::reveal).to_owned();
        let id = self.id(&user, &hash, &password);
        if let Some(verdict) = self.remembered(&id) {
            return verdict;
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return false;
        };
        let Ok(_turn) = self.turn.acquire().await else {
            return false;
        };
        if let Some(verdict) = self.remembered(&id) {
            return verdict;
        }
        let matches =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false))
                .await
                .unwrap_or(false);
        let verdict = matches && known_user.is_some();
        self.remember(id, verdict);
        verdict
    }

    fn id(&self, user: &str, hash: &str, password: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        for part in [user, hash, password] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn remembered(&self, id: &[u8; 32]) -> Option<bool> {
        let known = self.known.lock().expect("nothing panics under the lock");
        known.verdicts.get(id).copied()
    }

    fn remember(&self, id: [u8; 32], verdict: bool) {
        let mut known = self.known.lock().expect("nothing panics under the lock");
        if known.verdicts.insert(id, verdict).is_none() {
            known.order.push_back(id);
        }
        while known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.verdicts.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let hash = bcrypt::hash("right", 4).unwrap();
        let users = BTreeMap::from([("ann".to_owned(), Secret::new(hash))]);
        let passwords = Passwords::new();
        for _ in 0..2 {
            for (user, password, expect) in [
                ("ann", "right", true),
                ("ann", "wrong", false),
                ("bob", "right", false),
                ("ann", "", false),
            ] {
                let verdict = passwords
                    .check(&users, user.to_owned(), password.to_owned())
                    .await;
                assert_eq!(verdict, expect, "{user} {password}");
            }
        }
        let other = BTreeMap::from([(
            "ann".to_owned(),
            Secret::new(bcrypt::hash("new", 4).unwrap()),
        )]);
        assert!(
            !passwords
                .check(&other, "ann".to_owned(), "right".to_owned())
                .await
        );
    }

    #[test]
    fn the_memory_is_bounded_and_nobody_has_no_password() {
        let passwords = Passwords::new();
        for n in 0..1_000_u64 {
            passwords.remember(passwords.id(&n.to_string(), "", ""), false);
        }
        let known = passwords.known.lock().unwrap();
        assert_eq!(
            (known.verdicts.len(), known.order.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert_eq!(bcrypt::verify("x", NOBODY).ok(), Some(false));
    }
}
