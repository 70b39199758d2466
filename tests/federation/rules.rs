//! The expressions of the rules that many clusters run, over series that their selectors find.

use std::{fs, path::Path};

use serde_yaml::Value;
use watchfire::promql::{
    ast::Expr,
    parse::{Features, parse},
};

use crate::{
    api::When,
    guess::Guess,
    servers,
    side_by_side::{Plan, SideBySide, Verdict, expect_same},
    skipped::skipped,
};

/// When the rules are evaluated: off the minutes, at which subqueries are.
const NOW: i64 = 1_700_000_403;

#[test]
fn rules_give_what_one_prometheus_gives() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/rules");
    let expressions = expressions(&directory);
    if expressions.is_empty() {
        skipped(&format!(
            "rules beside one Prometheus: there are no rule files in {}",
            directory.display()
        ));
        return;
    }
    let Some(()) = servers::installed() else {
        return;
    };
    let parsed: Vec<Expr> = expressions
        .iter()
        .map(|text| parse(text, Features::none()).unwrap())
        .collect();
    let guess = Guess::of(&parsed);
    let place = tempfile::tempdir().unwrap();
    let part = |name| (name, guess.lines(name, NOW * 1000));
    let plan = Plan {
        label: "cluster",
        parts: [part("eu"), part("us"), part("ap")],
        gap: (NOW * 1000 - 180_000, NOW * 1000 - 60_000),
        pushdown: "aggregate",
    };
    let series: Vec<_> = plan.parts.iter().map(|(_, lines)| lines.len()).collect();
    let world = SideBySide::start(place.path(), &plan);
    let range = When::Range {
        start: NOW - 240,
        end: NOW,
        step: 60,
    };
    let questions: Vec<_> = expressions
        .iter()
        .flat_map(|text| [(text.clone(), When::At(NOW)), (text.clone(), range)])
        .collect();
    let verdicts = world.compare_all(&questions);
    let (mut full, mut empty, mut refused) = (0, 0, 0);
    for ((query, _), verdict) in questions.iter().zip(&verdicts) {
        match verdict {
            Verdict::Same { empty: false } => full += 1,
            Verdict::Same { empty: true } => {
                empty += 1;
                println!("empty: {}", in_one_line(query));
            }
            Verdict::Refused(why) => {
                refused += 1;
                println!("refused: {}: {why}", in_one_line(query));
            }
            Verdict::Different(_) => {}
        }
    }
    println!(
        "{series:?} series; {} expressions, {} queries: {full} give the same elements, {empty} none, {refused} are refused by both",
        expressions.len(),
        questions.len()
    );
    expect_same(&questions, &verdicts);
    assert!(full * 10 >= questions.len() * 8, "most have no result");
}

fn in_one_line(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The expressions of all rule files below a directory.
fn expressions(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let directories = fs::read_dir(directory).into_iter().flatten();
    for entry in directories {
        let inside = fs::read_dir(entry.unwrap().path()).unwrap();
        files.extend(inside.map(|file| file.unwrap().path()));
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text: Value = serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for group in text["groups"].as_sequence().into_iter().flatten() {
            for rule in group["rules"].as_sequence().into_iter().flatten() {
                let expression = rule["expr"].as_str().unwrap().trim().to_owned();
                if !found.contains(&expression) {
                    found.push(expression);
                }
            }
        }
    }
    found
}
