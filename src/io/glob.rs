//! Files by pattern, as Go's `filepath.Glob` finds them: `*`, `?`, `[a-z]`, `[^a]` and `\`, one path element at a time.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// More files than this are of no use to anybody.
const MAX_FILES: usize = 10_000;

/// The files that `pattern` matches, sorted; `None` if it is malformed.
#[must_use]
pub fn glob(pattern: &str) -> Option<Vec<PathBuf>> {
    if pattern.split('/').any(|part| !is_well_formed(part)) {
        return None;
    }
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = BTreeSet::from([PathBuf::from(start)]);
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found
            .iter()
            .flat_map(|base| matching(base, part))
            .take(MAX_FILES)
            .collect();
    }
    Some(found.into_iter().filter(|path| path.exists()).collect())
}

fn matching(base: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[', '\\']) {
        return vec![base.join(part)];
    }
    let directory = if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        base
    };
    let pattern: Vec<char> = part.chars().collect();
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| matches(&pattern, &name.chars().collect::<Vec<_>>()))
        .map(|name| base.join(name))
        .collect()
}

/// Whether brackets are closed and nothing is escaped at the end.
fn is_well_formed(part: &str) -> bool {
    let mut rest: &[char] = &part.chars().collect::<Vec<_>>();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            '\\' if after.is_empty() => return false,
            '\\' => &after[1..],
            '[' => match class(after, '\0') {
                Some((_, after)) => after,
                None => return false,
            },
            _ => after,
        };
    }
    true
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    let mut from = (pattern, name);
    // Where to go on if what follows the last star does not match.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        let (pattern, name) = from;
        let step = match (pattern.split_first(), name.split_first()) {
            (None, None) => return true,
            (Some(('*', after)), _) => {
                retry = Some((after, name));
                from = (after, name);
                continue;
            }
            (Some((first, after)), Some((c, rest))) => match first {
                '?' => Some((after, rest)),
                '[' => class(after, *c).and_then(|(hit, after)| hit.then_some((after, rest))),
                '\\' => after
                    .split_first()
                    .filter(|(escaped, _)| *escaped == c)
                    .map(|(_, after)| (after, rest)),
                plain => (plain == c).then_some((after, rest)),
            },
            (None, Some(_)) | (Some(_), None) => None,
        };
        from = match (step, &mut retry) {
            (Some(next), _) => next,
            (None, Some((after, name))) => match name.split_first() {
                Some((_, rest)) => {
                    *name = rest;
                    (*after, rest)
                }
                None => return false,
            },
            (None, None) => return false,
        };
    }
}

/// Reads a class after its `[`: whether `c` is in it, and what follows; `None` if it is not closed.
fn class(pattern: &[char], c: char) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern.split_first()? {
        ('^', after) => (true, after),
        _ => (false, pattern),
    };
    let mut hit = false;
    let mut first = true;
    loop {
        let (next, after) = rest.split_first()?;
        if *next == ']' && !first {
            return Some((hit != negated, after));
        }
        first = false;
        let (low, after) = bound(*next, after)?;
        let (high, after) = match after.split_first()? {
            ('-', after) => {
                let (next, after) = after.split_first()?;
                bound(*next, after)?
            }
            _ => (low, after),
        };
        hit |= (low..=high).contains(&c);
        rest = after;
    }
}

fn bound(next: char, after: &[char]) -> Option<(char, &[char])> {
    match next {
        '\\' => after.split_first().map(|(c, after)| (*c, after)),
        '-' | ']' => None,
        c => Some((c, after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_go() {
        for (pattern, name, expect) in [
            ("*.tmpl", "a.tmpl", true),
            ("*.tmpl", "a.tmpl.bak", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?", "é", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
            ("**", "abc", true),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(
                matches(&chars(pattern), &chars(name)),
                expect,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn files_are_found() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.tmpl", "b.tmpl", "c.txt"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let base = directory.path().to_str().unwrap();
        let names = |pattern: &str| {
            glob(&format!("{base}/{pattern}")).map(|found| {
                found
                    .iter()
                    .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(names("*.tmpl").unwrap(), ["a.tmpl", "b.tmpl"]);
        assert_eq!(names("c.txt").unwrap(), ["c.txt"]);
        assert_eq!(names("d.txt").unwrap(), Vec::<String>::new());
        for malformed in ["[", "a\\", "[]a", "[-]"] {
            assert_eq!(names(malformed), None, "{malformed}");
        }
    }
}
