//! Named templates of files, and texts that are compiled over them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ast::Tree,
    built_in::{self, Language},
    check::{Shape, check},
    error::TemplateError,
    exec::render,
    funcs::FuncMap,
    html::escape,
    parse::{Parsed, parse},
    patterns::Patterns,
    routes::{RouteLabel, Routes},
    scope::Scope,
};
use crate::labels::LabelSet;

/// How a text is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// As it is: text/template.
    Text,
    /// Escaped for the place in the HTML where it stands: html/template.
    Html,
}

/// The templates that are there, by their names.
pub(crate) type Trees = BTreeMap<Arc<str>, Arc<Tree>>;

/// Parsed named templates: the built-in ones and those of files. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Library {
    trees: Arc<Trees>,
    patterns: Patterns,
    functions: FuncMap,
}

/// A compiled text; it renders any number of times. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Template {
    root: Arc<Tree>,
    trees: Arc<Trees>,
    patterns: Patterns,
}

impl Library {
    /// Reads files, in order, over the built-in templates; a later definition of a name replaces an earlier one.
    ///
    /// # Errors
    /// All files that cannot be parsed, by their paths.
    pub fn new<'a>(
        language: Language,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<(&'a str, TemplateError)>> {
        let functions = FuncMap::alertmanager();
        let (mut trees, mut patterns) = built_in_trees(language, &functions);
        let mut errors = Vec::new();
        for (path, source) in files {
            let name = path.rsplit('/').next().unwrap_or(path);
            match parse(name, source, &functions) {
                Ok(parsed) => {
                    patterns.add(&parsed.patterns);
                    install(&mut trees, parsed.trees);
                }
                Err(error) => errors.push((path, error)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            trees: Arc::new(trees),
            patterns,
            functions,
        })
    }

    /// No templates, and the functions of rules.
    pub(crate) fn rules() -> Self {
        Self {
            trees: Arc::default(),
            patterns: Patterns::default(),
            functions: FuncMap::rules(),
        }
    }

    /// The built-in templates alone.
    #[must_use]
    pub fn built_in(language: Language) -> Self {
        Self::new(language, []).expect("there are no files")
    }

    /// Reads a text over the library, as upstream's `ExecuteTextString` and `ExecuteHTMLString` do, which call it "".
    ///
    /// # Errors
    /// When it cannot be parsed or, in HTML, not be escaped.
    pub fn compile(&self, name: &str, source: &str, mode: Mode) -> Result<Template, TemplateError> {
        let Parsed {
            trees: parsed,
            patterns: more,
        } = parse(name, source, &self.functions)?;
        let root = Arc::clone(&parsed[name]);
        let mut patterns = self.patterns.clone();
        patterns.add(&more);
        let mut trees = Arc::clone(&self.trees);
        // Most texts define nothing; thousands of them then share one set.
        if parsed.len() > 1 {
            install(Arc::make_mut(&mut trees), parsed);
        }
        let (root, trees) = match mode {
            Mode::Text => (root, trees),
            Mode::Html => {
                let (root, trees) = escape(&root, &trees, &self.functions)?;
                (root, Arc::new(trees))
            }
        };
        Ok(Template {
            root,
            trees,
            patterns,
        })
    }
}

fn built_in_trees(language: Language, functions: &FuncMap) -> (Trees, Patterns) {
    let mut trees = Trees::new();
    let mut patterns = Patterns::default();
    for (name, source) in built_in::files(language) {
        let parsed = parse(name, source, functions).expect("the built-in templates are tested");
        patterns.add(&parsed.patterns);
        install(&mut trees, parsed.trees);
    }
    (trees, patterns)
}

/// Whether a text is a template, with all functions known.
pub(crate) fn check_syntax(source: &str) -> Result<(), TemplateError> {
    parse("", source, &FuncMap::alertmanager()).map(drop)
}

impl Library {
    /// What is wrong in the named templates whatever they are called with; each text tells for itself what is wrong with
    /// its data, by [`Template::check`].
    #[must_use]
    pub fn check(&self) -> Vec<TemplateError> {
        check(
            self.trees.values().map(|tree| (&**tree, Shape::Unknown)),
            &self.trees,
        )
    }

    /// Renders the labels of a route, which may refer to one another by `routeLabels`; the scope's data has them as they
    /// are written.
    #[must_use]
    pub fn route_labels(&self, labels: &LabelSet, scope: &Scope<'_>) -> Vec<RouteLabel> {
        Routes::new(self, labels, scope).all()
    }
}

/// Adds the templates of one file. As in Go, an empty template does not replace one that exists.
fn install(trees: &mut Trees, parsed: Trees) {
    for (name, tree) in parsed {
        if !tree.is_empty() || !trees.contains_key(&name) {
            trees.insert(name, tree);
        }
    }
}

impl Template {
    /// What Go would find only while rendering: templates, fields and methods that are not there, wrong arguments; in the
    /// text and in all templates that it calls.
    #[must_use]
    pub fn check(&self) -> Vec<TemplateError> {
        check([(&*self.root, Shape::Data)], &self.trees)
    }

    /// Likewise for a template of a rule.
    pub(crate) fn check_rule(&self) -> Vec<TemplateError> {
        check([(&*self.root, Shape::RuleDot)], &self.trees)
    }

    /// Renders it.
    ///
    /// # Errors
    /// When Go's rendering would fail, or when it would exceed the scope's limits.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, TemplateError> {
        render(&self.root, &self.trees, &self.patterns, scope)
    }
}
