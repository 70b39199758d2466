//! Logging in: the first mechanism in the server's order for which there are credentials (`notify/email/email.go`).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use md5::Md5;

use super::{
    failure::{Cause, Failure},
    session::Session,
};
use crate::{config::Secret, notify::integration::MailLogin};

/// Names this step in errors.
pub(super) const STEP: &str = "auth";

/// More challenges than any mechanism has.
const MAX_CHALLENGES: usize = 4;

/// What stands for secrets that a server repeats.
const HIDDEN: &str = "<secret>";

#[derive(Debug)]
enum Mechanism {
    CramMd5(Secret),
    Plain(Secret),
    Login(Secret),
    XOAuth2(Secret),
}

/// Logs in where the server offers it; where it offers none, mail may be taken without.
pub(super) async fn log_in(session: &mut Session, login: &MailLogin) -> Result<(), Failure> {
    let Some(offered) = session.extension("AUTH") else {
        return Ok(());
    };
    let mechanism = choose(&offered, login)?;
    if matches!(mechanism, Mechanism::Plain(_)) && !session.may_send_password() {
        return Err(Failure::new(
            STEP,
            Cause::Login,
            "PLAIN auth: unencrypted connection",
        ));
    }
    let mut first = match &mechanism {
        Mechanism::CramMd5(_) => "AUTH CRAM-MD5".to_owned(),
        Mechanism::Login(_) => "AUTH LOGIN".to_owned(),
        Mechanism::Plain(password) => {
            let (identity, user) = (&login.identity, &login.username);
            let text = format!("{identity}\0{user}\0{}", password.reveal());
            format!("AUTH PLAIN {}", STANDARD.encode(text))
        }
        Mechanism::XOAuth2(token) => {
            let (user, token) = (&login.username, token.reveal());
            let text = format!("user={user}\x01auth=Bearer {token}\x01\x01");
            format!("AUTH XOAUTH2 {}", STANDARD.encode(text))
        }
    };
    let mut why = String::new();
    for turn in 0..=MAX_CHALLENGES {
        let reply = session.command(STEP, &first).await;
        let reply = reply.map_err(|failure| hide(failure, &first, &mechanism, &why))?;
        if reply.code != 334 {
            return Ok(());
        }
        let challenge = STANDARD.decode(reply.text.trim()).unwrap_or_default();
        first = match respond(&mechanism, login, &challenge, turn) {
            Some(response) => STANDARD.encode(response),
            None => "*".to_owned(),
        };
        if matches!(mechanism, Mechanism::XOAuth2(_)) {
            // The server says in JSON what is wrong, and refuses after an empty answer.
            why = String::from_utf8_lossy(&challenge).into_owned();
            first = String::new();
        }
    }
    Err(Failure::new(
        STEP,
        Cause::Login,
        "the server asks on and on",
    ))
}

fn choose(offered: &str, login: &MailLogin) -> Result<Mechanism, Failure> {
    let mut problems = String::new();
    for name in offered.split_ascii_whitespace() {
        let (credential, make, what): (_, fn(Secret) -> Mechanism, _) =
            match &*name.to_ascii_uppercase() {
                "CRAM-MD5" => (&login.secret, Mechanism::CramMd5, "secret"),
                "PLAIN" => (&login.password, Mechanism::Plain, "password"),
                "LOGIN" => (&login.password, Mechanism::Login, "password"),
                "XOAUTH2" => (&login.bearer, Mechanism::XOAuth2, "token"),
                _ => {
                    let _ = write!(problems, "; unknown auth mechanism: {name}");
                    continue;
                }
            };
        match credential {
            Ok(secret) if !secret.is_empty() => return Ok(make(secret.clone())),
            Ok(_) => {
                let _ = write!(problems, "; missing {what} for {name} auth mechanism");
            }
            Err(error) => {
                let _ = write!(problems, "; {error}");
            }
        }
    }
    let problems = problems.strip_prefix("; ").unwrap_or("none is offered");
    Err(Failure::new(
        STEP,
        Cause::Login,
        format!("find auth mechanism: {problems}"),
    ))
}

fn respond(
    mechanism: &Mechanism,
    login: &MailLogin,
    challenge: &[u8],
    turn: usize,
) -> Option<String> {
    match mechanism {
        Mechanism::CramMd5(secret) => Some(cram_md5(&login.username, secret, challenge)),
        Mechanism::Login(password) => {
            let asked = String::from_utf8_lossy(challenge).to_ascii_lowercase();
            // Servers word their questions differently, but ask them in this order.
            match turn {
                0 if !asked.contains("pass") => Some(login.username.clone()),
                1 if !asked.contains("user") => Some(password.reveal().to_owned()),
                _ => None,
            }
        }
        Mechanism::Plain(_) | Mechanism::XOAuth2(_) => None,
    }
}

/// RFC 2195.
fn cram_md5(username: &str, secret: &Secret, challenge: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(secret.reveal().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(challenge);
    let mut out = format!("{username} ");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Some servers repeat what they were told.
fn hide(mut failure: Failure, line: &str, mechanism: &Mechanism, why: &str) -> Failure {
    let (name, secret) = match mechanism {
        Mechanism::CramMd5(secret) => ("CRAM-MD5", secret),
        Mechanism::Plain(secret) => ("PLAIN", secret),
        Mechanism::Login(secret) => ("LOGIN", secret),
        Mechanism::XOAuth2(secret) => ("XOAUTH2", secret),
    };
    let mut text = format!("{name} auth: {}", failure.text);
    if !why.is_empty() {
        let _ = write!(text, ": {}", why.trim());
    }
    let sent = line.rsplit(' ').next().unwrap_or_default();
    for secret in [sent, secret.reveal(), &STANDARD.encode(secret.reveal())] {
        if secret.len() >= 3 {
            text = text.replace(secret, HIDDEN);
        }
    }
    failure.text = text;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cram_md5_as_in_rfc_2195() {
        let secret = Secret::new("tanstaaftanstaaf");
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(
            cram_md5("tim", &secret, challenge),
            "tim b913a602c7eda7a495b4e6e7334d3890"
        );
    }
}
