//! What is kept on disk: keys, record formats, the alert journal, and Alertmanager's snapshot files. Bytes in, bytes out.
//!
//! Every key and every record carries its tenant, every value begins with a version byte. Opening, writing and syncing
//! the store is the shell's part.

mod alert_record;
mod error;
mod import;
mod journal;
mod keys;
mod parts;
mod records;
mod replica;
mod rule_record;

pub use error::RecordError;
pub use import::{
    Imported, read_nflog_file, read_silences_file, write_nflog_file, write_silences_file,
};
pub use journal::{AlertJournal, JournalLoad, JournalOp, MAX_BATCH_BYTES};
pub use keys::{Database, Key, Map};
pub use parts::{Joined, Joiner, Parts, StoredOp};
pub use records::{
    GroupSchedule, Heartbeat, decode_heartbeat, decode_history, decode_nflog, decode_schedules,
    decode_silence, encode_heartbeat, encode_history, encode_nflog, encode_schedules,
    encode_silence,
};
#[doc(hidden)]
pub use replica::decoders;
pub use replica::{
    AlertCopy, Refresh, Replica, ReplicaMap, decode_replica, encode_alert, encode_refreshes,
};
pub use rule_record::{decode_rule, encode_rule, encode_rule_copy};
