//! The time zone of an interval, by its name in the bundled IANA database.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::IntervalError;

/// A time zone and the name it was given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    name: Box<str>,
    zone: TimeZone,
}

impl Location {
    /// Coordinated universal time, where nothing else is said.
    #[must_use]
    pub fn utc() -> Self {
        Self {
            name: "UTC".into(),
            zone: TimeZone::UTC,
        }
    }

    /// Reads `Europe/Berlin`, `UTC`, nothing (which is UTC) or `Local`, which stands for `local`.
    ///
    /// # Errors
    /// When no time zone has that name.
    pub fn parse(name: &str, local: &TimeZone) -> Result<Self, IntervalError> {
        let zone = match name {
            "" | "UTC" => return Ok(Self::utc()),
            "Local" => local.clone(),
            _ => {
                if name.contains("..") || name.starts_with(['/', '\\']) || name.contains('\\') {
                    return Err(IntervalError::InvalidLocationName);
                }
                // The database ignores case; Go's, which is a folder, does not.
                TimeZoneDatabase::bundled()
                    .get(name)
                    .ok()
                    .filter(|zone| zone.iana_name() == Some(name))
                    .ok_or_else(|| IntervalError::UnknownTimeZone(name.to_owned()))?
            }
        };
        Ok(Self {
            name: name.into(),
            zone,
        })
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let local = TimeZone::fixed(jiff::tz::offset(3));
        let parse = |name: &str| Location::parse(name, &local).map(|at| at.to_string());
        for name in [
            "UTC",
            "Europe/Berlin",
            "Local",
            "America/New_York",
            "Etc/GMT+5",
            "EST",
        ] {
            assert_eq!(parse(name), Ok(name.to_owned()));
        }
        assert_eq!(parse(""), Ok("UTC".to_owned()));
        assert_eq!(Location::parse("Local", &local).unwrap().zone(), &local);
        for (name, expect) in [
            ("Mars/Base", "unknown time zone Mars/Base"),
            ("europe/berlin", "unknown time zone europe/berlin"),
            ("../etc", "time: invalid location name"),
            ("/etc", "time: invalid location name"),
        ] {
            assert_eq!(parse(name).unwrap_err().to_string(), expect);
        }
    }
}
