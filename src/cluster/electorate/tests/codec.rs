//! Bytes of others.
