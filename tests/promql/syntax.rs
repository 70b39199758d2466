//! Random texts in the syntax of PromQL, of all that it has, and texts that were changed at random.

use crate::expressions::Chance;

const LABELS: &[&str] = &[
    "job", "by", "le", "on", "\"a.b\"", "sum", "bool", "atan2", "x1",
];
const NAMES: &[&str] = &[
    "a", "x:y", "sum", "by", "start", "offset", "min_of", "fill", "b_total", "and",
];
const VALUES: &[&str] = &[
    "\"\"",
    "'a\"'",
    "`\\`",
    "\"\\u00e9\\n\"",
    "\"\\xff\"",
    "\"a.*|b\"",
];
const DURATIONS: &[&str] = &["5m", "1h30m", "90s", "1", "0.5", "1w", "100ms", "1e2"];

impl Chance {
    /// An expression that mostly has the types that it needs.
    pub(crate) fn expression(&mut self, depth: u32) -> String {
        let below = depth.saturating_sub(1);
        match self.below(if depth == 0 { 3 } else { 14 }) {
            0 => self.number(),
            1 | 2 => self.instant(),
            3 => format!("({})", self.expression(below)),
            4 => {
                let sign = self.of(&["-", "+", "- "]);
                format!("{sign}{}", self.expression(below))
            }
            5..=8 => self.operation(below),
            9 | 10 => self.aggregation(below),
            11 => self.subquery_call(below),
            12 => format!(
                "rate({}[{}]{}{})",
                self.series(),
                self.range(2),
                self.extension(),
                self.moment()
            ),
            _ => self.function(below),
        }
    }

    fn number(&mut self) -> String {
        self.of(&[
            "1", "0x1f", "1e3", ".5", "5m", "Inf", "nan", "1_000", "0", "1e-9", "017",
        ])
        .to_owned()
    }

    fn series(&mut self) -> String {
        let name = self.of(NAMES);
        match self.below(4) {
            0 => name.to_owned(),
            1 => format!("{{\"{name}\", {}}}", self.matcher()),
            _ => format!("{name}{{{}, {}}}", self.matcher(), self.matcher()),
        }
    }

    fn matcher(&mut self) -> String {
        let (label, value) = (self.of(LABELS), self.of(VALUES));
        let op = self.of(&["=", "!="]);
        match self.below(4) {
            0 => format!("{label}=~\"a.*|b\""),
            1 => format!("{label} !~ '[0-9]+'"),
            _ => format!("{label}{op}{value}"),
        }
    }

    fn instant(&mut self) -> String {
        let series = self.series();
        let extension = self.extension();
        let moment = self.moment();
        format!("{series}{extension}{moment}")
    }

    fn extension(&mut self) -> &'static str {
        self.of(&["", "", "", "", " anchored", " smoothed"])
    }

    fn moment(&mut self) -> String {
        let at = self.of(&[
            "",
            "",
            "",
            " @ 5",
            " @ -1.5",
            " @ start()",
            " @ end()",
            " @ 1e9",
        ]);
        let offset = match self.below(7) {
            0 => format!(" offset {}", self.of(DURATIONS)),
            1 => format!(" offset -{}", self.of(DURATIONS)),
            2 => format!(" offset ({})", self.range(2)),
            3 => format!(" offset -({})", self.range(1)),
            4 => format!(
                " offset {}",
                self.of(&["step()", "-range()", "min_of(1, step())"])
            ),
            _ => String::new(),
        };
        if self.one_in(2) {
            format!("{at}{offset}")
        } else {
            format!("{offset}{at}")
        }
    }

    fn range(&mut self, depth: u32) -> String {
        let below = depth.saturating_sub(1);
        match self.below(if depth == 0 { 3 } else { 9 }) {
            0..=2 => self.of(DURATIONS).to_owned(),
            3 => self.of(&["step()", "range()"]).to_owned(),
            4 => format!("({})", self.range(below)),
            5 => format!("-{}", self.range(below)),
            6 => format!(
                "{}({}, {})",
                self.of(&["min_of", "MAX_OF"]),
                self.range(below),
                self.range(below)
            ),
            _ => {
                let op = self.of(&["+", "-", "*", "/", "%", "^"]);
                format!("{} {op} {}", self.range(below), self.range(below))
            }
        }
    }

    fn operation(&mut self, depth: u32) -> String {
        let op = self.of(&[
            "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", "<=", ">", ">=", "</", ">/",
            "and", "or", "unless", "== bool", "> bool",
        ]);
        let (lhs, rhs) = (self.expression(depth), self.expression(depth));
        let matching = match self.below(8) {
            0 => format!("on ({})", self.of(LABELS)),
            1 => format!("ignoring ({}, {})", self.of(LABELS), self.of(LABELS)),
            2 => format!("on ({}) group_left ({})", self.of(LABELS), self.of(LABELS)),
            3 => "ignoring () group_right".to_owned(),
            4 => self
                .of(&[
                    "fill (1)",
                    "fill_left (-2) fill_right (1e22)",
                    "fill_right (5m)",
                ])
                .to_owned(),
            _ => String::new(),
        };
        format!("{lhs} {op} {matching} {rhs}")
    }

    fn aggregation(&mut self, depth: u32) -> String {
        let inner = self.expression(depth);
        let labels = format!("{}, {}", self.of(LABELS), self.of(LABELS));
        let grouping = match self.below(4) {
            0 => String::new(),
            1 => format!("without ({labels})"),
            2 => "by ()".to_owned(),
            _ => format!("by ({labels},)"),
        };
        let (op, param) = match self.below(5) {
            0 => (
                self.of(&["topk", "LIMITK", "quantile", "limit_ratio"]),
                format!("{}, ", self.number()),
            ),
            1 => ("count_values", format!("{}, ", self.of(VALUES))),
            _ => (
                self.of(&["sum", "avg", "Count", "stddev", "group"]),
                String::new(),
            ),
        };
        if self.one_in(2) {
            format!("{op} {grouping} ({param}{inner})")
        } else {
            format!("{op}({param}{inner}) {grouping}")
        }
    }

    fn subquery_call(&mut self, depth: u32) -> String {
        let inner = match self.below(3) {
            0 => self.instant(),
            1 => self.aggregation(depth),
            _ => format!("({})", self.expression(depth)),
        };
        let (range, moment) = (self.range(2), self.moment());
        let step = match self.below(2) {
            0 => String::new(),
            _ => self.range(1),
        };
        format!("max_over_time({inner}[{range}:{step}]{moment})")
    }

    fn function(&mut self, depth: u32) -> String {
        let inner = self.expression(depth);
        match self.below(7) {
            0 => format!(
                "label_replace({inner}, {0}, {0}, {0}, {0})",
                self.of(VALUES)
            ),
            1 => format!("clamp({inner}, {}, {})", self.number(), self.number()),
            2 => format!("info({inner}, {{{}}})", self.matcher()),
            3 => format!("vector(scalar({inner}))"),
            4 => format!(
                "histogram_quantiles({inner}, \"q\", 0.5, {})",
                self.number()
            ),
            5 => self
                .of(&["time()", "start()", "min_of(1, 2)", "hour()", "step()"])
                .to_owned(),
            _ => format!("abs({inner})"),
        }
    }

    /// A text with some of its parts removed, doubled, changed, or put elsewhere.
    pub(crate) fn changed(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(4) {
            let place = self.place(characters.len());
            let length = self
                .place(4)
                .min(characters.len() - place.min(characters.len()));
            match self.below(5) {
                0 => {
                    characters.drain(place..place + length);
                }
                1 => {
                    let part: Vec<char> = characters[place..place + length].to_vec();
                    let to = self.place(characters.len());
                    characters.splice(to..to, part);
                }
                2 => {
                    let c = self.character();
                    characters.insert(place, c);
                }
                3 if place < characters.len() => characters[place] = self.character(),
                _ => {
                    let word = self.of(&[
                        " by ", "offset ", "@ ", "[5m]", "[1m:]", "(", ")", "{", "}", " and ",
                        "bool ", "on()", "\"", "start()", "step()", "0x", "1e", "smoothed",
                        " fill (", "-", "#", "sum(", "Inf",
                    ]);
                    characters.splice(place..place, word.chars());
                }
            }
        }
        characters.into_iter().collect()
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64 + 1)).unwrap()
    }

    fn character(&mut self) -> char {
        let odd = "()[]{}\"'`,:=~!<>+-*/%^@.#\\_ \n\t0123456789eExXabdmnostuy\u{0}\u{7f}é\u{fffd}\u{10ffff}";
        let at = self.place(odd.chars().count() - 1);
        odd.chars().nth(at).unwrap()
    }

    /// Any text.
    pub(crate) fn noise(&mut self) -> String {
        (0..self.below(40)).map(|_| self.character()).collect()
    }
}
