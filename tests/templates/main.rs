//! The template engine beside Go's own: random templates and hand-picked ones, rendered here and by Debian's `amtool
//! template render`, which is Go's text/template and html/template with Alertmanager's data and functions.
//!
//! `SEED=7` plays one seed and prints everything; `SEEDS=2000` plays more. amtool 0.25 is built with an old Go, so what
//! Go learned since (`range` over numbers, `else with`, templates in JavaScript's backquotes) is not generated.
#![expect(clippy::unwrap_used, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "these tests run a real process")]

mod corpus;
mod generate;
mod oracle;
mod rules;
#[path = "../skipped/mod.rs"]
mod skipped;

use generate::Generator;
use oracle::{Mode, Oracle, Rendered};

/// Templates of one run; each costs a process of some 25 ms.
const SEEDS: u64 = 300;

#[test]
fn random_templates_render_as_in_go() {
    let Some(oracle) = Oracle::installed() else {
        skipped::skipped("amtool is not installed");
        return;
    };
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    };
    let mut wrong = Vec::new();
    for seed in seeds.clone() {
        let (mode, template) = Generator::new(seed).template();
        if let Some(difference) = oracle.difference(mode, &template) {
            wrong.push(format!("SEED={seed}: {difference}"));
        }
    }
    println!(
        "{} of {} alike",
        seeds.count() - wrong.len(),
        number("SEEDS").unwrap_or(SEEDS)
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn templates_that_people_write_render_as_in_go() {
    let Some(oracle) = Oracle::installed() else {
        skipped::skipped("amtool is not installed");
        return;
    };
    let wrong: Vec<String> = corpus::TEMPLATES
        .iter()
        .flat_map(|template| {
            [Mode::Text, Mode::Html]
                .into_iter()
                .filter_map(|mode| oracle.difference(mode, template))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_oracle_can_tell_a_difference() {
    let Some(oracle) = Oracle::installed() else {
        skipped::skipped("amtool is not installed");
        return;
    };
    let theirs = oracle.theirs(Mode::Text, "{{ .Status }}");
    assert_eq!(theirs, Rendered::Output("firing".to_owned()));
    assert!(matches!(
        oracle.theirs(Mode::Text, "{{ .Nope }}"),
        Rendered::Error(_)
    ));
}
