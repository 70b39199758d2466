//! OAuth 2 tokens: fetched once for all who wait, kept until shortly before they expire.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::header;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{
    auth,
    exchange::{self, USER_AGENT},
    jwt,
    proxy::Environment,
    transport::Transport,
};
use crate::{config::OAuth2, io::clock::Clock};

/// The grant for which a JWT is signed.
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A token that expires sooner than this is not used, as in Go's library.
const MARGIN: Duration = Duration::from_secs(10);

/// One request for a token.
const TIMEOUT: Duration = Duration::from_secs(30);

/// As Go's library.
const MAX_ANSWER: usize = 1 << 20;

/// The tokens of one configuration.
#[derive(Debug)]
pub(super) struct TokenSource {
    config: OAuth2,
    transport: Transport,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Whether the server wants the client's credentials in the body: found out by trying, then kept.
    in_body: bool,
}

struct Token {
    /// The value of `Authorization`.
    header: String,
    /// `None` for one without end.
    until: Option<Instant>,
    /// The credential that it was fetched with; another one needs another token.
    credential: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

impl Token {
    fn is_good(&self, credential: &str) -> bool {
        let lives = self.until.is_none_or(|until| Instant::now() < until);
        lives && self.credential == credential
    }
}

impl TokenSource {
    pub(super) fn new(
        config: &OAuth2,
        http2: bool,
        environment: Arc<Environment>,
        clock: Clock,
    ) -> Self {
        Self {
            config: config.clone(),
            transport: Transport::new(&config.tls, &config.proxy, http2, environment),
            clock,
            state: Mutex::default(),
        }
    }

    /// The value of `Authorization`. All who ask while one is fetched wait for it.
    pub(super) async fn token(&self) -> Result<String, String> {
        let credential = self.credential().await?;
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.is_good(&credential)
        {
            return Ok(token.header.clone());
        }
        let fetched = tokio::time::timeout(TIMEOUT, self.fetch(&mut state, credential))
            .await
            .unwrap_or_else(|_elapsed| Err("no answer within 30s".to_owned()));
        let token = fetched.map_err(|error| format!("oauth2: cannot fetch token: {error}"))?;
        let header = token.header.clone();
        state.token = Some(token);
        Ok(header)
    }

    /// The last token, if it is there and nobody is fetching one.
    pub(super) fn known(&self) -> Option<String> {
        let state = self.state.try_lock().ok()?;
        let (_, token) = state.token.as_ref()?.header.split_once(' ')?;
        Some(token.to_owned())
    }

    /// Makes the next use fetch another token.
    pub(super) async fn forget(&self) {
        self.state.lock().await.token = None;
    }

    fn is_jwt(&self) -> bool {
        self.config.grant_type == JWT_GRANT
    }

    /// The client's secret, or its private key; read each time, so that it may be rotated.
    async fn credential(&self) -> Result<String, String> {
        let (inline, file) = if self.is_jwt() {
            let file = &self.config.client_certificate_key_file;
            (&self.config.client_certificate_key, file)
        } else {
            (&self.config.client_secret, &self.config.client_secret_file)
        };
        if file.is_empty() {
            return Ok(inline.reveal().to_owned());
        }
        let file = file.clone();
        tokio::task::spawn_blocking(move || auth::read_trimmed(&file))
            .await
            .map_err(|_panic| "the secret could not be read".to_owned())?
            .map_err(|error| format!("unable to read oauth2 client secret: {error}"))
    }

    async fn fetch(&self, state: &mut State, credential: String) -> Result<Token, String> {
        let asked = Instant::now();
        let answer = if self.is_jwt() {
            let assertion = jwt::sign(&self.config, &credential, self.clock.now().wall)?;
            let form = BTreeMap::from([
                ("grant_type", JWT_GRANT.to_owned()),
                ("assertion", assertion),
            ]);
            self.post(form, None).await?
        } else {
            self.client_credentials(state, &credential).await?
        };
        parse(&answer, asked, credential)
    }

    async fn client_credentials(
        &self,
        state: &mut State,
        credential: &str,
    ) -> Result<Vec<u8>, String> {
        let id = &self.config.client_id;
        let mut form = BTreeMap::from([("grant_type", "client_credentials".to_owned())]);
        if !self.config.scopes.is_empty() {
            form.insert("scope", self.config.scopes.join(" "));
        }
        if !state.in_body {
            let first = self.post(form.clone(), Some((id, credential))).await;
            if first.is_ok() {
                return first;
            }
        }
        form.insert("client_id", id.clone());
        form.insert("client_secret", credential.to_owned());
        let second = self.post(form, None).await;
        state.in_body = second.is_ok();
        second
    }

    async fn post(
        &self,
        mut form: BTreeMap<&str, String>,
        basic: Option<(&str, &str)>,
    ) -> Result<Vec<u8>, String> {
        for (name, value) in &self.config.endpoint_params {
            form.insert(name, value.clone());
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form)
            .finish();
        let url =
            Url::parse(&self.config.token_url).map_err(|error| format!("token_url: {error}"))?;
        let (client, url, host) = self.transport.client(url).await?;
        let mut request = client
            .post(url)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        if let Some((id, secret)) = basic {
            let encode =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = auth::basic_header(&encode(id), &encode(secret))?;
            request = request.header(header::AUTHORIZATION, value);
        }
        let mut response = request.send().await.map_err(exchange::explain)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(exchange::explain)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER {
                return Err("the answer is larger than 1 MiB".to_owned());
            }
        }
        if status.is_success() {
            return Ok(answer);
        }
        let words = String::from_utf8_lossy(&answer);
        let words = words.trim();
        Err(format!(
            "{status}: {}",
            &words[..words.floor_char_boundary(200)]
        ))
    }
}

fn parse(answer: &[u8], asked: Instant, credential: String) -> Result<Token, String> {
    // The parser's error is not told: it may quote the token.
    let answer: serde_json::Value =
        serde_json::from_slice(answer).map_err(|_error| "the answer is no JSON".to_owned())?;
    let access = answer["access_token"].as_str().unwrap_or_default();
    if access.is_empty() {
        return Err("server response missing access_token".to_owned());
    }
    let kind = answer["token_type"].as_str().unwrap_or_default();
    let kind = match kind.to_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        "basic" => "Basic",
        "mac" => "MAC",
        _ => kind,
    };
    // Some servers send the number as a string.
    let expires = &answer["expires_in"];
    let seconds = match expires.as_str() {
        Some(text) => text.parse().unwrap_or(0.0),
        None => expires.as_f64().unwrap_or(0.0),
    };
    let lives = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(Token {
        header: format!("{kind} {access}"),
        until: (!lives.is_zero())
            .then(|| asked.checked_add(lives.saturating_sub(MARGIN)))
            .flatten(),
        credential,
    })
}
