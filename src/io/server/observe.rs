//! What the server tells about requests, for `/metrics`; routes count their answers themselves.

/// Counts requests.
pub trait Observer: Send + Sync {
    /// A GET request was let in.
    fn get_began(&self);

    /// It ended, or its client went away.
    fn get_ended(&self);

    /// A GET request was refused because there were too many.
    fn get_refused(&self);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn get_began(&self) {}

    fn get_ended(&self) {}

    fn get_refused(&self) {}
}
