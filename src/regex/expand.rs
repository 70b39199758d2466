//! Go's `Regexp.Expand`: `$1`, `${name}` and `$$` in a replacement.

use regex::Captures;

/// Appends `template` with what was captured in the place of its variables; what was not captured is empty.
pub fn expand(out: &mut String, template: &str, captures: &Captures<'_>) {
    expand_with(out, template, |name| {
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        group.map_or("", |group| group.as_str())
    });
}

/// Appends `template` with what `lookup` says in the place of its variables.
pub fn expand_with<'v>(out: &mut String, template: &str, mut lookup: impl FnMut(&str) -> &'v str) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(rest) else {
            out.push('$');
            continue;
        };
        out.push_str(lookup(name));
        rest = after;
    }
    out.push_str(rest);
}

/// The name after a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{');
    let name = inside.unwrap_or(text);
    let length = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    let (name, after) = name.split_at(length);
    if name.is_empty() {
        return None;
    }
    match inside {
        Some(_) => Some((name, after.strip_prefix('}')?)),
        None => Some((name, after)),
    }
}
