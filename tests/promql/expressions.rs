//! Random expressions of `a`, `b`, `c_total`, `h_bucket` and `up`, with the labels `job`, `instance`, `le`, and those of
//! partitions: `shard` and `zone`.

/// Numbers that follow from the one they start with.
pub(crate) struct Chance {
    state: u64,
    /// What `@` names; Unix seconds.
    at: i64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            at: 600,
        }
    }

    /// Names another time.
    pub(crate) fn naming(self, at: i64) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// An expression whose value is an instant vector.
    pub(crate) fn vector(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.selector();
        }
        match self.below(12) {
            0 | 1 => self.selector(),
            2 | 3 => self.over_window(depth),
            4..=6 => self.aggregate(depth),
            7..=9 => self.binary(depth),
            _ => self.of_vector(depth),
        }
    }

    fn selector(&mut self) -> String {
        let name = self.of(&["a", "b", "c_total", "h_bucket", "up"]);
        let matchers = self.of(&[
            "",
            "",
            "",
            "",
            "{job=\"x\"}",
            "{job!=\"y\"}",
            "{instance=~\"1|2\"}",
            "{shard=\"s1\"}",
            "{shard!=\"s2\"}",
            "{shard=~\"s0|s1\",job=\"x\"}",
            "{le=\"1\"}",
            "{shard=\"none\"}",
            "{zone=\"z\"}",
            "{zone=\"\"}",
        ]);
        let shift = self.of(&[
            "",
            "",
            "",
            "",
            "",
            " offset 1m",
            " offset -30s",
            "@",
            " @ start()",
        ]);
        let shift = self.shift(shift);
        format!("{name}{matchers}{shift}")
    }

    fn window(&mut self, depth: u32) -> String {
        if self.one_in(4) {
            let inner = self.vector(depth - 1);
            let step = self.of(&["", "30s", "1m", "45s"]);
            return format!("({inner})[5m:{step}]");
        }
        let name = self.of(&["a", "b", "c_total", "h_bucket"]);
        let matchers = self.of(&[
            "",
            "",
            "{job=\"x\"}",
            "{shard=\"s0\"}",
            "{shard=~\"s[12]\"}",
        ]);
        let range = self.of(&["1m", "2m", "5m", "15s"]);
        let shift = self.of(&["", "", "", " offset 1m", "@"]);
        let shift = self.shift(shift);
        format!("{name}{matchers}[{range}]{shift}")
    }

    fn shift(&self, shift: &str) -> String {
        match shift {
            "@" => format!(" @ {}", self.at),
            other => other.to_owned(),
        }
    }

    fn over_window(&mut self, depth: u32) -> String {
        let function = self.of(&[
            "rate",
            "rate",
            "increase",
            "delta",
            "irate",
            "idelta",
            "changes",
            "resets",
            "deriv",
            "sum_over_time",
            "avg_over_time",
            "max_over_time",
            "min_over_time",
            "count_over_time",
            "last_over_time",
            "present_over_time",
            "stddev_over_time",
            "absent_over_time",
            "first_over_time",
        ]);
        let window = self.window(depth);
        match self.below(12) {
            0 => format!("quantile_over_time(0.7, {window})"),
            1 => format!("predict_linear({window}, 60)"),
            _ => format!("{function}({window})"),
        }
    }

    fn labels(&mut self) -> &'static str {
        self.of(&[
            "",
            "job",
            "instance",
            "shard",
            "job, shard",
            "job, instance",
            "le",
            "le, shard",
            "zone",
            "zone, job",
            "zone, shard",
        ])
    }

    fn aggregate(&mut self, depth: u32) -> String {
        let inner = self.vector(depth - 1);
        let labels = self.labels();
        let grouping = match self.below(4) {
            0 => String::new(),
            1 => format!(" without ({labels})"),
            _ => format!(" by ({labels})"),
        };
        match self.below(14) {
            0 => format!("topk{grouping} (2, {inner})"),
            1 => format!("bottomk{grouping} (1, {inner})"),
            2 => format!("quantile{grouping} (0.3, {inner})"),
            3 => format!(
                "count_values{grouping} (\"{}\", ceil({inner}))",
                self.of(&["v", "job", "shard", "zone"])
            ),
            4 => format!("topk{grouping} (scalar({}), {inner})", self.selector()),
            5 => format!("stddev{grouping} ({inner})"),
            6 => format!("stdvar{grouping} ({inner})"),
            _ => {
                let op = self.of(&["sum", "sum", "min", "max", "count", "avg", "avg", "group"]);
                format!("{op}{grouping} ({inner})")
            }
        }
    }

    fn binary(&mut self, depth: u32) -> String {
        let lhs = self.vector(depth - 1);
        if self.one_in(3) {
            let op = self.of(&["+", "*", ">", "<= bool", "==", "%", "/"]);
            let scalar = self.of(&[
                "2",
                "0",
                "(1 + 1)",
                "time()",
                "scalar(a{job=\"x\"})",
                "scalar(sum(a{shard=\"s1\"}))",
                "1m",
            ]);
            return if self.one_in(2) {
                format!("({lhs}) {op} {scalar}")
            } else {
                format!("{scalar} {op} ({lhs})")
            };
        }
        let rhs = match self.below(6) {
            0 => "vector(1)".to_owned(),
            1 => "hour()".to_owned(),
            _ => self.vector(depth - 1),
        };
        let labels = self.labels();
        let on = match self.below(4) {
            0 => format!("on ({labels})"),
            1 => format!("ignoring ({labels})"),
            _ => String::new(),
        };
        let (op, group) = if self.one_in(2) {
            (self.of(&["and", "or", "unless"]), "")
        } else {
            let group = self.of(&["group_left", "group_right ()", "group_left (shard)"]);
            let grouped = !on.is_empty() && self.one_in(2);
            (
                self.of(&["+", "-", "/", ">", "== bool"]),
                if grouped { group } else { "" },
            )
        };
        format!("({lhs}) {op} {on} {group} ({rhs})")
    }

    fn of_vector(&mut self, depth: u32) -> String {
        let inner = self.vector(depth - 1);
        match self.below(14) {
            0 => format!("absent({inner})"),
            1 => format!("vector(scalar({inner}))"),
            2 => format!("label_replace({inner}, \"dst\", \"$1\", \"instance\", \"(.*)\")"),
            3 => format!("label_replace({inner}, \"shard\", \"$1\", \"job\", \"(.*)\")"),
            4 => format!("label_join({inner}, \"dst\", \"-\", \"shard\", \"job\")"),
            5 => format!("histogram_quantile(0.9, {inner})"),
            6 => format!("sort({inner})"),
            7 => format!("-({inner})"),
            8 => format!("clamp({inner}, 1, 20)"),
            9 => format!("timestamp({})", self.selector()),
            10 => "histogram_quantile(0.5, sum by (le) (rate(h_bucket[2m])))".to_owned(),
            11 => format!("absent({})", self.selector()),
            _ => format!(
                "{}({inner})",
                self.of(&["abs", "ceil", "sgn", "exp", "timestamp", "hour"])
            ),
        }
    }
}
