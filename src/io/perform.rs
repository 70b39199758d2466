//! Carries out effects: to the store's writers, the workers, the network and the portable files.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use tokio::runtime;

use super::{
    handle::Results,
    mesh::MeshSockets,
    notify_socket,
    portable::PortableFiles,
    run::World,
    senders::Senders,
    store::{Store, mark_batch},
    task::{self, Pool},
};
use crate::{
    node::{Effect, Input, PortableFile},
    ruler::RulerNews,
    tenant::TenantJobDone,
};

/// The world of a real process.
#[derive(Debug)]
pub struct Shell {
    store: Store,
    files: PortableFiles,
    pool: Pool,
    senders: Arc<Senders>,
    runtime: runtime::Handle,
    results: Results,
    /// `None` if clustering is switched off.
    mesh: Option<MeshSockets>,
    ruler: Option<TellRuler>,
}

/// Hands on what the ruler is to know.
pub struct TellRuler(Box<dyn Fn(RulerNews) + Send>);

impl TellRuler {
    /// `tell` must not wait.
    pub fn new(tell: impl Fn(RulerNews) + Send + 'static) -> Self {
        Self(Box::new(tell))
    }

    /// Tells it.
    pub fn tell(&self, news: RulerNews) {
        (self.0)(news);
    }
}

impl fmt::Debug for TellRuler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TellRuler")
    }
}

impl Shell {
    /// Puts it together.
    #[must_use]
    pub fn new(
        store: Store,
        files: PortableFiles,
        pool: Pool,
        senders: Arc<Senders>,
        runtime: runtime::Handle,
        results: Results,
    ) -> Self {
        Self {
            store,
            files,
            pool,
            senders,
            runtime,
            results,
            mesh: None,
            ruler: None,
        }
    }

    /// The same, in a mesh.
    #[must_use]
    pub fn with_mesh(mut self, mesh: Option<MeshSockets>) -> Self {
        self.mesh = mesh;
        self
    }

    /// The same, with a ruler.
    #[must_use]
    pub fn with_ruler(mut self, ruler: Option<TellRuler>) -> Self {
        self.ruler = ruler;
        self
    }

    fn write_file(&self, file: PortableFile, bytes: Arc<[u8]>) {
        let files = self.files.clone();
        let results = self.results.clone();
        let saver = self.store.saver();
        self.runtime.spawn_blocking(move || {
            let began = Instant::now();
            let written = files.write(file, &bytes);
            let result = match &written {
                Ok(mark) => Ok(mark.size()),
                Err(error) => Err(error.to_string()),
            };
            if let Ok(mark) = written {
                saver.save(mark_batch(file, &mark), results.clone());
            }
            results.send(Input::FileWritten {
                file,
                took: began.elapsed(),
                result,
            });
        });
    }
}

impl World for Shell {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Save(batch) => self.store.save(batch, &self.results),
            Effect::Run(job) => {
                let results = self.results.clone();
                let name = job.name();
                self.pool.run(move || {
                    let done = catch_unwind(AssertUnwindSafe(|| job.run())).unwrap_or_else(|_| {
                        tracing::error!(job = ?name, "this is a bug: a job panicked");
                        TenantJobDone::Panicked(name)
                    });
                    results.send(Input::JobDone(done));
                });
            }
            Effect::Notify(attempt) => {
                let senders = Arc::clone(&self.senders);
                let results = self.results.clone();
                task::spawn(&self.runtime, "notify", async move {
                    let number = attempt.attempt;
                    let verdict = senders.notify(*attempt).await;
                    results.send(Input::NotifyFinished {
                        attempt: number,
                        verdict,
                    });
                });
            }
            Effect::WriteFile { file, bytes } => self.write_file(file, bytes),
            Effect::Mesh(effect) => {
                if let Some(mesh) = &self.mesh {
                    mesh.perform(effect);
                }
            }
            Effect::Ruler(news) => {
                if let Some(TellRuler(tell)) = &self.ruler {
                    tell(news);
                }
            }
            // The loop's own.
            Effect::Ready => notify_socket::ready(),
            Effect::Reply { .. } | Effect::Stopped => {}
        }
    }

    fn finish(self) {
        if let Some(mesh) = &self.mesh {
            mesh.finish();
        }
        self.store.close();
    }
}
