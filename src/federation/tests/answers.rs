//! What comes of answers, and of those that are missing.

use super::plans::{OPTIONS, world};
use crate::{
    federation::{Answer, Fetched, Inquiry, Missing, PartitionMode, Refusal, World},
    labels::LabelSet,
    promql::{
        Point, Samples, Series, Value,
        engine::Steps,
        parse::{Features, parse},
    },
};

const TIME: i64 = 100_000;

fn series(pairs: &[(&str, &str)], value: f64) -> Series {
    Series {
        labels: LabelSet::from_pairs(pairs.iter().copied()),
        floats: Samples {
            times: vec![TIME],
            values: vec![value],
            starts: Vec::new(),
        },
        ..Series::default()
    }
}

fn one(value: f64) -> Fetched {
    Fetched::Series(vec![series(&[], value)])
}

fn down() -> Fetched {
    Fetched::Missing("connection refused".to_owned())
}

/// The answer if each fragment is answered so.
#[expect(
    clippy::unwrap_in_result,
    reason = "the refusal is what tests are about"
)]
fn answered(world: &World, query: &str, answers: Vec<Vec<Fetched>>) -> Result<Answer, Refusal> {
    let expr = parse(query, Features::all()).unwrap();
    let inquiry = Inquiry::new(&expr, Steps::instant(TIME), OPTIONS, world).unwrap();
    assert_eq!(inquiry.fragments().len(), answers.len(), "{query}");
    inquiry.answer(world, answers, Vec::new())
}

fn vector(answer: &Answer) -> Vec<(String, f64)> {
    let Value::Vector(vector) = &answer.output.value else {
        panic!("{:?}", answer.output.value);
    };
    let number = |point: &Point| match point {
        Point::Float(value) => *value,
        Point::Histogram(_) => f64::NAN,
    };
    let samples = vector.iter();
    samples
        .map(|sample| (sample.labels.to_string(), number(&sample.point)))
        .collect()
}

#[test]
fn labels_are_attached_and_parts_added_up() {
    let world = world(PartitionMode::Attach);
    let answers = vec![vec![one(1.0), one(2.0), one(4.0)]];
    let answer = answered(&world, "sum by (cluster) (x)", answers.clone()).unwrap();
    let of = |cluster: &str, value| (format!("{{cluster=\"{cluster}\"}}"), value);
    assert_eq!(vector(&answer), [of("a", 1.0), of("b", 2.0), of("c", 4.0)]);
    assert!(answer.certainty.is_complete());
    let answer = answered(&world, "sum(x)", answers).unwrap();
    assert_eq!(vector(&answer), [("{}".to_owned(), 7.0)]);
}

#[test]
fn elements_of_a_missing_partition_are_uncertain_and_no_others() {
    let world = world(PartitionMode::Attach);
    let answers = || vec![vec![one(1.0), down(), one(4.0)]];
    let answer = answered(&world, "sum by (cluster) (x) > 0", answers()).unwrap();
    let missing = Missing {
        partition: 1,
        reason: "connection refused".to_owned(),
    };
    assert_eq!(answer.missing, std::slice::from_ref(&missing));
    assert_eq!(
        answer.missing_labels,
        [LabelSet::from_pairs([("cluster", "b")])]
    );
    let certain = |answer: &Answer, cluster| {
        answer
            .certainty
            .is_certain(&LabelSet::from_pairs([("cluster", cluster)]))
    };
    assert!(certain(&answer, "a") && certain(&answer, "c"));
    assert!(!certain(&answer, "b"));

    let answer = answered(&world, "sum(x)", answers()).unwrap();
    assert_eq!(vector(&answer), [("{}".to_owned(), 5.0)]);
    assert!(!answer.certainty.is_certain(&LabelSet::empty()));
    assert!(!answer.certainty.is_complete());

    let answers = || {
        vec![
            vec![one(1.0), down(), one(4.0)],
            vec![one(1.0), down(), one(4.0)],
        ]
    };
    let answer = answered(
        &world,
        "sum by (cluster) (x) / on () group_left () sum(x)",
        answers(),
    );
    assert!(!certain(&answer.unwrap(), "a"));
}

#[test]
fn nothing_is_absent_for_certain_while_a_partition_is_missing() {
    let world = world(PartitionMode::Attach);
    let nothing = || Fetched::Series(Vec::new());
    let query = "absent(up{job=\"x\"})";
    let answer = answered(&world, query, vec![vec![nothing(), down(), nothing()]]).unwrap();
    let labels = LabelSet::from_pairs([("job", "x")]);
    assert_eq!(vector(&answer), [(labels.to_string(), 1.0)]);
    assert!(!answer.certainty.is_certain(&labels));
    let answer = answered(&world, query, vec![vec![nothing(), nothing(), one(1.0)]]).unwrap();
    assert!(vector(&answer).is_empty() && answer.certainty.is_complete());
}

#[test]
fn an_answer_that_is_not_whole_is_none() {
    let world = world(PartitionMode::Attach);
    let partial = Fetched::Remarked(
        vec![series(&[], 1.0)],
        vec!["No StoreAPIs matched for this query".to_owned()],
    );
    let remarked = Fetched::Remarked(
        vec![series(&[], 2.0)],
        vec!["PromQL info: metric might not be a counter: \"x\" (1:6)".to_owned()],
    );
    let answer = answered(
        &world,
        "rate(x[5m])",
        vec![vec![partial, remarked, one(4.0)]],
    )
    .unwrap();
    assert_eq!(vector(&answer).len(), 2);
    assert_eq!(
        answer.missing[0].reason,
        "No StoreAPIs matched for this query"
    );
    let notes: Vec<_> = answer
        .output
        .annotations
        .iter()
        .map(|note| note.to_text("rate(x[5m])"))
        .collect();
    assert_eq!(
        notes,
        ["PromQL info: metric might not be a counter: \"x\" (1:1)"]
    );
}

#[test]
fn the_same_series_of_two_partitions_is_refused_unless_they_overlap() {
    let mut world = world(PartitionMode::Present);
    let of = |value| Fetched::Series(vec![series(&[("__name__", "x"), ("cluster", "a")], value)]);
    let answers = || vec![vec![of(1.0), Fetched::Series(Vec::new()), of(2.0)]];
    let refusal = answered(&world, "x", answers()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the series {__name__=\"x\", cluster=\"a\"} comes from partition {cluster=\"a\"} and from partition \
         {cluster=\"c\"}: correct the labels of the partitions so that they set them apart, or declare that they \
         overlap"
    );
    let refusal = answered(&world, "abs(x)", answers()).unwrap_err();
    assert!(matches!(refusal, Refusal::Again(_)), "{refusal}");
    for partition in &mut world.partitions {
        partition.overlap = true;
    }
    let answer = answered(&world, "x", answers()).unwrap();
    assert_eq!(vector(&answer).len(), 1);
}

/// One of two series has the label of its partition itself: with that of the partition they are the same.
#[test]
fn series_that_are_the_same_with_the_labels_of_their_partition_are_refused() {
    let world = world(PartitionMode::Attach);
    let two = || {
        let of = |pairs: &[(&str, &str)]| series(pairs, 1.0);
        Fetched::Series(vec![
            of(&[("__name__", "x")]),
            of(&[("__name__", "x"), ("cluster", "us")]),
        ])
    };
    let wanted = "two series of partition {cluster=\"a\"} become {__name__=\"x\", cluster=\"a\"}, since one of them has the \
                  label cluster itself: rename it there, or choose another label for the partition";
    for answers in [
        vec![two()],
        vec![two(), down(), down()],
        vec![two(), one(1.0), one(2.0)],
    ] {
        let query = match answers.len() {
            1 => "x{cluster=\"a\"}",
            _ => "x",
        };
        let refusal = answered(&world, query, vec![answers]).unwrap_err();
        assert_eq!(refusal.to_string(), wanted);
        assert!(matches!(refusal, Refusal::Overlap(_)));
    }
    let refusal = answered(&world, "x{cluster=\"a\"} * 2", vec![vec![two()]]).unwrap_err();
    assert_eq!(refusal, Refusal::Again(wanted.to_owned()));
    // One alone has the label of the partition.
    let own = Fetched::Series(vec![series(&[("__name__", "x"), ("cluster", "us")], 1.0)]);
    let answer = answered(&world, "x{cluster=\"a\"}", vec![vec![own]]).unwrap();
    assert_eq!(
        vector(&answer),
        [("{__name__=\"x\", cluster=\"a\"}".to_owned(), 1.0)]
    );
}

#[test]
fn parts_that_do_not_add_up_are_asked_for_again() {
    let world = world(PartitionMode::Attach);
    let remarked =
        |warning: &str| Fetched::Remarked(vec![series(&[], 1.0)], vec![warning.to_owned()]);
    let mixed = "PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)";
    let again = |query, answers| {
        let answer = answered(&world, query, answers);
        matches!(answer, Err(Refusal::Again(_)))
    };
    assert!(again(
        "sum(x)",
        vec![vec![one(1.0), remarked(mixed), one(1.0)]]
    ));
    assert!(!again(
        "sum by (cluster) (x)",
        vec![vec![one(1.0), remarked(mixed), one(1.0)]]
    ));
    let refused = || Fetched::Refused("invalid regular expression".to_owned());
    assert!(again("abs(x)", vec![vec![refused(), one(1.0), one(1.0)]]));
    let selected = answered(&world, "x", vec![vec![refused(), one(1.0), one(1.0)]]);
    assert!(matches!(selected, Err(Refusal::Selector { .. })));
    let counts = || vec![one(1.0), one(1.0), one(1.0)];
    assert!(again(
        "avg(x)",
        vec![vec![one(f64::INFINITY), one(1.0), one(1.0)], counts()]
    ));
    assert!(!again(
        "sum(x)",
        vec![vec![one(f64::INFINITY), one(1.0), one(1.0)]]
    ));
}
