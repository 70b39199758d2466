//! Shows what would be sent, with secrets hidden and nothing sent.

use std::fmt::Write as _;

use super::{Answer, Context, Step, begin};
use crate::{config::Secret, notify::Verdict};

/// Stands for secrets.
const HIDDEN: &str = "<secret>";

/// Shorter secrets would hide half of the text; only addresses hide them.
const SHORTEST: usize = 4;

/// More requests than any integration needs before one depends on the answer to another.
const MAX_STEPS: usize = 4;

/// A request or a mail, to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `POST`; `MAIL` for a mail.
    pub method: &'static str,
    /// The address; for a mail the server and the recipients.
    pub target: String,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// The body, or the mail with its headers.
    pub body: String,
}

/// What would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// In order; where a request depends on the answer to another, it ends with that other.
    pub requests: Vec<Shown>,
    /// Which templates failed and how; empty if none did.
    pub template_problems: String,
}

/// Goes through an attempt up to the first answer that matters.
///
/// # Errors
/// The verdict, where there is nothing that could be sent; without secrets.
pub fn rehearse(context: &Context) -> Result<Rehearsal, Verdict> {
    let hidden = Hidden::of(context);
    let (mut step, mut conversation) = begin(context)?;
    let mut requests = Vec::new();
    for _ in 0..MAX_STEPS {
        match step {
            Step::Done(_) => break,
            Step::Http(request) => {
                requests.push(hidden.request(&request));
                break;
            }
            Step::Mail(mail) => {
                requests.push(hidden.mail(&mail));
                break;
            }
            Step::Token(wanted) => {
                requests.push(hidden.request(&wanted.request));
                step = conversation.answer(Answer::Token(Ok(Secret::new(HIDDEN))));
            }
        }
    }
    Ok(Rehearsal {
        requests,
        template_problems: conversation.template_problems().to_owned(),
    })
}

/// What must not be shown.
struct Hidden {
    texts: Vec<String>,
    /// Whether the path of an address may hold a part that only rendering made.
    whole_paths: bool,
}

impl Hidden {
    fn of(context: &Context) -> Self {
        let secrets = context.integration.settings.secrets();
        let whole_paths = secrets.iter().any(|secret| secret.reveal().contains("{{"));
        // Of the environment, regions and names of profiles are no secrets.
        let hidden = |name: &str| {
            !name.starts_with("env:") || name.contains("SECRET") || name.contains("TOKEN")
        };
        let files = context.files.iter().filter(|(name, _)| hidden(name));
        let files = files.filter_map(|(_, file)| file.as_ref().ok());
        let mut texts: Vec<String> = secrets
            .iter()
            .map(|secret| secret.reveal().to_owned())
            .chain(files.map(|file| file.trim().to_owned()))
            .filter(|text| text.len() >= SHORTEST)
            .flat_map(|text| {
                let encoded = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                let in_path = url_path(&text);
                let in_json = [in_json(&text, true), in_json(&text, false)];
                [vec![text, encoded, in_path], in_json.to_vec()].concat()
            })
            .collect();
        // A secret may be part of another.
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self { texts, whole_paths }
    }

    fn hide(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for secret in &self.texts {
            if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), HIDDEN);
            }
        }
        out
    }

    fn request(&self, request: &super::HttpRequest) -> Shown {
        let target = match url::Url::parse(request.url.reveal()) {
            Ok(url) if self.whole_paths => {
                format!("{}/{HIDDEN}", url.origin().ascii_serialization())
            }
            Ok(url) => match self.hide(request.url.reveal()) {
                hidden if hidden == HIDDEN => {
                    format!("{}/{HIDDEN}", url.origin().ascii_serialization())
                }
                shown => shown,
            },
            Err(_) => HIDDEN.to_owned(),
        };
        let headers = request.headers.iter();
        Shown {
            method: request.method,
            target,
            headers: headers
                .map(|(name, value)| match *name {
                    // May come from a part of a file.
                    "X-Amz-Security-Token" => ((*name).to_owned(), HIDDEN.to_owned()),
                    name => (name.to_owned(), self.hide(value)),
                })
                .collect(),
            body: self.hide(&String::from_utf8_lossy(&request.body)),
        }
    }

    fn mail(&self, mail: &super::MailRequest) -> Shown {
        let mut target = format!("{}:{}", mail.server.host, mail.server.port);
        for to in &mail.to {
            let _ = write!(target, " <{to}>");
        }
        Shown {
            method: "MAIL",
            target,
            headers: Vec::new(),
            body: self.hide(&String::from_utf8_lossy(&mail.message)),
        }
    }
}

/// As it stands in JSON.
fn in_json(text: &str, html: bool) -> String {
    let mut out = String::new();
    crate::json::push_str(&mut out, text, html);
    out.trim_matches('"').to_owned()
}

/// As the parser of addresses writes it.
fn url_path(text: &str) -> String {
    let Ok(mut url) = url::Url::parse("http://x/") else {
        return String::new();
    };
    url.set_path(text);
    url.path().trim_start_matches('/').to_owned()
}
