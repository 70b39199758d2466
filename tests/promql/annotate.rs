//! Errors, warnings and remarks beside what a file expects.

use std::sync::LazyLock;

use regex::Regex;
use watchfire::promql::{Annotation, Annotations, Severity};

use crate::notation::{Expected, Text};

/// The end of a text, or of a pattern of texts, with a place in the query.
static PLACE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\(\d+:\d+\)$|\\\([^()]*:[^()]*\\\)$").unwrap());

/// Says what is wrong with an error, or with there being none.
pub(crate) fn check_failure(expected: &Expected, error: &str) -> Result<(), String> {
    match expected.fail.first() {
        None => Err(format!("error evaluating: {error}")),
        Some(text) if text.fits(error) => Ok(()),
        Some(text) => Err(format!("expected error {text}, but got {error:?}")),
    }
}

/// Says what is wrong with the warnings and remarks on `query`.
pub(crate) fn check(expected: &Expected, query: &str, found: &Annotations) -> Result<(), String> {
    let of = |severity| -> Vec<Annotation> {
        let severe = |annotation: &Annotation| annotation.severity == severity;
        found.iter().filter(severe).collect()
    };
    let (warnings, infos) = (of(Severity::Warning), of(Severity::Info));
    check_kind("warn", &expected.warn, &warnings, query)?;
    check_kind("info", &expected.info, &infos, query)?;
    if expected.no_warn && !warnings.is_empty() {
        return Err(format!(
            "unexpected warn annotations: {}",
            shown(&warnings, query)
        ));
    }
    if expected.no_info && !infos.is_empty() {
        return Err(format!(
            "unexpected info annotations: {}",
            shown(&infos, query)
        ));
    }
    Ok(())
}

fn check_kind(
    kind: &str,
    expected: &[Text],
    found: &[Annotation],
    query: &str,
) -> Result<(), String> {
    if expected.is_empty() {
        return Ok(());
    }
    if found.is_empty() {
        return Err(format!("expected {kind} annotations but none were found"));
    }
    let unmatched = expected
        .iter()
        .find(|text| !found.iter().any(|annotation| fits(text, annotation, query)));
    if let Some(text) = unmatched {
        return Err(format!(
            "expected {kind} annotation {text}, found: {}",
            shown(found, query)
        ));
    }
    let unexpected: Vec<_> = found
        .iter()
        .filter(|annotation| !expected.iter().any(|text| fits(text, annotation, query)))
        .cloned()
        .collect();
    if unexpected.is_empty() {
        return Ok(());
    }
    Err(format!(
        "unexpected {kind} annotation: {}",
        shown(&unexpected, query)
    ))
}

/// Files of different releases write the places in the query or leave them out.
fn fits(text: &Text, annotation: &Annotation, query: &str) -> bool {
    let placed = match text {
        Text::Any => return true,
        Text::Is(text) => PLACE.is_match(text),
        Text::Matches(pattern) => PLACE.is_match(pattern.as_str()),
    };
    text.fits(&annotation.to_text(if placed { query } else { "" }))
}

fn shown(annotations: &[Annotation], query: &str) -> String {
    let texts: Vec<_> = annotations
        .iter()
        .map(|annotation| annotation.to_text(query))
        .collect();
    format!("{texts:?}")
}
