//! Go's own outputs and errors (`templates.json`), and what hostile templates may not do.
#![cfg(test)]

use std::{fs, sync::Arc};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{AlertData, Data, Language, Library, Mode, Scope, TemplateError};
use crate::{labels::LabelSet, time::Timestamp};

/// A case of the file: its name, its mode, the template, and the output or the error.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) template: String,
    pub(super) expect: Result<String, String>,
}

/// The data and the cases; `None` where the file is not there.
pub(super) fn load() -> Option<(Data, Vec<Case>)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/go/templates.json"
    );
    let text = fs::read_to_string(path).ok()?;
    let file: Json = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap().iter().map(|case| {
        let text = |key: &str| case[key].as_str().map(str::to_owned);
        Case {
            name: text("name").unwrap(),
            mode: if case["mode"] == "html" {
                Mode::Html
            } else {
                Mode::Text
            },
            template: text("template").unwrap(),
            // The program that made the cases had the types in its own package.
            expect: match text("error") {
                None => Ok(text("output").unwrap().replace("main.", "template.")),
                Some(error) => Err(error.replace("main.", "template.")),
            },
        }
    });
    Some((data(&file["data"]), cases.collect()))
}

fn data(json: &Json) -> Data {
    let text = |json: &Json| Arc::from(json.as_str().unwrap());
    let labels = |json: &Json| {
        let pairs = json.as_object().unwrap().iter();
        LabelSet::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap())))
    };
    let alerts = json["alerts"].as_array().unwrap().iter().map(|alert| {
        let time = |key: &str| Timestamp::parse(alert[key].as_str().unwrap()).unwrap();
        Arc::new(AlertData {
            status: text(&alert["status"]),
            labels: labels(&alert["labels"]),
            annotations: labels(&alert["annotations"]),
            starts_at: time("startsAt"),
            ends_at: time("endsAt"),
            generator_url: text(&alert["generatorURL"]),
            fingerprint: text(&alert["fingerprint"]),
        })
    });
    Data {
        receiver: text(&json["receiver"]),
        status: text(&json["status"]),
        alerts: alerts.collect(),
        notification_reason: text(&json["notificationReason"]),
        group_labels: labels(&json["groupLabels"]),
        common_labels: labels(&json["commonLabels"]),
        common_annotations: labels(&json["commonAnnotations"]),
        route_labels: labels(&json["routeLabels"]),
        external_url: text(&json["externalURL"]),
    }
}

/// Compiles and renders a text.
pub(super) fn render(
    library: &Library,
    source: &str,
    mode: Mode,
    data: &Arc<Data>,
) -> Result<String, TemplateError> {
    let scope = Scope::new(Arc::clone(data), Timestamp::from_unix(1_772_360_000, 0));
    library.compile("", source, mode)?.render(&scope)
}

#[test]
fn text_renders_as_go_renders_it() {
    let Some((data, cases)) = load() else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let (data, library) = (Arc::new(data), Library::built_in(Language::English));
    let mut wrong = Vec::new();
    // The outputs of html/template are checked where the escapers are.
    let text: Vec<&Case> = cases
        .iter()
        .filter(|case| case.mode == Mode::Text)
        .collect();
    for case in &text {
        let got = render(&library, &case.template, case.mode, &data).map_err(|e| e.to_string());
        if got != case.expect {
            wrong.push(format!(
                "{}\n  got  {got:?}\n  want {:?}",
                case.name, case.expect
            ));
        }
    }
    println!("{} of {}", text.len() - wrong.len(), text.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
