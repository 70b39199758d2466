//! What a function is, and which functions a dialect has.

use std::{
    cell::{Cell, RefCell},
    ops::Deref,
    rc::Rc,
    sync::Arc,
};

use regex::Regex;

use super::super::{
    go_type::Type,
    gotime::{Zone, load_zone},
    patterns::Patterns,
    scope::Scope,
    value::Value,
};

/// A function or method that templates can call.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The types of its parameters; of a method, without the receiver.
    pub(crate) params: &'static [Type],
    /// Whether the last parameter may stand any number of times.
    pub(crate) variadic: bool,
    pub(crate) special: Special,
    /// Computes it; the arguments have the types of the parameters. A method gets its receiver first. The error is what
    /// follows Go's `error calling NAME: `.
    pub(crate) call: Call,
}

/// Functions that evaluate their own arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    No,
    And,
    Or,
    Call,
}

impl Function {
    /// A function with a fixed number of parameters.
    pub(crate) const fn new(name: &'static str, params: &'static [Type], call: Call) -> Self {
        Self {
            name,
            params,
            variadic: false,
            special: Special::No,
            call,
        }
    }

    /// A function whose last parameter may stand any number of times.
    pub(crate) const fn variadic(name: &'static str, params: &'static [Type], call: Call) -> Self {
        Self {
            name,
            params,
            variadic: true,
            special: Special::No,
            call,
        }
    }
}

/// What computes a function.
pub(crate) type Call = fn(&Context<'_>, &[Value]) -> Result<Value, String>;

/// What functions see beside their arguments.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) scope: &'a Scope<'a>,
    /// Patterns that were compiled with the template.
    patterns: &'a Patterns,
    /// Steps that are left.
    pub(crate) steps: Cell<u64>,
    /// Patterns that were compiled in this rendering.
    pub(super) regexes: RefCell<Vec<(Arc<str>, Rc<Regex>)>>,
    /// Time zones that were looked up in this rendering.
    zones: RefCell<Vec<(Arc<str>, Zone)>>,
}

/// A compiled pattern. A clone of a `Regex` would begin with empty caches.
pub(super) enum Found<'a> {
    /// With the template.
    Compiled(&'a Regex),
    /// In this rendering.
    Own(Rc<Regex>),
}

impl Deref for Found<'_> {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        match self {
            Self::Compiled(regex) => regex,
            Self::Own(regex) => regex,
        }
    }
}

/// Patterns and time zones that are kept.
const KEPT: usize = 32;

/// A rendering does too much.
pub(crate) const TOO_MANY_STEPS: &str =
    "the template takes too long: it exceeds its number of steps";

impl<'a> Context<'a> {
    pub(crate) fn new(scope: &'a Scope<'a>, patterns: &'a Patterns) -> Self {
        Self {
            scope,
            patterns,
            steps: Cell::new(scope.limits.steps),
            regexes: RefCell::default(),
            zones: RefCell::default(),
        }
    }

    /// Pays for work that grows with a value: a step for 8 bytes of text, four for an element.
    pub(crate) fn charge(&self, steps: usize) -> Result<(), String> {
        let cost = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = self.steps.get().checked_sub(cost).ok_or(TOO_MANY_STEPS)?;
        self.steps.set(left);
        Ok(())
    }

    /// The time zone of that name. The error is that of Go's `time.LoadLocation`.
    pub(super) fn zone(&self, name: &Arc<str>) -> Result<Zone, String> {
        let mut zones = self.zones.borrow_mut();
        if let Some((_, zone)) = zones.iter().find(|(known, _)| known == name) {
            return Ok(zone.clone());
        }
        self.charge(1000)?;
        let zone = load_zone(name, &self.scope.local)?;
        if zones.len() < KEPT {
            zones.push((Arc::clone(name), zone.clone()));
        }
        Ok(zone)
    }

    /// The compiled pattern. The error is Go's `error parsing regexp: …`.
    pub(super) fn regex(&self, pattern: &Arc<str>) -> Result<Found<'a>, String> {
        if let Some(regex) = self.patterns.get(pattern) {
            return Ok(Found::Compiled(regex));
        }
        let mut regexes = self.regexes.borrow_mut();
        if let Some((_, regex)) = regexes.iter().find(|(known, _)| known == pattern) {
            return Ok(Found::Own(Rc::clone(regex)));
        }
        self.charge(1000 + pattern.len())?;
        let regex = Rc::new(crate::regex::compile(pattern).map_err(|error| error.to_string())?);
        if regexes.len() >= KEPT {
            regexes.clear();
        }
        regexes.push((Arc::clone(pattern), Rc::clone(&regex)));
        Ok(Found::Own(regex))
    }

    /// Refuses a text that is longer than the output may be.
    pub(crate) fn text(&self, text: String) -> Result<Value, String> {
        self.charge(text.len() / 8)?;
        if text.len() > self.scope.limits.output {
            return Err(too_long(self.scope.limits.output));
        }
        Ok(Value::from(text))
    }
}

/// A text or the output is too long.
pub(crate) fn too_long(limit: usize) -> String {
    format!("the output exceeds {limit} bytes")
}

/// The functions of a dialect, by their names.
#[derive(Clone, Debug)]
pub(crate) struct FuncMap {
    tables: Vec<&'static [Function]>,
}

impl FuncMap {
    /// Go's own functions and Alertmanager's (`DefaultFuncs`), and ours.
    pub(crate) fn alertmanager() -> Self {
        Self {
            tables: vec![
                &super::time::TIME,
                &super::text::SHARED_TEXT,
                &super::text::TEXT,
                &super::collections::COLLECTIONS,
                &super::builtin::BUILTINS,
                &super::builtin::PRINTF,
                &super::compare::COMPARE,
            ],
        }
    }

    /// Go's own functions and those of Prometheus's rules.
    pub(crate) fn rules() -> Self {
        Self {
            tables: vec![
                &super::rule::RULE,
                &super::text::SHARED_TEXT,
                &super::builtin::BUILTINS,
                &super::builtin::PRINTF,
                &super::compare::COMPARE,
            ],
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static Function> {
        self.tables
            .iter()
            .flat_map(|table| table.iter())
            .find(|function| function.name == name)
    }
}
