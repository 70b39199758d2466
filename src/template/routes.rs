//! Labels of routes that are templates, and refer to one another by `routeLabels`.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use super::{
    library::{Library, Mode},
    scope::{RouteLabels, Scope},
};
use crate::labels::LabelSet;

/// The name of a label of a route, and its rendered value or why there is none.
pub type RouteLabel = (Arc<str>, Result<Arc<str>, String>);

/// Labels that refer to labels; each is a rendering within a rendering.
const MAX_DEPTH: usize = 16;

/// Renders each label at most once (`routeLabelResolver` of `template/template.go`).
#[derive(Debug)]
pub(super) struct Routes<'a> {
    library: &'a Library,
    labels: &'a LabelSet,
    scope: &'a Scope<'a>,
    rendered: RefCell<BTreeMap<Arc<str>, Arc<str>>>,
    /// The labels that are being rendered.
    open: RefCell<Vec<Arc<str>>>,
}

impl<'a> Routes<'a> {
    pub(super) fn new(library: &'a Library, labels: &'a LabelSet, scope: &'a Scope<'a>) -> Self {
        Self {
            library,
            labels,
            scope,
            rendered: RefCell::default(),
            open: RefCell::default(),
        }
    }

    /// All labels, rendered, or why they cannot be.
    pub(super) fn all(&self) -> Vec<RouteLabel> {
        self.labels
            .iter()
            .map(|(name, _)| {
                let value = self.resolve(name).map(Option::unwrap_or_default);
                (name.into(), value)
            })
            .collect()
    }

    fn render(&self, source: &str) -> Result<String, String> {
        let template = self
            .library
            .compile("", source, Mode::Text)
            .map_err(|error| error.to_string())?;
        let scope = Scope {
            routes: Some(self),
            ..self.scope.clone()
        };
        template.render(&scope).map_err(|error| error.to_string())
    }
}

impl RouteLabels for Routes<'_> {
    fn resolve(&self, name: &str) -> Result<Option<Arc<str>>, String> {
        let Some(source) = self.labels.get(name) else {
            return Ok(None);
        };
        if let Some(value) = self.rendered.borrow().get(name) {
            return Ok(Some(Arc::clone(value)));
        }
        let mut open: Vec<Arc<str>> = self.open.borrow().clone();
        let cyclic = open.iter().any(|busy| **busy == *name);
        open.push(name.into());
        if cyclic {
            return Err(format!("route label cycle detected: {}", open.join(" -> ")));
        }
        if open.len() > MAX_DEPTH {
            return Err(format!(
                "route labels refer to one another too deep: {}",
                open.join(" -> ")
            ));
        }
        self.open.replace(open);
        let value = self.render(source);
        self.open.borrow_mut().pop();
        let value: Arc<str> = value?.into();
        self.rendered
            .borrow_mut()
            .insert(name.into(), Arc::clone(&value));
        Ok(Some(value))
    }
}
