//! From the text of a file of tests of rules to a [`RuleTestFile`], or to everything that is wrong with it.

use super::model::RuleTestFile;
use crate::{
    config::{LoadEnv, LoadErrors, read::Reader},
    yaml::Document,
};

/// Reads a file of tests of rules; its `rule_files` are relative to the directory of `path`.
///
/// # Errors
/// With everything that is wrong with its shape, each mistake with line and column. Expressions and series are read where a
/// test uses them.
pub fn load_rule_tests(path: &str, text: &[u8]) -> Result<RuleTestFile, LoadErrors> {
    let env = LoadEnv::for_file(path);
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(path, &error))?;
    let mut reader = Reader::new(&env);
    let mut file = RuleTestFile::default();
    reader.document(&document, &mut file);
    match reader.errors() {
        Some(errors) => Err(errors),
        None => Ok(file),
    }
}
