//! The key that was meant.

/// The key that is at most two letters away, the nearest first.
pub(crate) fn nearest<'k>(typed: &str, keys: &[&'k str]) -> Option<&'k str> {
    // Long keys are compared in a fraction of a millisecond; what is longer than any key is none.
    if typed.len() > 64 {
        return None;
    }
    let near = keys.iter().map(|key| (distance(typed, key), *key));
    let (distance, key) = near.min()?;
    (distance <= 2 && distance * 2 < typed.len()).then_some(key)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen() {
        let keys = ["group_by", "group_wait", "receiver"];
        assert_eq!(nearest("groupby", &keys), Some("group_by"));
        assert_eq!(nearest("reciever", &keys), Some("receiver"));
        assert_eq!(nearest("teams", &keys), None);
        assert_eq!(nearest("a", &["b"]), None);
    }
}
