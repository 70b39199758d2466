//! `/rules` and `/alerts`: the ruler's groups, rules and alerts in Prometheus's JSON (`web/api/v1/api.go`), with what each
//! lacked.

use std::{collections::BTreeSet, future::Future, num::IntErrorKind, pin::Pin, sync::Arc};

use serde_json::{Map, Value, json};

use super::{ApiFailure, params::selectors};
use crate::{
    api::query::Query,
    config::RuleKind,
    labels::{LabelSet, Matcher, go_quote},
    promql::go_float,
    ruler::{Group, GroupState, Instance, Phase, Rule, RuleSet, RuleState, States},
    time::Timestamp,
};

/// The rules and what is known of them; `None` if the ruler does not answer.
pub type Showing<'a> = Pin<Box<dyn Future<Output = Option<(Arc<RuleSet>, States)>> + Send + 'a>>;

/// Shows the rules.
pub trait RuleReader: Send + Sync {
    /// All of them.
    fn show(&self) -> Showing<'_>;

    /// How often the ruler hung since the start, and whether it does.
    fn hangs(&self) -> (u64, bool);
}

/// What of the rules is wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: BTreeSet<String>,
    groups: BTreeSet<String>,
    files: BTreeSet<String>,
    matchers: Vec<Vec<Matcher>>,
    alerting: bool,
    recording: bool,
    alerts: bool,
    page: Option<usize>,
    token: String,
}

impl Wanted {
    /// Reads the parameters, with Prometheus's errors.
    pub(super) fn of(query: &Query) -> Result<Self, ApiFailure> {
        let kind = query.first("type").unwrap_or_default().to_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            return Err(invalid(
                "type",
                &format!("not supported value {}", go_quote(&kind)),
            ));
        }
        let set = |name: &str| query.all(name).map(ToOwned::to_owned).collect();
        let (page, token) = page(query)?;
        Ok(Self {
            names: set("rule_name[]"),
            groups: set("rule_group[]"),
            files: set("file[]"),
            matchers: matchers(query)?,
            alerting: kind != "record",
            recording: kind != "alert",
            alerts: !excludes(query)?,
            page,
            token,
        })
    }

    fn wants_group(&self, group: &Group) -> bool {
        let any = |set: &BTreeSet<String>, value: &str| set.is_empty() || set.contains(value);
        any(&self.groups, &group.key.name) && any(&self.files, &group.key.file)
    }

    fn wants(&self, rule: &Rule) -> bool {
        let kind = if rule.key.alerting {
            self.alerting
        } else {
            self.recording
        };
        let name = self.names.is_empty() || self.names.contains(rule.name());
        kind && name && self.matches(&rule.key.labels)
    }

    /// Matchers look at the rule's own labels as they are written, also at templates.
    fn matches(&self, labels: &LabelSet) -> bool {
        let one = |matcher: &Matcher| {
            let value = labels.get(matcher.name());
            matcher.matches_value(value.unwrap_or_default())
        };
        let mut sets = self.matchers.iter();
        self.matchers.is_empty() || sets.any(|set| set.iter().all(one))
    }
}

fn invalid(parameter: &str, why: &str) -> ApiFailure {
    ApiFailure::bad_data(format!("invalid parameter {}: {why}", go_quote(parameter)))
}

fn matchers(query: &Query) -> Result<Vec<Vec<Matcher>>, ApiFailure> {
    selectors(query).map_err(ApiFailure::bad_data)
}

fn excludes(query: &Query) -> Result<bool, ApiFailure> {
    let text = query
        .first("exclude_alerts")
        .unwrap_or_default()
        .to_lowercase();
    match text.as_str() {
        "" | "0" | "f" | "false" => Ok(false),
        "1" | "t" | "true" => Ok(true),
        _ => {
            let text = go_quote(&text);
            let why = format!(
                "error converting exclude_alerts: strconv.ParseBool: parsing {text}: invalid syntax"
            );
            Err(invalid("exclude_alerts", &why))
        }
    }
}

fn page(query: &Query) -> Result<(Option<usize>, String), ApiFailure> {
    let limit = query.first("group_limit").unwrap_or_default();
    let token = query.first("group_next_token").unwrap_or_default();
    if limit.is_empty() {
        if token.is_empty() {
            return Ok((None, String::new()));
        }
        let why = "group_limit needs to be present in order to paginate over the groups";
        return Err(invalid("group_next_token", why));
    }
    let parsed = limit.parse::<i32>().map_err(|error| {
        let too_far = [IntErrorKind::PosOverflow, IntErrorKind::NegOverflow];
        let what = match too_far.contains(error.kind()) {
            true => "value out of range",
            false => "invalid syntax",
        };
        let why = format!(
            "group_limit needs to be a valid number: strconv.ParseInt: parsing {}: {what}",
            go_quote(limit)
        );
        invalid("group_limit", &why)
    })?;
    match usize::try_from(parsed) {
        Ok(groups) if groups > 0 => Ok((Some(groups), token.to_owned())),
        _ => Err(invalid(
            "group_limit",
            "group_limit needs to be greater than 0",
        )),
    }
}

/// `data` of `/rules`.
pub(super) fn rules(set: &RuleSet, states: &States, wanted: &Wanted) -> Result<Value, ApiFailure> {
    let mut groups = Vec::new();
    let mut next = None;
    let mut found = wanted.token.is_empty();
    let mut all: Vec<_> = set.groups.iter().zip(&states.groups).collect();
    all.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
    for (group, state) in all {
        found |= wanted.token == token(group);
        if !found || !wanted.wants_group(group) {
            continue;
        }
        let rules = group.rules.iter().zip(&state.rules);
        let rules = rules.filter(|(rule, _)| wanted.wants(rule));
        let rules: Vec<Value> = rules
            .map(|(rule, of)| one_rule(rule, of, wanted, state.owned.is_some()))
            .collect();
        if rules.is_empty() {
            continue;
        }
        if wanted.page == Some(groups.len()) {
            next = Some(token(group));
            break;
        }
        groups.push(one_group(group, state, rules));
    }
    if !found {
        let why = format!(
            "invalid group_next_token '{}'. were rule groups changed?",
            wanted.token
        );
        return Err(invalid("group_next_token", &why));
    }
    let mut data = json!({"groups": groups});
    if let (Some(next), Some(data)) = (next, data.as_object_mut()) {
        data.insert("groupNextToken".to_owned(), json!(next));
    }
    Ok(data)
}

fn token(group: &Group) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, group.key.joined().as_bytes());
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn one_group(group: &Group, state: &GroupState, rules: Vec<Value>) -> Value {
    json!({
        "name": &*group.key.name,
        "file": &*group.key.file,
        "rules": rules,
        "interval": seconds(group.cadence.interval()),
        "limit": group.definition.limit,
        "evaluationTime": seconds(state.took),
        "lastEvaluation": time(state.last_slot),
        "missedSlots": match state.owned {
            Some(_) => state.missed,
            None => state.missed_elsewhere,
        },
        "endpoints": state.endpoints.iter().map(|name| &**name).collect::<Vec<_>>(),
        "owner": state.claim.as_ref().map_or("", |claim| &*claim.owner),
        "epoch": state.claim.as_ref().map_or(0, |claim| claim.epoch),
    })
}

fn one_rule(rule: &Rule, state: &RuleState, wanted: &Wanted, owned: bool) -> Value {
    let definition = &rule.definition;
    let mut value = json!({
        "name": rule.name(),
        "query": definition.expr.to_string(),
        "labels": labels(&rule.key.labels),
        "health": state.health.as_str(),
        "lastError": state.last_error,
        "evaluationTime": seconds(state.took),
        "lastEvaluation": time(state.last_evaluation),
        "partitionsMissing": state.missing,
        "held": state.held,
    });
    let Some(members) = value.as_object_mut() else {
        return value;
    };
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if owned {
        // Others are told of the group alone.
        set("missedSlots", json!(state.missed));
    }
    match &definition.kind {
        RuleKind::Recording { .. } => {
            set("type", json!("recording"));
        }
        RuleKind::Alerting {
            hold,
            keep_firing_for,
            annotations,
            ..
        } => {
            set("type", json!("alerting"));
            set("state", json!(phase_of(state)));
            set("duration", json!(hold.as_secs_f64()));
            set("keepFiringFor", json!(keep_firing_for.as_secs_f64()));
            set("annotations", json!(annotations));
            let alerts = state.alerts.active().filter(|_| wanted.alerts);
            let alerts = alerts.map(|(labels, instance)| one_alert(labels, instance));
            set("alerts", alerts.collect());
        }
    }
    value
}

fn phase_of(state: &RuleState) -> &'static str {
    if state.last_evaluation.is_none() {
        return "unknown";
    }
    let phases = state.alerts.active().map(|(_, instance)| instance.phase);
    phases.max().map_or("inactive", phase)
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Firing => "firing",
        Phase::Resolved => "inactive",
    }
}

fn one_alert(of: &LabelSet, instance: &Instance) -> Value {
    let mut alert = json!({
        "labels": labels(of),
        "annotations": labels(&instance.annotations),
        "state": phase(instance.phase),
        "activeAt": time(Some(instance.active_at)),
        "value": exponent(instance.value),
    });
    let Some(members) = alert.as_object_mut() else {
        return alert;
    };
    if let Some(since) = instance.keep_firing_since {
        members.insert("keepFiringSince".to_owned(), json!(time(Some(since))));
    }
    if let Some(since) = instance.held_since {
        members.insert("heldSince".to_owned(), json!(time(Some(since))));
    }
    alert
}

/// `data` of `/alerts`.
pub(super) fn alerts(states: &States) -> Value {
    let rules = states.groups.iter().flat_map(|group| &group.rules);
    let alerts = rules.flat_map(|rule| rule.alerts.active());
    let alerts = alerts.map(|(labels, instance)| one_alert(labels, instance));
    json!({"alerts": alerts.collect::<Vec<_>>()})
}

fn labels(set: &LabelSet) -> Value {
    let pairs = set
        .iter()
        .map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Go's format `'e'` with as many digits as needed.
fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return go_float(value);
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = match power.strip_prefix('-') {
                Some(power) => ('-', power),
                None => ('+', power),
            };
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

/// Milliseconds as seconds.
fn seconds(millis: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "durations are far below 2^53 milliseconds"
    )]
    let millis = millis as f64;
    millis / 1000.0
}

fn time(millis: Option<i64>) -> String {
    let time = millis.map_or(Timestamp::ZERO, Timestamp::from_millis);
    time.to_rfc3339_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::testing::{now, rule_set, rule_set_of},
        ruler::{Effect, Members, Ruler},
        time::Now,
    };

    /// Evaluates what is due so many seconds after now; each evaluation fails.
    fn evaluate(ruler: &mut Ruler, seconds: i64) {
        let at = Now {
            wall: Timestamp::from_millis(now().wall.unix_millis() + seconds * 1000),
            ..now()
        };
        ruler.handle_timeout(at);
        while let Some(effect) = ruler.poll_effect() {
            if let Effect::Evaluate(evaluation) = effect {
                ruler.evaluated(evaluation.id, Err("no".to_owned()), at);
            }
        }
    }

    /// Rules of files, by their paths.
    fn of_files(files: &[(&str, &str)]) -> (Arc<RuleSet>, States) {
        let set = rule_set_of(files);
        let states = Ruler::alone(Arc::clone(&set), now()).states().clone();
        (set, states)
    }

    /// The names of the groups that a query string asks for, and the token of the next page.
    fn groups(of: &(Arc<RuleSet>, States), query: &str) -> (Vec<String>, Option<String>) {
        let wanted = Wanted::of(&Query::parse(query)).unwrap();
        let shown = rules(&of.0, &of.1, &wanted).unwrap();
        let groups = shown["groups"].as_array().unwrap().iter();
        let names = groups.map(|group| group["name"].as_str().unwrap().to_owned());
        let next = shown["groupNextToken"].as_str().map(ToOwned::to_owned);
        (names.collect(), next)
    }

    #[test]
    fn groups_are_in_the_order_of_their_files_and_names() {
        let group = |name: &str| format!("{{name: {name}, rules: [{{record: r, expr: x}}]}}");
        let first = format!("groups: [{}, {}]", group("z"), group("y"));
        let second = format!("groups: [{}, {}]", group("b"), group("c"));
        let all = of_files(&[("2.yml", &first), ("1.yml", &second)]);
        assert_eq!(groups(&all, "").0, ["b", "c", "y", "z"]);
        let (page, next) = groups(&all, "group_limit=3");
        assert_eq!(page, ["b", "c", "y"]);
        let rest = format!("group_limit=3&group_next_token={}", next.unwrap());
        assert_eq!(groups(&all, &rest), (vec!["z".to_owned()], None));
    }

    #[test]
    fn matchers_look_at_labels_as_they_are_written() {
        let rule =
            "groups: [{name: g, rules: [{alert: A, expr: x, labels: {sev: 'a{{ $value }}'}}]}]";
        let all = of_files(&[("1.yml", rule)]);
        for (matcher, shown) in [
            ("{sev=\"zzz\"}", 0),
            ("{sev=~\"a.*\"}", 1),
            ("{sev=\"a{{ $value }}\"}", 1),
            ("{team=\"\",sev=~\"a.+\"}", 1),
        ] {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("match[]", matcher)
                .finish();
            assert_eq!(groups(&all, &query).0.len(), shown, "{matcher}");
        }
    }

    #[test]
    fn a_rule_tells_of_slots_that_it_missed_where_it_is_evaluated() {
        let set = rule_set("groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]");
        let mut ruler = Ruler::alone(Arc::clone(&set), now());
        evaluate(&mut ruler, 60);
        evaluate(&mut ruler, 300);
        let shown = |ruler: &Ruler| {
            let wanted = Wanted {
                alerting: true,
                recording: true,
                ..Wanted::default()
            };
            let all = rules(&set, ruler.states(), &wanted).unwrap();
            let group = &all["groups"][0];
            [&group["missedSlots"], &group["rules"][0]["missedSlots"]].map(Clone::clone)
        };
        assert_eq!(shown(&ruler), [json!(3), json!(3)]);
        // What another node tells of its groups is not told of rules.
        ruler.members(Members::default(), now());
        assert_eq!(shown(&ruler), [json!(0), Value::Null]);
    }

    #[test]
    fn a_limit_that_is_no_number_gets_the_words_of_go() {
        for (limit, what) in [
            ("99999999999", "value out of range"),
            ("-99999999999", "value out of range"),
            ("1x", "invalid syntax"),
            ("-", "invalid syntax"),
        ] {
            let error = Wanted::of(&Query::parse(&format!("group_limit={limit}"))).unwrap_err();
            let words = format!(
                "invalid parameter \"group_limit\": group_limit needs to be a valid number: strconv.ParseInt: parsing \"{limit}\": {what}"
            );
            assert_eq!(error.text, words);
        }
    }

    #[test]
    fn numbers_are_written_as_go_writes_exponents() {
        for (value, text) in [
            (0.0, "0e+00"),
            (1.0, "1e+00"),
            (-12.5, "-1.25e+01"),
            (1e-7, "1e-07"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(exponent(value), text);
        }
    }
}
