//! Which series the node has of itself, and what they mean: what their selectors name is looked up here and nowhere else.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    client::Own,
    lookup::{LookedUp, LookupAnswer, LookupRequest, Subject},
};
use crate::{
    federation::Local,
    labels::{LabelSet, Matcher},
};

/// What a metric means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, `summary` or `unknown`.
    pub kind: &'static str,
    /// What it is.
    pub help: String,
}

impl Own {
    /// What is known here, and what is to be asked of endpoints; nothing if all selectors are about what is here.
    pub(super) fn look_up(
        &self,
        request: &LookupRequest,
    ) -> (Vec<LookupAnswer>, Option<LookupRequest>) {
        if request.subject == Subject::Metadata {
            let answers = self.described(request).into_iter().collect();
            return (answers, Some(request.clone()));
        }
        let mut answers: Vec<LookupAnswer> = Vec::new();
        if request.selectors.is_empty() {
            let all = self.series.iter();
            answers.extend(all.filter_map(|own| found(&**own, request, &[&[]])));
            return (answers, Some(request.clone()));
        }
        let claims = |own: &dyn Local, selector: &[Matcher]| {
            own.claim().is_some_and(|claim| claim.takes(selector))
        };
        let mut rest = request.selectors.clone();
        for own in &self.series {
            let (claimed, others): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|selector| claims(&**own, selector));
            rest = others;
            let selectors: Vec<&[Matcher]> = claimed.iter().map(Vec::as_slice).collect();
            if !selectors.is_empty() {
                answers.extend(found(&**own, request, &selectors));
            }
        }
        let rest = LookupRequest {
            selectors: rest,
            ..request.clone()
        };
        (answers, (!rest.selectors.is_empty()).then_some(rest))
    }

    fn described(&self, request: &LookupRequest) -> Option<LookupAnswer> {
        let wanted = value_of(request, "metric");
        let all = self.meanings.iter();
        let all = all.filter(|one| wanted.is_none_or(|wanted| wanted == one.name));
        let entry = |one: &Meaning| json!([{"type": one.kind, "unit": "", "help": one.help}]);
        let all: Map<String, Value> = all.map(|one| (one.name.clone(), entry(one))).collect();
        (!all.is_empty()).then(|| LookupAnswer {
            partition: LabelSet::empty(),
            attach: false,
            data: Ok(LookedUp::Json(Value::Object(all))),
        })
    }
}

/// What any of some selectors finds; none if that is nothing.
fn found(
    own: &dyn Local,
    request: &LookupRequest,
    selectors: &[&[Matcher]],
) -> Option<LookupAnswer> {
    let labels = own.labels();
    let from = value_of(request, "start").and_then(millis);
    let to = value_of(request, "end").and_then(millis);
    let from = from.map_or(i64::MIN, |from| from.saturating_sub(1));
    let mut series: BTreeSet<LabelSet> = BTreeSet::new();
    for selector in selectors {
        let of_all = |matcher: &&Matcher| labels.get(matcher.name()).is_some();
        if !selector
            .iter()
            .filter(of_all)
            .all(|one| one.matches(&labels))
        {
            continue;
        }
        let rest = selector.iter().filter(|one| !of_all(one)).cloned();
        let rest: Vec<Matcher> = rest.collect();
        let selected = own.select(&rest, from, to.unwrap_or(i64::MAX));
        series.extend(selected.into_iter().map(|one| one.labels));
    }
    let data = match &request.subject {
        _ if series.is_empty() => return None,
        Subject::Exemplars | Subject::Metadata => return None,
        Subject::Series => LookedUp::Series(series.into_iter().collect()),
        Subject::LabelNames => LookedUp::Texts(names(&series)),
        Subject::LabelValues(name) => match labels.get(name) {
            Some(value) => LookedUp::Texts(vec![value.to_owned()]),
            None => LookedUp::Texts(values(&series, name)),
        },
    };
    Some(LookupAnswer {
        partition: labels,
        attach: true,
        data: Ok(data),
    })
}

fn names(series: &BTreeSet<LabelSet>) -> Vec<String> {
    let names = series.iter().flat_map(LabelSet::iter);
    let names: BTreeSet<&str> = names.map(|(name, _)| name).collect();
    names.into_iter().map(ToOwned::to_owned).collect()
}

fn values(series: &BTreeSet<LabelSet>, name: &str) -> Vec<String> {
    let values: BTreeSet<&str> = series.iter().filter_map(|one| one.get(name)).collect();
    values.into_iter().map(ToOwned::to_owned).collect()
}

fn value_of<'a>(request: &'a LookupRequest, name: &str) -> Option<&'a str> {
    let mut params = request.params.iter();
    let found = params.find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "times beyond the range saturate"
)]
fn millis(seconds: &str) -> Option<i64> {
    let seconds: f64 = seconds.parse().ok()?;
    Some((seconds * 1000.0).round() as i64)
}
