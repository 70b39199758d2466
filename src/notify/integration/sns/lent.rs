//! Keys that AWS lends for a while: how they are asked for, and what the answers mean.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    answer::{self, Answered, element},
    identity::{Base, Identity, Role},
    sigv4::{Keys, sign},
};
use crate::{
    config::{HttpConfig, Secret},
    notify::{
        FailureReason, Verdict,
        integration::{
            HttpRequest, HttpResponse, Token, TokenRequest, TransportError, form, post, status,
        },
    },
    time::Timestamp,
};

/// For how long a role is assumed, as Amazon's library for Go does.
const ROLE_SECONDS: &str = "900";

/// For how long the metadata service is asked for a session.
const SESSION_SECONDS: &str = "21600";
const SESSION: Duration = Duration::from_secs(21600);

/// How long the name of an instance's role is remembered.
const ROLE_NAME: Duration = Duration::from_secs(3600);

/// Outside of EC2 nobody answers at that address.
const NEAR: Duration = Duration::from_secs(5);

/// One thing that is lent on the way to the keys that sign; each is asked for with the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loan {
    WebIdentity,
    Container,
    /// The session of the metadata service, then the role's name, then its keys.
    InstanceSession,
    InstanceRole,
    InstanceKeys,
    /// Of `Identity::roles`.
    Role(usize),
}

/// What must be lent, in order.
pub(super) fn loans(identity: &Identity) -> Vec<Loan> {
    let mut loans = match identity.base {
        Base::Keys(_) => Vec::new(),
        Base::WebIdentity { .. } => vec![Loan::WebIdentity],
        Base::Container { .. } => vec![Loan::Container],
        Base::Instance { .. } => {
            vec![
                Loan::InstanceSession,
                Loan::InstanceRole,
                Loan::InstanceKeys,
            ]
        }
    };
    loans.extend((0..identity.roles.len()).map(Loan::Role));
    loans
}

/// What a loan is called in errors.
pub(super) fn name(loan: Loan, identity: &Identity) -> String {
    match (loan, &identity.base) {
        (Loan::Role(index), _) => format!("assume role {}", identity.roles[index].arn),
        (Loan::WebIdentity, Base::WebIdentity { role, .. }) => {
            format!("assume role {} with web identity", role.arn)
        }
        (Loan::Container, _) => "credentials of the container".to_owned(),
        _ => "no AWS credentials in settings, environment and shared files, and from the instance's metadata service"
            .to_owned(),
    }
}

/// Asks for one; `have` is what was lent before it.
///
/// # Errors
/// If what was lent before is of no use.
pub(super) fn request(
    identity: &Identity,
    loan: Loan,
    have: &[Secret],
    at: Timestamp,
    http: &Arc<HttpConfig>,
    refused: Option<Secret>,
) -> Result<TokenRequest, Verdict> {
    type Read = fn(Result<HttpResponse, TransportError>) -> Result<Token, Verdict>;
    let before = |back: usize| {
        have.len()
            .checked_sub(back)
            .and_then(|index| have.get(index))
    };
    let text = |back: usize| before(back).map_or("", Secret::reveal);
    let (request, read): (HttpRequest, Read) = match (loan, &identity.base) {
        (Loan::Role(index), base) => {
            let keys = match base {
                Base::Keys(keys) if index == 0 => Some(keys.clone()),
                Base::Keys(_)
                | Base::WebIdentity { .. }
                | Base::Container { .. }
                | Base::Instance { .. } => before(1).map(Keys::of_secret),
            };
            let Some(keys) = keys else {
                return Err(bug());
            };
            let role = &identity.roles[index];
            let mut request = sts(identity, "AssumeRole", role, None, http)?;
            sign(&mut request, &keys, &identity.region, "sts", at);
            (request, of_sts)
        }
        (Loan::WebIdentity, Base::WebIdentity { token, role }) => {
            let action = "AssumeRoleWithWebIdentity";
            (sts(identity, action, role, Some(token), http)?, of_sts)
        }
        (Loan::Container, Base::Container { url, authorization }) => {
            let mut request = near("GET", url.clone());
            if !authorization.is_empty() {
                let token = authorization.reveal().to_owned();
                request.headers.push(("Authorization", token));
            }
            (request, of_json)
        }
        (Loan::InstanceSession, Base::Instance { url }) => {
            let request = near("PUT", format!("{url}/latest/api/token"));
            let header = "X-aws-ec2-metadata-token-ttl-seconds";
            (request.header(header, SESSION_SECONDS), of_session)
        }
        (Loan::InstanceRole, Base::Instance { url }) => (metadata(url, "", text(1)), of_role_name),
        (Loan::InstanceKeys, Base::Instance { url }) => (metadata(url, text(1), text(2)), of_json),
        _ => return Err(bug()),
    };
    Ok(TokenRequest {
        key: format!("aws {} {loan:?}", identity.key()),
        request,
        read,
        refused,
    })
}

fn bug() -> Verdict {
    Verdict::unsendable("this is a bug: AWS credentials were asked for out of order")
}

fn sts(
    identity: &Identity,
    action: &str,
    role: &Role,
    token: Option<&Secret>,
    http: &Arc<HttpConfig>,
) -> Result<HttpRequest, Verdict> {
    let mut pairs = vec![
        ("Action", action),
        ("DurationSeconds", ROLE_SECONDS),
        ("RoleArn", &*role.arn),
        ("RoleSessionName", &*role.session),
        ("Version", "2011-06-15"),
    ];
    if !role.external_id.is_empty() {
        pairs.push(("ExternalId", &role.external_id));
    }
    if let Some(token) = token {
        pairs.push(("WebIdentityToken", token.reveal()));
    }
    let url = post::checked(Secret::new(identity.sts.as_str()))?;
    Ok(HttpRequest::form(url, &form::encode(pairs), http))
}

/// To the machine itself: without proxies and what else is meant for AWS.
fn near(method: &'static str, url: String) -> HttpRequest {
    let http = Arc::new(HttpConfig::default());
    let mut request = HttpRequest::json(method, Secret::new(url), String::new(), &http);
    request.headers.clear();
    request.within(NEAR)
}

fn metadata(url: &str, role: &str, session: &str) -> HttpRequest {
    let path = format!("{url}/latest/meta-data/iam/security-credentials/{role}");
    near("GET", path).header("X-aws-ec2-metadata-token", session)
}

fn of_sts(result: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    let received_at = result.as_ref().ok().map(|response| response.received_at);
    let body = match answer::read(result) {
        Answered::Done(body) => body,
        Answered::Expired(verdict)
        | Answered::Skewed(verdict)
        | Answered::TooLong(verdict)
        | Answered::BadSubject(verdict)
        | Answered::Failed(verdict) => return Err(verdict),
    };
    let keys = |body: &str| {
        Some(Lent {
            access_key: element(body, "AccessKeyId")?,
            secret_key: element(body, "SecretAccessKey")?,
            token: element(body, "SessionToken")?,
            expiration: element(body, "Expiration")?,
        })
    };
    match (keys(&body), received_at) {
        (Some(lent), Some(received_at)) => Ok(lent.token(received_at)),
        _ => Err(unreadable()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lent {
    #[serde(rename = "AccessKeyId")]
    access_key: String,
    #[serde(rename = "SecretAccessKey")]
    secret_key: String,
    token: String,
    expiration: String,
}

impl Lent {
    fn token(self, received_at: Timestamp) -> Token {
        let keys = Keys {
            access_key: self.access_key,
            secret_key: Secret::new(self.secret_key),
            session_token: Secret::new(self.token),
        };
        let until = Timestamp::parse(&self.expiration).unwrap_or(received_at);
        Token {
            value: keys.to_secret(),
            lives: until.since(received_at),
        }
    }
}

fn of_json(result: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    let response = of_near(result)?;
    let lent: Lent = serde_json::from_slice(&response.body)
        .ok()
        .ok_or_else(unreadable)?;
    Ok(lent.token(response.received_at))
}

fn of_session(result: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    of_text(result, SESSION)
}

fn of_role_name(result: Result<HttpResponse, TransportError>) -> Result<Token, Verdict> {
    of_text(result, ROLE_NAME)
}

fn of_text(
    result: Result<HttpResponse, TransportError>,
    lives: Duration,
) -> Result<Token, Verdict> {
    let response = of_near(result)?;
    let body = String::from_utf8_lossy(&response.body);
    let line = body.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(unreadable());
    }
    Ok(Token {
        value: Secret::new(line),
        lives,
    })
}

/// What the machine's own services answer must not be quoted: it may be keys.
fn of_near(result: Result<HttpResponse, TransportError>) -> Result<HttpResponse, Verdict> {
    match result {
        Ok(response) if response.status == 200 => Ok(response),
        Ok(response) => Err(status::of_code(
            response.status,
            status::retry_after(&response),
            format!("unexpected status code {}", response.status),
        )),
        Err(error) => Err(status::of_transport("GET", &error, None)),
    }
}

fn unreadable() -> Verdict {
    Verdict::Retry {
        after: None,
        reason: FailureReason::Other,
        error: "the answer holds no credentials that could be read".to_owned(),
        ambiguous: false,
    }
}
