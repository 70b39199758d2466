//! What a node continues from: the store's records, and Alertmanager's own files where they are newer.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crate::{
    io::{LoopStats, PortableFiles, Record, Store, StoreError, StoreStats},
    node::PortableFile,
    storage::{Key, Map, read_nflog_file, read_silences_file},
    tenant::Saved,
};

/// The tenant of a node without multi-tenancy.
pub(super) const TENANT: &str = "anonymous";

/// Everything that was opened.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) files: PortableFiles,
    pub(super) saved: Saved,
    /// Small facts about the node, by name.
    pub(super) facts: BTreeMap<String, Vec<u8>>,
    pub(super) store_stats: Arc<StoreStats>,
    pub(super) loop_stats: Arc<LoopStats>,
    /// What an operator should know, for the log and the status page.
    pub(super) warnings: Vec<String>,
}

/// Opens the store and reads everything. Only a directory that cannot be used stops the start.
pub(super) fn open(storage_path: &Path) -> Result<Opened, StoreError> {
    let store_stats = Arc::new(StoreStats::default());
    let mut records = Vec::new();
    let store = Store::open(storage_path, Arc::clone(&store_stats), |_, chunk| {
        records.extend(chunk);
    })?;
    let mut warnings: Vec<String> = store
        .damaged()
        .iter()
        .map(|path| {
            format!(
                "a database was damaged and set aside as {}; what could be read of it is kept",
                path.display()
            )
        })
        .collect();
    let facts = facts(&records);
    let (mut saved, damaged) = Saved::decode(records, TENANT);
    for record in &damaged {
        tracing::warn!(map = ?record.map, error = record.error, "a saved record cannot be read and is left out");
    }
    if !damaged.is_empty() {
        warnings.push(format!(
            "{} saved records could not be read and were left out, see the log",
            damaged.len()
        ));
    }
    let files = PortableFiles::new(storage_path);
    files.clean();
    for file in PortableFile::ALL {
        import(&store, &files, file, &mut saved, &mut warnings);
    }
    tracing::info!(
        alerts = saved.alerts.len(),
        silences = saved.silences.len(),
        notifications = saved.nflog.len(),
        groups = saved.schedules.len(),
        "state read from the store"
    );
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok(Opened {
        store,
        files,
        saved,
        facts,
        store_stats,
        loop_stats: Arc::default(),
        warnings,
    })
}

fn facts(records: &[Record]) -> BTreeMap<String, Vec<u8>> {
    let fact = |(key, value): &Record| {
        let key = Key::decode(key).filter(|key| key.map == Map::Facts && &*key.tenant == TENANT)?;
        Some((String::from_utf8(key.id).ok()?, value.clone()))
    };
    records.iter().filter_map(fact).collect()
}

fn import(
    store: &Store,
    files: &PortableFiles,
    file: PortableFile,
    saved: &mut Saved,
    warnings: &mut Vec<String>,
) {
    let name = file.as_str();
    let bytes = match files.read_if_changed(file, store.mark(file)) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return,
        Err(error) => {
            warnings.push(format!(
                "the file {name} of an Alertmanager cannot be read: {error}"
            ));
            return;
        }
    };
    let (count, problems) = match file {
        PortableFile::Silences => {
            let read = read_silences_file(&bytes);
            saved.imported_silences = read.items;
            (saved.imported_silences.len(), read.warnings)
        }
        PortableFile::Nflog => {
            let read = read_nflog_file(&bytes);
            saved.imported_nflog = read.items;
            (saved.imported_nflog.len(), read.warnings)
        }
    };
    tracing::info!(
        file = name,
        records = count,
        "imported a file of an Alertmanager"
    );
    warnings.extend(problems);
}
