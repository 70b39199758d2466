//! Names of Rust types as `yaml.v2` would print their Go counterparts, for its error messages only.

/// Names a type by `std::any::type_name`: `BTreeMap<String, Vec<i64>>` is `map[string][]int64`.
pub(super) fn go_type_name<T>() -> String {
    go_name(std::any::type_name::<T>())
}

fn go_name(rust: &str) -> String {
    let (path, arguments) = match rust.split_once('<') {
        Some((path, rest)) => (
            path,
            split_arguments(rest.strip_suffix('>').unwrap_or(rest)),
        ),
        None => (rust, Vec::new()),
    };
    let base = path.rsplit("::").next().unwrap_or(path);
    let argument = |n: usize| {
        arguments
            .get(n)
            .map_or_else(String::new, |name| go_name(name))
    };
    match base {
        "Vec" | "VecDeque" | "BTreeSet" => format!("[]{}", argument(0)),
        "BTreeMap" | "HashMap" | "IndexMap" => format!("map[{}]{}", argument(0), argument(1)),
        "Option" | "Box" | "Arc" | "Rc" | "Spanned" => argument(0),
        "String" | "str" | "&str" => "string".to_owned(),
        "i64" => "int64".to_owned(),
        "u64" => "uint64".to_owned(),
        "i32" => "int".to_owned(),
        "u32" => "uint".to_owned(),
        "f64" => "float64".to_owned(),
        "Value" => "interface {}".to_owned(),
        _ => base.strip_prefix("Raw").unwrap_or(base).to_owned(),
    }
}

/// Splits `A, B<C, D>` at its outer commas.
fn split_arguments(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut arguments) = (0usize, 0, Vec::new());
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                arguments.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(list[start..].trim());
    arguments
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::yaml::{Spanned, Value};

    #[test]
    fn names() {
        assert_eq!(
            go_type_name::<BTreeMap<Spanned<String>, Option<Vec<i64>>>>(),
            "map[string][]int64"
        );
        assert_eq!(go_type_name::<Vec<Option<Value>>>(), "[]interface {}");
        assert_eq!(go_type_name::<Vec<super::super::Error>>(), "[]Error");
    }
}
