//! Which parts of the language are on that are off unless they are asked for, by Prometheus's names of them.

use super::parse::Features;

/// The parts of the language that are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Language {
    /// What is read as an expression.
    pub features: Features,
    /// `promql-delayed-name-removal`: names are dropped at the end of an evaluation.
    pub delayed_name_removal: bool,
}

impl Language {
    /// The names of all parts.
    pub const NAMES: [&str; 5] = [
        "promql-experimental-functions",
        "promql-duration-expr",
        "promql-extended-range-selectors",
        "promql-binop-fill-modifiers",
        "promql-delayed-name-removal",
    ];

    /// Turns a part on; whether there is one of this name.
    pub fn enable(&mut self, name: &str) -> bool {
        let part = match name {
            "promql-experimental-functions" => &mut self.features.experimental_functions,
            "promql-duration-expr" => &mut self.features.duration_expressions,
            "promql-extended-range-selectors" => &mut self.features.extended_range_selectors,
            "promql-binop-fill-modifiers" => &mut self.features.fill_modifiers,
            "promql-delayed-name-removal" => &mut self.delayed_name_removal,
            _ => return false,
        };
        *part = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_on_by_its_name() {
        let mut language = Language::default();
        for name in Language::NAMES {
            let before = language;
            assert!(language.enable(name), "{name}");
            assert_ne!(language, before, "{name}");
        }
        assert_eq!(language.features, Features::all());
        assert!(!language.enable("promql-at-modifier"));
    }
}
