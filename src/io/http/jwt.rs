//! The signed assertion of OAuth 2's JWT grant (RFC 7523), as `prometheus/common` makes it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Map, Value, json};

use crate::{config::OAuth2, time::Timestamp};

/// How long the assertion is good.
const LIFE_SECONDS: i64 = 600;

/// Signs the claims with a PEM private key.
pub(super) fn sign(config: &OAuth2, key: &str, now: Timestamp) -> Result<String, String> {
    let (name, encoding): (_, &'static dyn RsaEncoding) = match config.signature_algorithm.as_str()
    {
        "RS384" => ("RS384", &RSA_PKCS1_SHA384),
        "RS512" => ("RS512", &RSA_PKCS1_SHA512),
        _ => ("RS256", &RSA_PKCS1_SHA256),
    };
    let random = SystemRandom::new();
    let mut id = [0; 16];
    let failed = |_unspecified| "the assertion could not be signed".to_owned();
    random.fill(&mut id).map_err(failed)?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid();

    let mut header = json!({ "alg": name, "typ": "JWT" });
    if !config.client_certificate_key_id.is_empty() {
        header["kid"] = json!(config.client_certificate_key_id);
    }
    let claims = claims(config, &id.to_string(), now);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&header), encode(&Value::Object(claims)));

    let pair = key_pair(key)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, &random, message.as_bytes(), &mut signature)
        .map_err(failed)?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn claims(config: &OAuth2, id: &str, now: Timestamp) -> Map<String, Value> {
    let or = |text: &str, default: &str| {
        let text = if text.is_empty() { default } else { text };
        Value::String(text.to_owned())
    };
    let issued = now.unix_seconds();
    let mut claims = Map::from_iter([
        ("iss".to_owned(), or(&config.iss, &config.client_id)),
        ("sub".to_owned(), json!(config.client_id)),
        ("aud".to_owned(), or(&config.audience, &config.token_url)),
        ("jti".to_owned(), json!(id)),
        ("iat".to_owned(), json!(issued)),
        ("exp".to_owned(), json!(issued + LIFE_SECONDS)),
    ]);
    if !config.scopes.is_empty() {
        claims.insert("scope".to_owned(), json!(config.scopes.join(" ")));
    }
    for (name, value) in &config.claims {
        claims.insert(name.clone(), value.clone());
    }
    claims
}

/// Errors name no part of the key.
fn key_pair(pem: &str) -> Result<RsaKeyPair, String> {
    let unusable = |why: String| format!("unable to use oauth2 client_certificate_key: {why}");
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| unusable(error.to_string()))?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(_) | _ => return Err(unusable("it is no RSA key".to_owned())),
    };
    pair.map_err(|error| unusable(error.to_string()))
}
