//! One issue for each group, found again by a label with the hash of its key (`notify/jira/jira.go`).
//!
//! The course: search; create what is not there (unless all is resolved) or update what is; then reopen or resolve it by
//! its transition. The idempotency key is not a label: labels stay on an issue, and every notification would add one.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::{
        Answer, Begun, Context, Conversation, HttpRequest, HttpResponse, Step, TransportError,
        conversation::out_of_turn, status, wire::with_path,
    },
    issue::Issue,
};
use crate::{
    alert::AlertStatus,
    config::{HttpConfig, HttpUrl, JiraApi, JiraConfig, Secret},
    json,
    labels::go_quote,
    notify::{FailureReason, Renderer, Verdict},
};

/// Begins an attempt.
pub(in super::super) fn begin(
    config: &JiraConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let data = &context.data;
    let firing = data.status() == AlertStatus::Firing;
    let label = format!("ALERT{{{}}}", data.group_hash());
    let issue = Issue::new(config, &label, is_version_3(&config.api_url), render)?;
    let search = search(config, &jql(config, &issue.project, &label, firing));
    let transition = if firing {
        &config.reopen_transition
    } else {
        &config.resolve_transition
    };
    let attempt = Attempt {
        api_url: config.api_url.clone(),
        http: Arc::clone(&config.http),
        firing,
        issue,
        transition: transition.clone(),
        doing: Doing::Search,
    };
    Ok((Step::Http(search), Box::new(attempt)))
}

/// Version 3 of the interface takes documents, not texts.
fn is_version_3(api_url: &HttpUrl) -> bool {
    let url = api_url.as_str();
    let end = url.find(['?', '#']).unwrap_or(url.len());
    url[..end].trim_end_matches('/').ends_with("/3")
}

fn jql(config: &JiraConfig, project: &str, label: &str, firing: bool) -> String {
    let mut jql = String::new();
    if !config.wont_fix_resolution.is_empty() {
        // Alone, `!=` would leave out issues without resolution (alertmanager#4295).
        let resolution = go_quote(&config.wont_fix_resolution);
        jql.push_str("(resolution is EMPTY or resolution != ");
        jql.push_str(&resolution);
        jql.push_str(") and ");
    }
    let minutes = config.reopen_duration.as_secs() / 60;
    if firing && !config.reopen_transition.is_empty() && minutes > 0 {
        jql.push_str("(resolutiondate is EMPTY OR resolutiondate >= -");
        jql.push_str(&minutes.to_string());
        jql.push_str("m) and ");
    } else {
        jql.push_str("statusCategory != Done and ");
    }
    jql.push_str("project=");
    jql.push_str(&go_quote(project));
    jql.push_str(" and labels=");
    jql.push_str(&go_quote(label));
    jql.push_str(" order by status ASC,resolutiondate DESC");
    jql
}

/// Jira Cloud has another search, in version 3 only.
fn search(config: &JiraConfig, jql: &str) -> HttpRequest {
    let cloud = match config.api_type {
        JiraApi::Cloud => true,
        JiraApi::Datacenter => false,
        JiraApi::Auto => url::Url::parse(config.api_url.as_str()).is_ok_and(|url| {
            url.host_str()
                .is_some_and(|host| host.ends_with("atlassian.net"))
        }),
    };
    let url = if cloud {
        joined(&config.api_url, "search/jql").replacen("/rest/api/2/", "/rest/api/3/", 1)
    } else {
        joined(&config.api_url, "search")
    };
    let body = json::document(|search| {
        search
            .texts("fields", ["status"])
            .text("jql", jql)
            .number("maxResults", 2_u8);
    });
    request("POST", url, body, &config.http)
}

fn joined(api_url: &HttpUrl, path: &str) -> String {
    let url = api_url.as_str();
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (before, after) = url.split_at(end);
    with_path(&format!("{}/{after}", before.trim_end_matches('/')), path)
}

fn request(method: &'static str, url: String, body: String, http: &Arc<HttpConfig>) -> HttpRequest {
    HttpRequest::json(method, Secret::new(url), body, http).header("Accept-Language", "en")
}

/// An issue that was found.
#[derive(Debug)]
struct Found {
    key: String,
    /// `new`, `indeterminate` or `done`, if it is told.
    category: Option<String>,
}

/// The first issue of a search, which is open or, if none is, was closed last.
fn found(search: &Value) -> Option<Found> {
    let issue = &search["issues"][0];
    let category = &issue["fields"]["status"]["statusCategory"]["key"];
    Some(Found {
        key: issue["key"].as_str()?.to_owned(),
        category: category.as_str().map(str::to_owned),
    })
}

/// Names and identifiers of the transitions of an issue.
fn transitions(answer: &Value) -> Vec<(&str, &str)> {
    let list = answer["transitions"].as_array().into_iter().flatten();
    list.filter_map(|transition| Some((transition["name"].as_str()?, transition["id"].as_str()?)))
        .collect()
}

/// Which request is on its way.
#[derive(Debug)]
enum Doing {
    Search,
    Create,
    Update(Found),
    Transitions { key: String },
    Transition,
}

impl Doing {
    fn method(&self) -> &'static str {
        match self {
            Self::Search | Self::Create | Self::Transition => "POST",
            Self::Update(_) => "PUT",
            Self::Transitions { .. } => "GET",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Search => "failed to look up existing issues".to_owned(),
            Self::Create => "failed to create an issue".to_owned(),
            Self::Update(found) => format!("failed to update issue {}", found.key),
            Self::Transitions { key } => format!("failed to look up transitions of issue {key}"),
            Self::Transition => "failed to change the status of the issue".to_owned(),
        }
    }
}

/// An issue on its way.
#[derive(Debug)]
struct Attempt {
    api_url: HttpUrl,
    http: Arc<HttpConfig>,
    firing: bool,
    issue: Issue,
    transition: String,
    doing: Doing,
}

impl Attempt {
    fn next(&mut self, response: &HttpResponse) -> Result<Step, Verdict> {
        match std::mem::replace(&mut self.doing, Doing::Transition) {
            Doing::Search => {
                Ok(match found(&read(response)?) {
                    Some(found) => self.update(found),
                    None if self.firing => {
                        let body = self.issue.creation();
                        self.go(Doing::Create, "issue", body)
                    }
                    // Nothing is opened only to say that it is over.
                    None => Step::Done(Verdict::sent()),
                })
            }
            Doing::Create | Doing::Transition => Ok(Step::Done(Verdict::sent())),
            Doing::Update(found) => Ok(self.look_up_transition(found)),
            Doing::Transitions { key } => self.change_status(&key, &read(response)?),
        }
    }

    fn update(&mut self, found: Found) -> Step {
        let path = format!("issue/{}", found.key);
        let body = self.issue.update();
        self.go(Doing::Update(found), &path, body)
    }

    fn look_up_transition(&mut self, found: Found) -> Step {
        let Some(category) = found.category else {
            return Step::Done(Verdict::sent());
        };
        let is_done = category == "done";
        if self.transition.is_empty() || is_done != self.firing {
            return Step::Done(Verdict::sent());
        }
        let path = format!("issue/{}/transitions", found.key);
        self.go(Doing::Transitions { key: found.key }, &path, String::new())
    }

    fn change_status(&mut self, key: &str, answer: &Value) -> Result<Step, Verdict> {
        let wanted = &self.transition;
        let known = transitions(answer);
        let same = known.iter().find(|(name, _)| name == wanted);
        let alike = || {
            known
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let Some((_, id)) = same.or_else(alike) else {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            return Err(Verdict::unsendable(format!(
                "can't find transition {wanted} for issue {key}, which has: {}",
                status::quoted(&names.join(", "))
            )));
        };
        let body = json::document(|object| {
            object.object("transition", |object| {
                object.text_if_any("id", id);
            });
        });
        let path = format!("issue/{key}/transitions");
        Ok(self.go(Doing::Transition, &path, body))
    }

    fn go(&mut self, doing: Doing, path: &str, body: String) -> Step {
        let url = joined(&self.api_url, path);
        let request = request(doing.method(), url, body, &self.http);
        self.doing = doing;
        Step::Http(request)
    }

    fn heard(&mut self, result: Result<HttpResponse, TransportError>) -> Step {
        let what = self.doing.what();
        let method = self.doing.method();
        let verdict = match &result {
            Ok(response) => status::of_response(response),
            Err(error) => status::of_transport(method, error, None),
        };
        match result {
            Ok(response) if verdict.is_sent() => self
                .next(&response)
                .unwrap_or_else(|verdict| Step::Done(status::within(&what, verdict))),
            Ok(_) | Err(_) => Step::Done(status::within(&what, verdict)),
        }
    }
}

/// Reads an answer; one that is no JSON may be a proxy's, which comes and goes.
fn read(response: &HttpResponse) -> Result<Value, Verdict> {
    serde_json::from_slice(&response.body).map_err(|error| Verdict::Retry {
        after: None,
        reason: FailureReason::Other,
        error: format!("the answer cannot be read: {error}"),
        ambiguous: false,
    })
}

impl Conversation for Attempt {
    fn answer(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Http(result) => self.heard(result),
            Answer::Token(_) | Answer::Mail(_) => out_of_turn(),
        }
    }
}
