//! Tokens.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA512, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::server::{Server, answer, clients, post};
use crate::config::{HttpConfig, OAuth2, Secret};

fn with_oauth(oauth2: OAuth2) -> Arc<HttpConfig> {
    Arc::new(HttpConfig {
        oauth2: Some(Box::new(oauth2)),
        ..HttpConfig::default()
    })
}

fn form(body: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn tokens_are_fetched_once_and_again_when_they_expire() {
    let issued = AtomicUsize::new(0);
    let issuer = Server::start(move |seen| {
        let number = issued.fetch_add(1, Relaxed);
        // The first lives, the second is over at once.
        let expires = if number == 0 { 3600 } else { 5 };
        assert_eq!(seen.method, Method::POST);
        answer(
            200,
            format!(
                r#"{{"access_token":"t{number}","token_type":"bearer","expires_in":"{expires}"}}"#
            ),
        )
    })
    .await;
    let rejects = Arc::new(AtomicUsize::new(0));
    let reject = Arc::clone(&rejects);
    let server = Server::start(move |_| {
        let revoked = reject.load(Relaxed) > 0;
        reject.store(0, Relaxed);
        answer(if revoked { 401 } else { 200 }, "")
    })
    .await;
    let http = with_oauth(OAuth2 {
        client_id: "id &".to_owned(),
        client_secret: Secret::new("se:cret"),
        token_url: issuer.url("/token"),
        scopes: vec!["a".to_owned(), "b".to_owned()],
        endpoint_params: BTreeMap::from([("audience".to_owned(), "x".to_owned())]),
        ..OAuth2::default()
    });
    let clients = Arc::new(clients());
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (clients, http, url) = (Arc::clone(&clients), Arc::clone(&http), server.url("/"));
            tokio::spawn(async move { post(&clients, &url, &http).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(issuer.seen().len(), 1);
    let asked = issuer.last();
    // base64 of `id+%26:se%3Acret`
    assert_eq!(
        asked.header("authorization"),
        Some("Basic aWQrJTI2OnNlJTNBY3JldA==")
    );
    let expect = [
        ("audience", "x"),
        ("grant_type", "client_credentials"),
        ("scope", "a b"),
    ];
    let expect = expect.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&asked.body), BTreeMap::from(expect));
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("authorization") == Some("Bearer t0"))
    );

    // The server revokes the token: one more try with a new one.
    rejects.store(1, Relaxed);
    assert_eq!(
        post(&clients, &server.url("/"), &http)
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(server.last().header("authorization"), Some("Bearer t1"));
    // It expires within the margin, so the next request fetches its own.
    post(&clients, &server.url("/"), &http).await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("Bearer t2"));
}

#[tokio::test]
async fn credentials_go_into_the_body_where_the_server_wants_them_there() {
    let issuer = Server::start(|seen| {
        if seen.header("authorization").is_some() {
            answer(401, r#"{"error":"invalid_client"}"#)
        } else if form(&seen.body).get("client_secret").map(String::as_str) == Some("right") {
            answer(200, r#"{"access_token":"t","expires_in":1}"#)
        } else {
            answer(400, r#"{"error":"invalid_grant"}"#)
        }
    })
    .await;
    let server = Server::start(|_| answer(200, "")).await;
    let oauth2 = |secret| OAuth2 {
        client_id: "id".to_owned(),
        client_secret: Secret::new(secret),
        token_url: issuer.url("/token"),
        ..OAuth2::default()
    };
    let clients = clients();
    let http = with_oauth(oauth2("right"));
    post(&clients, &server.url("/"), &http).await.unwrap();
    post(&clients, &server.url("/"), &http).await.unwrap();
    // Found out once: three requests for two tokens.
    assert_eq!(issuer.seen().len(), 3);
    let error = post(&clients, &server.url("/"), &with_oauth(oauth2("hunter2")))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        r#"oauth2: cannot fetch token: 400 Bad Request: {"error":"invalid_grant"}"#
    );
    assert!(!error.ambiguous);
}

#[tokio::test]
async fn signs_assertions() {
    let issuer = Server::start(|_| answer(200, r#"{"access_token":"t"}"#)).await;
    let server = Server::start(|_| answer(200, "")).await;
    for pem in [PKCS1, PKCS8] {
        let http = with_oauth(OAuth2 {
            client_id: "id".to_owned(),
            grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
            client_certificate_key: Secret::new(pem),
            client_certificate_key_id: "key-1".to_owned(),
            signature_algorithm: "RS512".to_owned(),
            token_url: issuer.url("/token"),
            scopes: vec!["s".to_owned()],
            claims: BTreeMap::from([("tenant".to_owned(), serde_json::json!(["x"]))]),
            ..OAuth2::default()
        });
        post(&clients(), &server.url("/"), &http).await.unwrap();
        assert_eq!(server.last().header("authorization"), Some("Bearer t"));
        let asked = form(&issuer.last().body);
        let (message, signature) = asked["assertion"].rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let der = PrivateKeyDer::from_pem_slice(PKCS8.as_bytes()).unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.secret_der()).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, pair.public_key().as_ref())
            .verify(message.as_bytes(), &signature)
            .unwrap();
        let part = |text| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let (header, claims) = message.split_once('.').unwrap();
        let (header, claims) = (part(header), part(claims));
        assert_eq!(
            header,
            serde_json::json!({"alg": "RS512", "typ": "JWT", "kid": "key-1"})
        );
        assert_eq!(claims["iss"], "id");
        assert_eq!(claims["sub"], "id");
        assert_eq!(claims["aud"], issuer.url("/token"));
        assert_eq!(claims["scope"], "s");
        assert_eq!(claims["tenant"], serde_json::json!(["x"]));
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            600
        );
    }
    let broken = with_oauth(OAuth2 {
        client_id: "id".to_owned(),
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        client_certificate_key: Secret::new("hunter2"),
        token_url: issuer.url("/token"),
        ..OAuth2::default()
    });
    let error = post(&clients(), &server.url("/"), &broken)
        .await
        .unwrap_err();
    assert!(
        error.message.contains("client_certificate_key"),
        "{error:?}"
    );
    assert!(!error.message.contains("hunter2"), "{error:?}");
}

/// Made for this test; guards nothing.
const PKCS1: &str = "\
-----BEGIN RSA PRIVATE KEY-----\n\
MIIEowIBAAKCAQEA19ofSWT0UJSiVLM9ggBfNG/UF2FzFZAmF4un2mXCq1OlGCwl\n\
Ps83jqU0dNSgMNjzj3foCiNYqL2uBZYeUjXyvxwSuuxiqoTmBU3g/nuBIEYNvAbT\n\
LP1JRbeWp1xbM0DbGoASeoOmkRclPKBwD4C8/GuVXASRK2iQSYkiwhOA/RYsaCZx\n\
ufeUOsfVFQW0XtYdwQnVc8oE/Qb7XxObKRJImvbBYcqcWygtUanZ5bCnkhligaZ4\n\
HL1/HuhpCE3IqEWLLUEKpogKP10c8ArL9fnAlPSV+tmM6q/hsFCUpWm7v1sqL8bh\n\
0V1F/pb0QTAxu9zASZNdG6yhPHvrQniErHpMlwIDAQABAoIBABPQcg7KtaKwAjbE\n\
PWExp4uouE9tIqNYGCcRKtdhf/06MG2Hn+OkIfV2NNqEqi/Ruonw99v2Yq0avF7G\n\
6QGi8iWY7h86k9QTXwodnAnATJop1Bjuh3QZzCAaOjoiwDx0N6i3GPsmGqQ2+7QV\n\
BjRmHPMO7ScFRE43ywb1D7vBDpYsx69PAaSARfI6YCILbEU2LZPAnsEPZoVu4qAc\n\
K8fv11292c6piPgEYQ1FgWRPPcN7vAdx0WOaidyrEGjiz4W3jdlKhTiFV0IUu0r7\n\
cqc1qSY97CTYlFsTXdUYK4yXQ1+NS17SXBHv+yi0B7OQXFoWgoZ2byuesLiY4jsA\n\
K/KcdAECgYEA97Y5A1Pp30Xm9pOhG06IGf6URCjO/v9/s17E/qAcogeKBo6nKzHR\n\
8n4pUNwM2M8vaOyAIiMrO3mhq2rTlT064ovtO66BKvXtv1wbAQN4mdErIibM6HXV\n\
/yl83o5wwMG6/QWZNjpbP1jScSrXZcFiuF/8uWhVruGbkedLXwtD4JMCgYEA3xMB\n\
IqzH0MPX6unAlaHnFmae/ihV71ELBgBbuPS4Z1wNxS+Xive/YDPnZpPTYQdGl2ef\n\
1RA2dQqDdfUri5DeQGyLs5r7TqFvei+QkwEhItqiitwEwvBv+VDIylALXWyTdNHD\n\
rMTLACZ7pM6DsalVaLjd45z2a+rO3fTyTFHgWm0CgYEAm4JbYnpwrUmeCJh/oLv5\n\
d5A6FlwkLzPJQJszQsLTlujyvtEZo2Vgb0LCv0+WBRp0ogMvIb9AadMfKpUjBWLu\n\
L8E2iqwvzP+dZO/2x/kc4jvNP2BqbVlkog6ypKl5oZk9wZCdMc0K8cbaPk9t8CSq\n\
zCL+botQlzxtRPiWebGByF8CgYAy9Gpb+0+hNjsJ498jztm0WjiTIa+PfNmhw08w\n\
TmYY5gQXOKnLCpBibzi6S6YLEdhkGT1/M7bcwUwKE7igprS9zo2StyIUcfe+10KU\n\
8bsZ9QsP4PYNeVJ6hqN24xXVf0mnc4rY2hLss92mZa3bVSy3QRMePOpk+DvMo3j9\n\
Se6PeQKBgH14DOAILs6EvAIiQGIXTmGc2r+YASbPVjclsvw17V4BTDODsVhrnBXJ\n\
BGt+DI07PIyWGOpOWpU09NxH1PmmsrOQ3rv+OatAJSByhPqk1SpraSft9dgrhL9p\n\
N3m5QwrmzhdLakb6+AM+LM57LYuBTV0AoMRLkERs6hKkCVCLVv1w\n\
-----END RSA PRIVATE KEY-----\n\
";

/// The same key in the other form.
const PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDX2h9JZPRQlKJU\n\
sz2CAF80b9QXYXMVkCYXi6faZcKrU6UYLCU+zzeOpTR01KAw2POPd+gKI1iova4F\n\
lh5SNfK/HBK67GKqhOYFTeD+e4EgRg28BtMs/UlFt5anXFszQNsagBJ6g6aRFyU8\n\
oHAPgLz8a5VcBJEraJBJiSLCE4D9FixoJnG595Q6x9UVBbRe1h3BCdVzygT9Bvtf\n\
E5spEkia9sFhypxbKC1RqdnlsKeSGWKBpngcvX8e6GkITcioRYstQQqmiAo/XRzw\n\
Csv1+cCU9JX62Yzqr+GwUJSlabu/WyovxuHRXUX+lvRBMDG73MBJk10brKE8e+tC\n\
eISsekyXAgMBAAECggEAE9ByDsq1orACNsQ9YTGni6i4T20io1gYJxEq12F//Tow\n\
bYef46Qh9XY02oSqL9G6ifD32/ZirRq8XsbpAaLyJZjuHzqT1BNfCh2cCcBMminU\n\
GO6HdBnMIBo6OiLAPHQ3qLcY+yYapDb7tBUGNGYc8w7tJwVETjfLBvUPu8EOlizH\n\
r08BpIBF8jpgIgtsRTYtk8CewQ9mhW7ioBwrx+/XXb3ZzqmI+ARhDUWBZE89w3u8\n\
B3HRY5qJ3KsQaOLPhbeN2UqFOIVXQhS7SvtypzWpJj3sJNiUWxNd1RgrjJdDX41L\n\
XtJcEe/7KLQHs5BcWhaChnZvK56wuJjiOwAr8px0AQKBgQD3tjkDU+nfReb2k6Eb\n\
TogZ/pREKM7+/3+zXsT+oByiB4oGjqcrMdHyfilQ3AzYzy9o7IAiIys7eaGratOV\n\
PTrii+07roEq9e2/XBsBA3iZ0SsiJszoddX/KXzejnDAwbr9BZk2Ols/WNJxKtdl\n\
wWK4X/y5aFWu4ZuR50tfC0PgkwKBgQDfEwEirMfQw9fq6cCVoecWZp7+KFXvUQsG\n\
AFu49LhnXA3FL5eK979gM+dmk9NhB0aXZ5/VEDZ1CoN19SuLkN5AbIuzmvtOoW96\n\
L5CTASEi2qKK3ATC8G/5UMjKUAtdbJN00cOsxMsAJnukzoOxqVVouN3jnPZr6s7d\n\
9PJMUeBabQKBgQCbgltienCtSZ4ImH+gu/l3kDoWXCQvM8lAmzNCwtOW6PK+0Rmj\n\
ZWBvQsK/T5YFGnSiAy8hv0Bp0x8qlSMFYu4vwTaKrC/M/51k7/bH+RziO80/YGpt\n\
WWSiDrKkqXmhmT3BkJ0xzQrxxto+T23wJKrMIv5ui1CXPG1E+JZ5sYHIXwKBgDL0\n\
alv7T6E2Ownj3yPO2bRaOJMhr4982aHDTzBOZhjmBBc4qcsKkGJvOLpLpgsR2GQZ\n\
PX8zttzBTAoTuKCmtL3OjZK3IhRx977XQpTxuxn1Cw/g9g15UnqGo3bjFdV/Sadz\n\
itjaEuyz3aZlrdtVLLdBEx486mT4O8yjeP1J7o95AoGAfXgM4AguzoS8AiJAYhdO\n\
YZzav5gBJs9WNyWy/DXtXgFMM4OxWGucFckEa34MjTs8jJYY6k5alTT03EfU+aay\n\
s5Deu/45q0AlIHKE+qTVKmtpJ+312CuEv2k3eblDCubOF0tqRvr4Az4sznsti4FN\n\
XQCgxEuQRGzqEqQJUItW/XA=\n\
-----END PRIVATE KEY-----\n\
";
