//! Expressions as people and Prometheus write them: those of the `.test` files and of the rules beside them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::notation::{self, CommandKind};

/// Expressions of our own, of every kind of syntax; what people write is added where it is at hand.
const OWN: &[&str] = &[
    "1 + 0x1F - 1e-7 * .5 / 5m % Inf ^ -NaN",
    "-1 ^ 2 ^ -3 atan2 +a",
    "-(a) ^ -b ^ c * -d",
    "a == bool on () b",
    "a <= ignoring (x, \"y z\") group_left () b",
    "a ^ on (x) group_right (y, z) fill_left (-1) fill_right (NaN) b",
    "a + fill (1e30) b",
    "a </ 1 >/ 2",
    "a and on (x) b or c unless ignoring (y) d",
    "sum by () (a)",
    "sum without () (a)",
    "topk by (a, by, sum, atan2, offset) (1, x)",
    "count_values without (job) (\"\\u00e9\", label_join(a, 'a\\n\"`', `b\\`, \"\"))",
    "quantile(scalar(a), b)",
    "{\"a.b\", \"c d\"!~\"e|f\"}",
    "{__name__=~\"a.*\", x!=\"\"}",
    "offset offset 5m / offset_b",
    "by{by=\"by\"} and without / start",
    "a offset -1h @ -1.5",
    "a @ start() offset 1w2d anchored",
    "a[1y2w3d4h5m6s7ms] @ end() smoothed",
    "rate(a[5m] offset 1m)[1h:] @ 3",
    "sum(a)[1h:1m] offset -5m",
    "(a offset 5m)[10m:1m]",
    "a offset 5m[10m:1m]",
    "a @ 1 [10m:1m] @ 2",
    "\"text\"",
    "label_replace(a, 'x', \"$1\", `y`, \"(.*)\")",
    "info(a, {x=~\".*\"})",
    "time() + start() + end() + range() + step()",
    "min_of(1, max_of(2, 3))",
    "a[1m + 2m * 3 ^ 4 - -5]",
    "a[(1m + 2m) * (3):step() % 7]",
    "a[min_of(1m, range()):max_of(step(), 5)] offset -(1m + 2)",
    "a offset (5)",
    "a offset +(5m) + 1",
    "a offset (5m) @ 1 + -b offset (5m) smoothed * a offset (1) * 2 anchored - 1",
    "a offset -step() - 1",
    "a offset min_of(1, 2) * 3",
    "a offset +min_of(1, 2)",
    "a offset - -5",
    "a offset +-min_of(1, 2) + 3 @ 5 * b offset +-5 * 2 smoothed - c",
    "a offset + +step() / 2",
    "a offset - -step() ^ 2 ^ -1",
    "# comment\n a # another",
];

/// All expressions that are at hand, each once.
pub(crate) fn expressions() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: BTreeSet<String> = OWN.iter().map(|text| (*text).to_owned()).collect();
    let data = root.join("../shared/data");
    for directory in [root.join("tests/promql/cases"), data.join("promqltest")] {
        for file in files_below(&directory, &["test"]) {
            let (commands, _) = notation::read(&fs::read_to_string(file).unwrap());
            all.extend(
                commands
                    .into_iter()
                    .filter_map(|command| match command.kind {
                        CommandKind::Eval(eval) => Some(eval.query),
                        CommandKind::Clear | CommandKind::Load(_) => None,
                    }),
            );
        }
    }
    for file in files_below(&data.join("rules"), &["yaml", "yml"]) {
        let text = fs::read_to_string(file).unwrap();
        if let Ok(value) = serde_yaml::from_str(&text) {
            expressions_of(&value, &mut all);
        }
    }
    all.into_iter().collect()
}

fn expressions_of(value: &serde_yaml::Value, all: &mut BTreeSet<String>) {
    match value {
        serde_yaml::Value::Mapping(mapping) => {
            for (key, value) in mapping {
                match value.as_str().filter(|_| key.as_str() == Some("expr")) {
                    Some(expr) => {
                        all.insert(expr.to_owned());
                    }
                    None => expressions_of(value, all),
                }
            }
        }
        serde_yaml::Value::Sequence(items) => {
            for item in items {
                expressions_of(item, all);
            }
        }
        serde_yaml::Value::Null
        | serde_yaml::Value::Bool(_)
        | serde_yaml::Value::Number(_)
        | serde_yaml::Value::String(_)
        | serde_yaml::Value::Tagged(_) => {}
    }
}

fn files_below(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, extensions));
        } else if path
            .extension()
            .is_some_and(|own| extensions.iter().any(|extension| own == *extension))
        {
            files.push(path);
        }
    }
    files.sort();
    files
}
