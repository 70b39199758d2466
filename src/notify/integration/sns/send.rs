//! `Publish`: first whatever is lent on the way to its keys, then the message; what SNS finds wrong with it and can be
//! mended is mended, each once.

use super::{
    answer::{self, Answered, element},
    identity::{self, Base, Identity},
    lent::{self, Loan},
    message,
    sigv4::{Keys, sign},
};
use crate::{
    config::{Secret, SnsConfig},
    notify::{
        Receipt, Renderer, Verdict,
        integration::{
            Answer, Begun, Context, Conversation, HttpRequest, HttpResponse, Step, TransportError,
            conversation::out_of_turn, form, post, status,
        },
    },
    time::Timestamp,
};

/// Begins an attempt.
pub(crate) fn begin(
    config: &SnsConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let identity = identity::resolve(&config.sigv4, &context.files)?;
    let url = match render.required("api_url", &config.api_url)? {
        told if told.is_empty() => identity.sns.clone(),
        told => told,
    };
    let mut publishing = Publishing {
        url: post::checked(Secret::new(url))?,
        loans: lent::loans(&identity),
        have: Vec::new(),
        refused: None,
        identity,
        form: message::form(config, context, render, 1)?,
        at: context.at,
        mended: Vec::new(),
        config: config.clone(),
        context: context.clone(),
    };
    Ok((publishing.next(), Box::new(publishing)))
}

/// What can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mended {
    Keys,
    Clock,
    Length,
    Subject,
}

/// A message on its way.
#[derive(Debug)]
struct Publishing {
    url: Secret,
    identity: Identity,
    loans: Vec<Loan>,
    /// What was lent, in the order of the loans.
    have: Vec<Secret>,
    /// Keys that SNS refused.
    refused: Option<Secret>,
    form: Vec<(String, String)>,
    at: Timestamp,
    mended: Vec<Mended>,
    config: SnsConfig,
    context: Context,
}

impl Publishing {
    fn next(&mut self) -> Step {
        if let Some(loan) = self.loans.get(self.have.len()) {
            let (http, refused) = (&self.config.http, self.refused.take());
            let request = lent::request(&self.identity, *loan, &self.have, self.at, http, refused);
            return match request {
                Ok(request) => Step::Token(request),
                Err(verdict) => Step::Done(verdict),
            };
        }
        let keys = match (&self.identity.base, self.have.last()) {
            (Base::Keys(keys), None) => Some(keys.clone()),
            (_, lent) => lent.map(Keys::of_secret),
        };
        let Some(keys) = keys else {
            return out_of_turn();
        };
        let body = form::encode(self.form.iter().map(|(name, value)| (name, value)));
        let mut request = HttpRequest::form(self.url.clone(), &body, &self.config.http);
        sign(&mut request, &keys, &self.identity.region, "sns", self.at);
        Step::Http(request)
    }

    fn hear(&mut self, result: Result<HttpResponse, TransportError>) -> Step {
        let date = result.as_ref().ok().and_then(server_date);
        let (verdict, mended) = match answer::read(result) {
            Answered::Done(body) => return Step::Done(Verdict::Sent(self.receipt(&body))),
            Answered::Failed(verdict) => return Step::Done(verdict),
            Answered::Expired(verdict) => (verdict, Mended::Keys),
            Answered::Skewed(verdict) => (verdict, Mended::Clock),
            Answered::TooLong(verdict) => (verdict, Mended::Length),
            Answered::BadSubject(verdict) => (verdict, Mended::Subject),
        };
        if self.mended.contains(&mended) || !self.mend(mended, date) {
            return Step::Done(verdict);
        }
        self.mended.push(mended);
        self.next()
    }

    /// Returns whether there is something to mend.
    fn mend(&mut self, what: Mended, date: Option<Timestamp>) -> bool {
        match (what, date) {
            (Mended::Keys, _) => {
                self.refused = self.have.pop();
                self.refused.is_some()
            }
            (Mended::Clock, Some(date)) => {
                self.at = date;
                true
            }
            (Mended::Clock, None) => false,
            (Mended::Length, _) => {
                let context = &self.context;
                let fallback = context.integration.fallback_text;
                let render = Renderer::new(&context.texts, &context.data, context.at, fallback);
                let shorter = message::form(&self.config, context, &render, 2);
                shorter.is_ok_and(|form| {
                    self.form = form;
                    true
                })
            }
            (Mended::Subject, _) => {
                let before = self.form.len();
                self.form.retain(|(name, _)| name != "Subject");
                self.form.len() < before
            }
        }
    }

    fn receipt(&self, body: &str) -> Receipt {
        let mut receipt = Receipt::default();
        for mended in &self.mended {
            receipt.add_note(match mended {
                Mended::Keys => continue,
                Mended::Clock => "this node's clock is off, says Amazon",
                Mended::Length => "the message was shortened, for Amazon found it too long",
                Mended::Subject => "sent without a subject, which Amazon refused",
            });
        }
        if element(body, "MessageId").is_none() {
            receipt.add_note("the answer names no message");
        }
        receipt
    }
}

fn server_date(response: &HttpResponse) -> Option<Timestamp> {
    response.header("date").and_then(status::http_date)
}

impl Conversation for Publishing {
    fn answer(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Token(Ok(lent)) => {
                self.have.push(lent);
                self.next()
            }
            Answer::Token(Err(verdict)) => {
                let loan = self.loans.get(self.have.len());
                Step::Done(match loan {
                    Some(loan) => status::within(&lent::name(*loan, &self.identity), verdict),
                    None => verdict,
                })
            }
            Answer::Http(result) => self.hear(result),
            Answer::Mail(_) => out_of_turn(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{
        FailureReason,
        integration::harness::{assert_as_recorded, context, firing, http, resolved, run},
    };

    const OK: &str = "<PublishResponse xmlns=\"x\"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
    const KEYS: &str = "region: us-east-2, access_key: AK, secret_key: hunter2";

    fn yaml(sigv4: &str, more: &str) -> String {
        format!("sns_configs: [{{topic_arn: 'arn:t', sigv4: {{{sigv4}}}{more}}}]")
    }

    const PLAIN: &str = ", message: 'a b', subject: s";

    fn refusal(code: &str, message: &str) -> Result<HttpResponse, TransportError> {
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        http(403, &body)
    }

    fn lent(access_key: &str) -> Result<HttpResponse, TransportError> {
        http(
            200,
            &format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>hunter3</SecretAccessKey><SessionToken>hunter4=</SessionToken><Expiration>2026-11-21T19:11:01Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
            ),
        )
    }

    fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
        let found = request.headers.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        let yaml = "sns_configs: [{api_url: 'http://127.0.0.1:18980/sns', topic_arn: 'arn:aws:sns:us-east-2:123456789012:My-Topic', sigv4: {region: us-east-2, access_key: AK, secret_key: SKSK}}]";
        for (name, data) in [
            ("POST_sns_1.json", firing()),
            ("POST_sns_2.json", resolved()),
        ] {
            let (mut course, verdict) = run(&context(yaml, data), [http(200, OK)]);
            assert_eq!(verdict, Verdict::sent());
            // The library signs headers of its own; sigv4.rs signs them as it does.
            let request = &mut course.requests[0];
            request.headers.retain(|(name, _)| *name != "Authorization");
            assert_as_recorded(request, name);
        }
    }

    #[test]
    fn signs_what_it_sends() {
        let (course, verdict) = run(&context(&yaml(KEYS, PLAIN), firing()), [http(200, OK)]);
        assert_eq!(verdict, Verdict::sent());
        let request = &course.requests[0];
        assert_eq!(request.url.reveal(), "https://sns.us-east-2.amazonaws.com/");
        assert_eq!(
            course.body(0),
            "Action=Publish&Message=a+b&Subject=s&TopicArn=arn%3At&Version=2010-03-31"
        );
        assert_eq!(header(request, "X-Amz-Date"), "20261121T185600Z");
        let authorization = header(request, "Authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-2/sns/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature="), "{authorization}");
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn assumes_roles_and_renews_what_was_refused_once() {
        let sigv4 = format!("{KEYS}, role_arn: 'arn:r', external_id: x");
        let context = context(&yaml(&sigv4, PLAIN), firing());
        let (course, verdict) = run(&context, [lent("AK1"), http(200, OK)]);
        assert_eq!(verdict, Verdict::sent());
        assert_eq!(
            course.requests[0].url.reveal(),
            "https://sts.us-east-2.amazonaws.com/"
        );
        assert_eq!(
            course.body(0),
            "Action=AssumeRole&DurationSeconds=900&ExternalId=x&RoleArn=arn%3Ar&RoleSessionName=watchfire&Version=2011-06-15"
        );
        assert!(
            header(&course.requests[0], "Authorization")
                .contains("Credential=AK/20261121/us-east-2/sts/")
        );
        let publish = &course.requests[1];
        assert!(header(publish, "Authorization").contains("Credential=AK1/"));
        assert!(header(publish, "Authorization").contains("x-amz-security-token"));
        assert_eq!(header(publish, "X-Amz-Security-Token"), "hunter4=");
        assert!(!course.tokens[0].contains("hunter"));

        let expired = || {
            refusal(
                "ExpiredToken",
                "The security token included in the request is expired",
            )
        };
        let (course, verdict) = run(
            &context,
            [lent("AK1"), expired(), lent("AK2"), http(200, OK)],
        );
        assert_eq!(verdict, Verdict::sent());
        assert!(header(&course.requests[3], "Authorization").contains("Credential=AK2/"));
        let (_, verdict) = run(&context, [lent("AK1"), expired(), lent("AK2"), expired()]);
        assert!(matches!(
            verdict,
            Verdict::Permanent {
                reason: FailureReason::AuthError,
                ..
            }
        ));

        let (_, verdict) = run(&context, [refusal("AccessDenied", "no")]);
        let Verdict::Permanent { error, .. } = verdict else {
            panic!();
        };
        assert_eq!(error, "assume role arn:r: AccessDenied: no (status 403)");
    }

    #[test]
    fn without_other_keys_asks_the_instance() {
        let mut context = context(&yaml("region: us-east-2", PLAIN), firing());
        let json = r#"{"Code":"Success","AccessKeyId":"AKI","SecretAccessKey":"hunter3","Token":"hunter4","Expiration":"2026-11-21T23:00:00Z"}"#;
        let (course, verdict) = run(
            &context,
            [
                http(200, "session"),
                http(200, "my-role\n"),
                http(200, json),
                http(200, OK),
            ],
        );
        assert_eq!(verdict, Verdict::sent());
        let asked: Vec<_> = course
            .requests
            .iter()
            .map(|request| (request.method, request.url.reveal()))
            .collect();
        assert_eq!(
            asked,
            [
                ("PUT", "http://169.254.169.254/latest/api/token"),
                (
                    "GET",
                    "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
                ),
                (
                    "GET",
                    "http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role"
                ),
                ("POST", "https://sns.us-east-2.amazonaws.com/"),
            ]
        );
        assert_eq!(
            header(&course.requests[2], "X-aws-ec2-metadata-token"),
            "session"
        );
        assert!(header(&course.requests[3], "Authorization").contains("Credential=AKI/"));
        let (_, verdict) = run(&context, [http(200, "session"), http(404, "hunter2")]);
        let Verdict::Permanent { error, .. } = verdict else {
            panic!();
        };
        assert!(
            error.contains("metadata service") && !error.contains("hunter2"),
            "{error}"
        );

        let mut set =
            |name: &str, text: &str| context.files.insert(name.to_owned(), Ok(text.to_owned()));
        set("env-file:AWS_WEB_IDENTITY_TOKEN_FILE", "hunter5");
        set("env:AWS_ROLE_ARN", "arn:w");
        let (course, verdict) = run(&context, [lent("AKW"), http(200, OK)]);
        assert_eq!(verdict, Verdict::sent());
        assert_eq!(
            course.body(0),
            "Action=AssumeRoleWithWebIdentity&DurationSeconds=900&RoleArn=arn%3Aw&RoleSessionName=watchfire&Version=2011-06-15&WebIdentityToken=hunter5"
        );
        assert_eq!(header(&course.requests[0], "Authorization"), "");
        context.files.clear();
        let mut set =
            |name: &str, text: &str| context.files.insert(name.to_owned(), Ok(text.to_owned()));
        set(
            "env:AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://localhost/c",
        );
        set("env:AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter6");
        let (course, verdict) = run(&context, [http(200, json), http(200, OK)]);
        assert_eq!(verdict, Verdict::sent());
        assert_eq!(header(&course.requests[0], "Authorization"), "hunter6");
    }

    #[test]
    fn mends_clock_subject_and_length_once_each() {
        let mended = context(&yaml(KEYS, PLAIN), firing());
        let skewed = || {
            let mut answer = refusal(
                "SignatureDoesNotMatch",
                "Signature expired: x is now earlier than y",
            )
            .unwrap();
            answer.headers.push((
                "date".to_owned(),
                "Sat, 21 Nov 2026 20:00:00 GMT".to_owned(),
            ));
            Ok(answer)
        };
        let (course, verdict) = run(
            &mended,
            [
                skewed(),
                refusal("InvalidParameter", "Invalid parameter: Subject"),
                http(200, OK),
            ],
        );
        assert_eq!(
            header(&course.requests[1], "X-Amz-Date"),
            "20261121T200000Z"
        );
        assert!(!course.body(2).contains("Subject"));
        let Verdict::Sent(receipt) = verdict else {
            panic!();
        };
        assert_eq!(
            receipt.note,
            "this node's clock is off, says Amazon; sent without a subject, which Amazon refused"
        );
        assert!(matches!(
            run(&mended, [skewed(), skewed()]).1,
            Verdict::Permanent { .. }
        ));
        let too_long = || refusal("InvalidParameter", "Invalid parameter: Message too long");
        let long = yaml(
            KEYS,
            &format!(", subject: s, message: '{}'", "x".repeat(150_000)),
        );
        let (course, verdict) = run(&context(&long, firing()), [too_long(), http(200, OK)]);
        assert!(verdict.is_sent());
        assert!(course.body(1).contains("truncated") && course.requests[1].body.len() < 140_000);
    }

    #[test]
    fn judges_answers() {
        let context = context(&yaml(KEYS, PLAIN), firing());
        let verdict = |answer| run(&context, [answer]).1;
        assert!(matches!(
            verdict(refusal("Throttling", "")),
            Verdict::Retry {
                reason: FailureReason::RateLimited,
                ..
            }
        ));
        assert!(matches!(
            verdict(refusal("AuthorizationError", "")),
            Verdict::Permanent {
                reason: FailureReason::AuthError,
                ..
            }
        ));
        assert!(matches!(
            verdict(refusal("InvalidClientTokenId", "")),
            Verdict::Permanent { .. }
        ));
        assert!(matches!(verdict(http(500, "")), Verdict::Retry { .. }));
        assert!(matches!(
            verdict(http(404, "<html>")),
            Verdict::Permanent { .. }
        ));
        let Verdict::Sent(receipt) = verdict(http(200, "")) else {
            panic!();
        };
        assert_eq!(receipt.note, "the answer names no message");
    }

    #[test]
    fn a_rehearsal_shows_all_but_secrets() {
        let mut context = context(&yaml("role_arn: 'arn:r'", PLAIN), firing());
        let session = "[default]\naws_access_key_id = AK\naws_secret_access_key = hunter2\naws_session_token = hunter3";
        for (name, text) in [
            ("env:AWS_REGION", "us-east-2"),
            ("env-file:HOME/.aws/credentials", session),
        ] {
            context.files.insert(name.to_owned(), Ok(text.to_owned()));
        }
        let rehearsal = crate::notify::integration::rehearse(&context).unwrap();
        let targets: Vec<_> = rehearsal
            .requests
            .iter()
            .map(|shown| &*shown.target)
            .collect();
        assert_eq!(
            targets,
            [
                "https://sts.us-east-2.amazonaws.com/",
                "https://sns.us-east-2.amazonaws.com/"
            ]
        );
        assert!(
            rehearsal.requests[1]
                .body
                .starts_with("Action=Publish&Message=a+b")
        );
        let shown = format!("{rehearsal:?} {context:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
