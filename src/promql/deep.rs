//! Room on the stack for what is nested deeply, however small the stack of the thread is.

/// What one level takes at most, with all that it calls beside further levels: regular expressions are compiled in it.
const LEAST: usize = 256 * 1024;

/// What is added where less than that is left.
const MORE: usize = 2 * 1024 * 1024;

/// For work that does not ask for room itself; only what is used of it counts.
const LARGE: usize = 32 * 1024 * 1024;

/// Runs one level of a recursion over an expression.
pub(crate) fn with_room<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(LEAST, MORE, level)
}

/// Runs what recurses over all levels of an expression without asking for room.
pub(crate) fn on_large_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(LARGE, work)
}
