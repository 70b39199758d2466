//! Upper and lower case as Go's `strings` has them: character by character, one for one.

/// `strings.ToUpper`: `ß` stays.
#[must_use]
pub fn go_upper(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        })
        .collect()
}

/// `strings.ToLower`: a sigma at the end of a word is `σ` like any other, and `İ` is `i`.
#[must_use]
pub fn go_lower(text: &str) -> String {
    text.chars()
        .map(|c| c.to_lowercase().next().unwrap_or(c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_becomes_one() {
        assert_eq!(go_upper("aß-é"), "Aß-É");
        assert_eq!(go_lower("İB"), "ib");
        assert_eq!(go_lower("ΑΣ"), "ασ");
    }
}
