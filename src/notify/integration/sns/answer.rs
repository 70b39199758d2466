//! What AWS's answers in XML mean.

use crate::notify::{
    FailureReason, Verdict,
    integration::{HttpResponse, TransportError, status},
};

/// An answer, read.
#[derive(Debug)]
pub(super) enum Answered {
    /// The body of a success.
    Done(String),
    /// Keys that were lent are no longer good, or not yet known.
    Expired(Verdict),
    /// Our clock is off.
    Skewed(Verdict),
    /// The message is too long all the same.
    TooLong(Verdict),
    /// The subject was not to Amazon's liking.
    BadSubject(Verdict),
    /// Anything else.
    Failed(Verdict),
}

/// Codes that ask for patience, whatever the status.
const THROTTLED: [&str; 9] = [
    "Throttl",
    "KMSThrottling",
    "TooManyRequests",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "LimitExceeded",
];

/// Reads the answer of SNS or STS.
pub(super) fn read(result: Result<HttpResponse, TransportError>) -> Answered {
    let response = match result {
        Ok(response) => response,
        Err(error) => return Answered::Failed(status::of_transport("POST", &error, None)),
    };
    let body = String::from_utf8_lossy(&response.body);
    let failed = body.contains("<ErrorResponse") || body.contains("<Error>");
    if (200..=299).contains(&response.status) && !failed {
        return Answered::Done(body.into_owned());
    }
    let (Some(code), message) = (element(&body, "Code"), element(&body, "Message")) else {
        return Answered::Failed(status::of_response(&response));
    };
    let message = message.unwrap_or_default();
    // What follows quotes the headers, the session's token among them.
    let message = message.split("The Canonical String").next();
    let message = status::quoted(message.unwrap_or_default());
    let error = format!("{code}: {message} (status {})", response.status);
    if THROTTLED.iter().any(|start| code.starts_with(start)) {
        let after = status::retry_after(&response);
        return Answered::Failed(status::of_code(429, after, error));
    }
    let verdict = match (&*code, response.status) {
        ("InternalError" | "InternalFailure" | "ServiceUnavailable" | "RequestTimeout", _) => {
            status::of_code(503, None, error)
        }
        (_, 200..=299) => Verdict::Permanent {
            reason: FailureReason::ClientError,
            error,
        },
        (_, status) => status::of_code(status, status::retry_after(&response), error),
    };
    match &*code {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException" => Answered::Expired(verdict),
        "RequestExpired" | "RequestTimeTooSkewed" => Answered::Skewed(verdict),
        "SignatureDoesNotMatch" | "InvalidSignatureException" if message.contains("Signature ") => {
            Answered::Skewed(verdict)
        }
        "InvalidParameter" | "InvalidParameterValue" | "ValidationError" => {
            if message.contains("too long") {
                Answered::TooLong(verdict)
            } else if message.contains("Subject") {
                Answered::BadSubject(verdict)
            } else {
                Answered::Failed(verdict)
            }
        }
        _ => Answered::Failed(verdict),
    }
}

/// The text of the first element of that name.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = text.replace("&lt;", "<").replace("&gt;", ">");
    let plain = plain.replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::integration::harness::http;

    fn refused(status: u16, code: &str, message: &str) -> Answered {
        let body = format!(
            "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        );
        read(http(status, &body))
    }

    #[test]
    fn reads_codes_whatever_the_status() {
        for status in [400, 403, 503] {
            let Answered::Failed(Verdict::Retry { reason, error, .. }) =
                refused(status, "Throttling", "Rate exceeded")
            else {
                panic!("{status}");
            };
            assert_eq!(reason, FailureReason::RateLimited);
            assert_eq!(
                error,
                format!("Throttling: Rate exceeded (status {status})")
            );
        }
        for code in [
            "ThrottlingException",
            "TooManyRequestsException",
            "KMSThrottling",
            "RequestLimitExceeded",
        ] {
            assert!(
                matches!(
                    refused(400, code, ""),
                    Answered::Failed(Verdict::Retry { .. })
                ),
                "{code}"
            );
        }
        assert!(matches!(
            refused(500, "InternalError", ""),
            Answered::Failed(Verdict::Retry { .. })
        ));
        assert!(
            matches!(refused(403, "AuthorizationError", "User: &lt;x&gt;"), Answered::Failed(Verdict::Permanent { reason: FailureReason::AuthError, error }) if error.contains("User: <x>"))
        );
        assert!(matches!(
            refused(404, "NotFound", "Topic does not exist"),
            Answered::Failed(Verdict::Permanent { .. })
        ));
        assert!(matches!(
            refused(403, "ExpiredToken", "expired"),
            Answered::Expired(Verdict::Permanent { .. })
        ));
        assert!(matches!(
            refused(403, "InvalidClientTokenId", ""),
            Answered::Expired(_)
        ));
        assert!(matches!(
            refused(
                403,
                "SignatureDoesNotMatch",
                "Signature expired: 2026 is now earlier than 2027"
            ),
            Answered::Skewed(_)
        ));
        assert!(matches!(
            refused(
                400,
                "InvalidParameter",
                "Invalid parameter: Message too long"
            ),
            Answered::TooLong(_)
        ));
        assert!(matches!(
            refused(400, "InvalidParameter", "Invalid parameter: Subject"),
            Answered::BadSubject(_)
        ));
        assert!(matches!(
            refused(400, "InvalidParameter", "Invalid parameter: TopicArn"),
            Answered::Failed(Verdict::Permanent { .. })
        ));
        assert!(matches!(
            refused(200, "InvalidParameter", "x"),
            Answered::Failed(Verdict::Permanent { .. })
        ));
        assert!(matches!(
            read(http(502, "<html>")),
            Answered::Failed(Verdict::Retry { .. })
        ));
        assert!(matches!(
            read(http(
                200,
                "<PublishResponse><MessageId>m</MessageId></PublishResponse>"
            )),
            Answered::Done(_)
        ));
    }

    #[test]
    fn does_not_quote_the_headers_that_amazon_quotes() {
        let message = "The request signature we calculated does not match.\n\nThe Canonical String for this request should have been\nx-amz-security-token:hunter2";
        let Answered::Failed(verdict) = refused(403, "SignatureDoesNotMatch", message) else {
            panic!();
        };
        assert!(!format!("{verdict:?}").contains("hunter2"), "{verdict:?}");
    }
}
