//! Splits the source into tokens.
