//! Go's types, as far as functions and errors name them.

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`: anything, and no value at all.
    Reflect,
    Int,
    Str,
    Duration,
    Time,
    /// `*time.Location`
    Zone,
    Month,
    /// `[]string`
    Strings,
    /// `[]interface {}`
    List,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Int => "int",
            Self::Str => "string",
            Self::Duration => "time.Duration",
            Self::Time => "time.Time",
            Self::Zone => "*time.Location",
            Self::Month => "time.Month",
            Self::Strings => "[]string",
            Self::List => "[]interface {}",
        }
    }
}
