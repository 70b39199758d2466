//! Results of tests as JUnit's XML, for what shows them.

/// The tests of a file.
pub(super) struct Suite {
    /// The file.
    name: String,
    /// Why none of its tests could be run; empty if they were.
    pub(super) error: String,
    /// Its tests, those that were run.
    pub(super) cases: Vec<Case>,
}

/// A test.
pub(super) struct Case {
    /// What it is called.
    pub(super) name: String,
    /// What is not as expected.
    pub(super) failures: Vec<String>,
}

impl Suite {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            error: String::new(),
            cases: Vec::new(),
        }
    }

    /// Whether anything is not as expected.
    pub(super) fn failed(&self) -> bool {
        !self.error.is_empty() || self.cases.iter().any(|case| !case.failures.is_empty())
    }

    fn xml(&self) -> String {
        let failures: usize = self.cases.iter().map(|case| case.failures.len()).sum();
        let mut text = format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\" skipped=\"0\">\n",
            escaped(&self.name),
            self.cases.len() + usize::from(!self.error.is_empty()),
            usize::from(!self.error.is_empty()),
        );
        if !self.error.is_empty() {
            let error = escaped(&self.error);
            text.push_str(&format!(
                "    <testcase name=\"all\">\n      <error>{error}</error>\n    </testcase>\n"
            ));
        }
        for case in &self.cases {
            text.push_str(&format!(
                "    <testcase name=\"{}\">\n",
                escaped(&case.name)
            ));
            for failure in &case.failures {
                let failure = escaped(failure);
                text.push_str(&format!("      <failure>{failure}</failure>\n"));
            }
            text.push_str("    </testcase>\n");
        }
        text + "  </testsuite>\n"
    }
}

/// The report of several files.
pub(super) fn junit(suites: &[Suite]) -> String {
    let suites: String = suites.iter().map(Suite::xml).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
}

/// Text between tags and in attributes; what XML cannot say becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_failed_in_words_that_xml_can_carry() {
        let mut suite = Suite::new("a \"b\".yml");
        let case = |name: &str, failures: &[&str]| Case {
            name: name.to_owned(),
            failures: failures.iter().map(|one| (*one).to_owned()).collect(),
        };
        suite.cases.push(case("good", &[]));
        suite.cases.push(case("bad", &["x < 1\n& y \u{1}"]));
        assert!(suite.failed());
        let mut broken = Suite::new("c.yml");
        broken.error = "unreadable".to_owned();
        assert!(broken.failed());
        assert_eq!(
            junit(&[suite, broken]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites>\n  \
             <testsuite name=\"a &quot;b&quot;.yml\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">\n    \
             <testcase name=\"good\">\n    </testcase>\n    \
             <testcase name=\"bad\">\n      <failure>x &lt; 1&#10;&amp; y ?</failure>\n    </testcase>\n  \
             </testsuite>\n  \
             <testsuite name=\"c.yml\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">\n    \
             <testcase name=\"all\">\n      <error>unreadable</error>\n    </testcase>\n  \
             </testsuite>\n</testsuites>\n"
        );
    }
}
