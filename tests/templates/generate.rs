//! Random templates: most are valid, some are not.

use crate::oracle::Mode;

/// Makes one template of a seed.
pub(crate) struct Generator {
    state: u64,
    variables: usize,
    /// Whether `.` is the whole data, one alert, or something else.
    dot: Dot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dot {
    Data,
    Alert,
    Other,
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "\n",
    "a",
    "x < y & z",
    "\"q\"",
    "'s'",
    "ü日",
    "  \n\t ",
    "{",
    "}",
    "%d %s",
    "\\n",
];

const VERBS: &[&str] = &[
    "%v", "%+v", "%#v", "%T", "%s", "%q", "%d", "%x", "%X", "%5v|", "%-8s|", "%05d", "%t", "%c",
    "%U", "%e", "%g", "%6.2f", "%.3s", "%%", "%!", "%z", "%[1]v", "%[2]v", "%*d", "%x %X", "% x",
    "%#q", "%+q", "%#x", "%b", "%o", "%O", "%p5", "% d", "%+d", "%.0f", "%6.3v",
];

/// Pieces of HTML with a place for a value.
const PLACES: &[(&str, &str)] = &[
    ("<p>", "</p>"),
    ("<p title=\"", "\">x</p>"),
    ("<p title='", "'>x</p>"),
    ("<p title=", ">x</p>"),
    ("<a href=\"", "\">x</a>"),
    ("<a href=\"/q?x=", "&y=1\">x</a>"),
    ("<a href='", "#frag'>x</a>"),
    ("<a href=", ">x</a>"),
    ("<img src=\"http://h/", ".png\" alt=x>"),
    ("<img srcset=\"", " 2x\">"),
    ("<script>var a = ", ";</script>"),
    ("<script>var a = \"", "\";</script>"),
    ("<script>var a = '", "';</script>"),
    ("<script>f(", ", 1)</script>"),
    ("<script>var r = /", "/.test(x)</script>"),
    ("<script type=\"application/json\">{\"k\": ", "}</script>"),
    ("<script type=\"text/plain\">", "</script>"),
    ("<style>p { color: ", " }</style>"),
    ("<style>p { background: url(", ") }</style>"),
    ("<style>p { content: \"", "\" }</style>"),
    ("<style>/* ", " */</style>"),
    ("<div onclick=\"f(", ")\">x</div>"),
    ("<div onclick='g(\"", "\")'>x</div>"),
    ("<div style=\"color: ", "\">x</div>"),
    ("<div data-x=\"", "\">x</div>"),
    ("<textarea>", "</textarea>"),
    ("<title>", "</title>"),
    ("<!-- ", " -->"),
    ("<input value=\"", "\" checked>"),
    ("<input ", "=\"v\">"),
    ("<b ", ">x</b>"),
    ("<p>a</p>\n<!-- c --><i>", "</i>"),
    ("&lt;", "&amp;"),
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(0x1234_5678_9ABC_DEF1),
            variables: 0,
            dot: Dot::Data,
        }
    }

    /// A template and how it is rendered.
    pub(crate) fn template(&mut self) -> (Mode, String) {
        let html = self.below(2) == 0;
        let count = 1 + self.below(3);
        let mut out = String::new();
        if self.below(5) == 0 {
            out.push_str("{{ define \"t\" }}");
            let before = std::mem::replace(&mut self.dot, Dot::Other);
            out.push_str(&self.block(2));
            self.dot = before;
            out.push_str("{{ end }}");
        }
        for _ in 0..count {
            if html {
                let (before, after) = PLACES[self.below(PLACES.len())];
                out.push_str(before);
                out.push_str(&self.block(2));
                out.push_str(after);
            } else {
                out.push_str(&self.block(3));
            }
        }
        if self.below(25) == 0 {
            let cut = self.below(out.len());
            let cut = (0..=cut).rev().find(|i| out.is_char_boundary(*i)).unwrap();
            out.truncate(cut);
        }
        (if html { Mode::Html } else { Mode::Text }, out)
    }

    fn block(&mut self, depth: usize) -> String {
        let variables = self.variables;
        let mut out = String::new();
        for _ in 0..=self.below(2) {
            out.push_str(self.pick(TEXTS));
            out.push_str(&self.action(depth));
        }
        self.variables = variables;
        out
    }

    fn action(&mut self, depth: usize) -> String {
        let (open, close) = (
            self.pick(&["{{", "{{ ", "{{- "]),
            self.pick(&["}}", " }}", " -}}"]),
        );
        if depth == 0 {
            return format!("{open}{}{close}", self.pipeline(1));
        }
        match self.below(13) {
            0..5 => format!("{open}{}{close}", self.pipeline(2)),
            5 => {
                let (test, then, other) = (
                    self.pipeline(1),
                    self.block(depth - 1),
                    self.block(depth - 1),
                );
                format!("{open}if {test}{close}{then}{{{{ else }}}}{other}{{{{end}}}}")
            }
            6 => {
                let (test, again) = (self.pipeline(1), self.pipeline(1));
                let (then, other) = (self.block(depth - 1), self.block(depth - 1));
                format!("{open}if {test}{close}{then}{{{{else if {again}}}}}{other}{{{{ end -}}}}")
            }
            7 => {
                let value = self.pipeline(1);
                let before = std::mem::replace(&mut self.dot, Dot::Other);
                let then = self.block(depth - 1);
                self.dot = before;
                let other = self.block(depth - 1);
                format!("{open}with {value}{close}{then}{{{{else}}}}{other}{{{{end}}}}")
            }
            8 | 9 => self.range(depth, open, close),
            10 => {
                let value = self.pipeline(1);
                let name = format!("$v{}", self.variables);
                self.variables += 1;
                format!("{open}{name} := {value}{close}")
            }
            11 => format!("{open}template \"t\" {}{close}", self.operand(0)),
            _ => self
                .pick(&["{{/* c */}}", "{{- /* c */ -}}", "{{\"{{\"}}", "{{`a\nb`}}"])
                .to_owned(),
        }
    }

    fn range(&mut self, depth: usize, open: &str, close: &str) -> String {
        let alerts = self.below(2) == 0;
        let over = if alerts && self.dot == Dot::Data {
            self.pick(&[".Alerts", ".Alerts.Firing", ".Alerts.Resolved", "$.Alerts"])
                .to_owned()
        } else {
            self.pick(&[
                "$.CommonLabels",
                "$.GroupLabels.SortedPairs",
                "$.CommonLabels.Names",
                "(stringSlice \"x\" \"y\")",
                "$.CommonLabels.Values",
                "(slice $.Alerts 1)",
                "$.Nope",
                "nil",
                "3.5",
                "$.Status",
            ])
            .to_owned()
        };
        let known = if over.contains("Alerts") {
            Dot::Alert
        } else {
            Dot::Other
        };
        let before = std::mem::replace(&mut self.dot, known);
        let (head, declared) = match self.below(3) {
            0 => (over, 0),
            1 => (format!("$v{} := {over}", self.variables), 1),
            _ => (
                format!("$v{}, $v{} := {over}", self.variables, self.variables + 1),
                2,
            ),
        };
        let variables = self.variables;
        self.variables += declared;
        let mut body = self.block(depth - 1);
        if self.below(6) == 0 {
            body.push_str(self.pick(&[
                "{{break}}",
                "{{continue}}",
                "{{if eq .Status \"firing\"}}{{continue}}{{end}}",
            ]));
        }
        self.variables = variables;
        self.dot = before;
        let other = if self.below(3) == 0 {
            format!("{{{{else}}}}{}", self.block(depth - 1))
        } else {
            String::new()
        };
        format!("{open}range {head}{close}{body}{other}{{{{ end }}}}")
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let mut out = self.command(depth);
        while self.below(4) == 0 {
            out.push_str(self.pick(&[
                " | len",
                " | printf \"%v\"",
                " | printf \"%q\"",
                " | toUpper",
                " | html",
                " | js",
                " | urlquery",
                " | print",
                " | not",
                " | safeHtml",
                " | title",
                " | println",
                " | printf \"%T\"",
                " | join \",\"",
                " | reReplaceAll \"[a-m]+\" \"<$0>\"",
                " | match \"^H\"",
                " | index $.CommonLabels",
            ]));
        }
        out
    }

    fn command(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(2) == 0 {
            return self.operand(depth);
        }
        let sub = depth - 1;
        match self.below(12) {
            0 => format!("printf {:?} {}", self.format(), self.operand(sub)),
            1 => format!(
                "printf {:?} {} {}",
                self.format(),
                self.operand(sub),
                self.operand(sub)
            ),
            2 => {
                let function = self.pick(&["eq", "ne", "lt", "le", "gt", "ge"]);
                format!("{function} {} {}", self.operand(sub), self.operand(sub))
            }
            3 => format!(
                "eq {} {} {}",
                self.operand(sub),
                self.operand(sub),
                self.operand(sub)
            ),
            4 => format!(
                "{} {} {}",
                self.pick(&["and", "or"]),
                self.operand(sub),
                self.operand(sub)
            ),
            5 => format!("index {} {}", self.operand(sub), self.operand(sub)),
            6 => format!("slice {} {}", self.operand(sub), self.below(4)),
            7 => format!(
                "{} {}",
                self.pick(&["print", "println", "html", "js", "urlquery", "len", "not"]),
                self.operand(sub)
            ),
            8 => format!("print {} {}", self.operand(sub), self.operand(sub)),
            9 => format!(
                "{} {}",
                self.pick(&["toUpper", "toLower", "title", "safeHtml"]),
                self.operand(sub)
            ),
            10 => format!(
                "join {} {}",
                self.operand(sub),
                self.pick(&["$.CommonLabels.Names", "(stringSlice \"b\" \"a\")"])
            ),
            _ => format!("match {} {}", self.operand(sub), self.operand(sub)),
        }
    }

    fn format(&mut self) -> String {
        let mut out = self.pick(VERBS).to_owned();
        if self.below(3) == 0 {
            out.push_str(self.pick(&[" ", "-", "x"]));
            out.push_str(self.pick(VERBS));
        }
        out
    }

    fn operand(&mut self, depth: usize) -> String {
        if depth > 0 && self.below(3) == 0 {
            return format!("({})", self.pipeline(depth - 1));
        }
        if self.variables > 0 && self.below(4) == 0 {
            return format!("$v{}", self.below(self.variables));
        }
        let known = self.below(3) > 0;
        match self.dot {
            Dot::Data if known => self
                .pick(&[
                    ".Status",
                    ".Receiver",
                    ".ExternalURL",
                    ".Alerts.Firing",
                    ".CommonLabels.alertname",
                    ".CommonLabels.nope",
                    ".GroupLabels.SortedPairs.Names",
                    ".GroupLabels.SortedPairs.Values",
                    ".CommonAnnotations.runbook",
                    "(index .Alerts 0).Labels.instance",
                    "(index .Alerts 1).GeneratorURL",
                    "(index .Alerts 0).Annotations.description",
                    "(index .Alerts 1).Annotations.summary",
                    "(index .Alerts 2).Annotations.description",
                    ".CommonLabels.Names",
                    ".Alerts.Nope",
                    ".Nope",
                    "(len .Alerts)",
                    "(.CommonLabels.Remove (stringSlice \"job\")).Names",
                ])
                .to_owned(),
            Dot::Alert if known => self
                .pick(&[
                    ".Status",
                    ".Labels.instance",
                    ".Labels.nope",
                    ".Annotations.summary",
                    ".Annotations.description",
                    ".GeneratorURL",
                    ".Fingerprint",
                    ".StartsAt",
                    ".StartsAt.Unix",
                    ".StartsAt.Year",
                    ".StartsAt.Month",
                    ".EndsAt.IsZero",
                    "(.StartsAt.Format \"2006-01-02T15:04:05.000Z07:00\")",
                    ".StartsAt.Weekday",
                    "(.EndsAt.Sub .StartsAt)",
                    "(.EndsAt.Sub .StartsAt).Minutes",
                    ".Labels.Values",
                    ".EndsAt.Nope",
                    "(.StartsAt.Format \"Jan _2 3:04PM Monday\")",
                    ".StartsAt.UTC",
                    ".Labels.SortedPairs.Names",
                ])
                .to_owned(),
            Dot::Data | Dot::Alert | Dot::Other => self
                .pick(&[
                    "1",
                    "-7",
                    "0",
                    "3.25",
                    "1e3",
                    "0x1F",
                    "1_000",
                    "'a'",
                    "\"s\"",
                    "\"<a&b>\"",
                    "\"\"",
                    "`raw\\n`",
                    "true",
                    "false",
                    "nil",
                    "$.Status",
                    ".",
                    "$.CommonLabels.job",
                    "\"alertname\"",
                    "\"a\\tb\\u00e9\"",
                    "2i",
                    "$.CommonAnnotations.runbook",
                    "9223372036854775807",
                    "07",
                    "'\\n'",
                    "1.0",
                    "\"javascript:x()\"",
                ])
                .to_owned(),
        }
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        usize::try_from(z % bound.max(1) as u64).unwrap()
    }
}
