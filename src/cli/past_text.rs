//! What a replay of rules found, as people and programs read it.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::{
    app::past::{Alert, Past, Replayed},
    labels::LabelSet,
    time::{Timestamp, format_prom_duration},
};

/// What stands for the end of an alert that has none.
const STILL: &str = "still fires";

/// The alerts as a table, and how many there are.
pub(super) fn table(replayed: &Replayed) -> String {
    let head = ["FIRED", "ENDED", "LASTED", "ALERT", "LABELS"];
    let mut rows: Vec<[String; 5]> = vec![head.map(str::to_owned)];
    rows.extend(replayed.alerts.iter().map(row));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len() - 1).map(width).collect();
    let mut text = String::new();
    if !replayed.alerts.is_empty() {
        for row in &rows {
            for (cell, width) in row.iter().zip(widths.iter().chain([&0])) {
                text.push_str(&format!("{cell:width$}  "));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text.push('\n');
    }
    let (alerts, evaluations) = (replayed.alerts.len(), replayed.evaluations);
    text + &format!("{alerts} alerts would have fired in {evaluations} evaluations\n")
}

fn row(alert: &Alert) -> [String; 5] {
    let lasted = alert
        .ended_at
        .map(|ended| ended.saturating_sub(alert.fired_at));
    let lasted = lasted.and_then(|millis| u64::try_from(millis).ok());
    let lasted =
        lasted.map(|millis| format_prom_duration(std::time::Duration::from_millis(millis)));
    let others = alert.labels.filter_pairs(|name, _| name != "alertname");
    [
        time(alert.fired_at),
        alert.ended_at.map_or_else(|| STILL.to_owned(), time),
        lasted.unwrap_or_default(),
        alert.labels.value("alertname").to_owned(),
        others.to_string(),
    ]
}

fn time(millis: i64) -> String {
    Timestamp::from_millis(millis).to_rfc3339_millis()
}

/// Everything as JSON.
pub(super) fn json(past: &Past, replayed: &Replayed) -> String {
    let alerts = replayed.alerts.iter().map(|alert| {
        json!({
            "file": alert.file,
            "group": alert.group,
            "labels": object(&alert.labels),
            "annotations": object(&alert.annotations),
            "value": crate::promql::go_float(alert.value),
            "activeAt": time(alert.active_at),
            "firedAt": time(alert.fired_at),
            "endedAt": alert.ended_at.map(time),
        })
    });
    let troubled = replayed.troubled.iter().map(|rule| {
        json!({
            "file": rule.file,
            "group": rule.group,
            "name": rule.name,
            "evaluations": rule.evaluations,
            "failures": rule.failures,
            "lastError": rule.error,
            "partitionsMissing": rule.missing,
        })
    });
    let value = json!({
        "from": time(past.from),
        "to": time(past.to),
        "evaluations": replayed.evaluations,
        "alerts": alerts.collect::<Vec<_>>(),
        "troubledRules": troubled.collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn object(labels: &LabelSet) -> Value {
    let pairs = labels.iter();
    let pairs = pairs.map(|(name, value)| (name.to_owned(), Value::from(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Says which rules could not be evaluated as they should.
pub(super) fn troubles(replayed: &Replayed, to: &mut impl Write) -> io::Result<()> {
    for rule in &replayed.troubled {
        let (group, name) = (&rule.group, &rule.name);
        if rule.failures > 0 {
            let (failures, evaluations, error) = (rule.failures, rule.evaluations, &rule.error);
            writeln!(
                to,
                "WARNING: {group}: {name}: {failures} of {evaluations} evaluations failed: {error}"
            )?;
        }
        for missing in &rule.missing {
            writeln!(to, "WARNING: {group}: {name}: {missing}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_when_and_how_long_and_how_many() {
        let alert = |name: &str, ended_at| Alert {
            file: "f".to_owned(),
            group: "g".to_owned(),
            labels: LabelSet::from_pairs([("alertname", name), ("job", "a")]),
            annotations: LabelSet::empty(),
            value: 1.0,
            active_at: 0,
            fired_at: 60_000,
            ended_at,
        };
        let replayed = Replayed {
            alerts: vec![alert("Short", Some(150_000)), alert("ALongerName", None)],
            troubled: Vec::new(),
            evaluations: 7,
        };
        assert_eq!(
            table(&replayed),
            "\
FIRED                     ENDED                     LASTED  ALERT        LABELS
1970-01-01T00:01:00.000Z  1970-01-01T00:02:30.000Z  1m30s   Short        {job=\"a\"}
1970-01-01T00:01:00.000Z  still fires                       ALongerName  {job=\"a\"}

2 alerts would have fired in 7 evaluations
"
        );
        let none = Replayed::default();
        assert_eq!(table(&none), "0 alerts would have fired in 0 evaluations\n");
    }
}
