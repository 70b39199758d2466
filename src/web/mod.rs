//! The page at `/`: static files, embedded.

mod page;

pub(crate) use page::router;
