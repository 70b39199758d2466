//! The server over real sockets: prefix, limits, CORS, gzip, bodies, drain.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, Semaphore},
};

use super::{Bound, RunningServer, ServerOptions, Unobserved, WebFile, bind, start};

pub(super) fn options() -> ServerOptions {
    ServerOptions {
        route_prefix: String::new(),
        get_concurrency: 8,
        get_wait: Duration::ZERO,
        timeout: Duration::ZERO,
        web: None,
        observer: Arc::new(Unobserved),
        file_limit: 4096,
    }
}

fn routes() -> Router {
    Router::new()
        .route("/-/healthy", get(async || "OK"))
        .route("/long", get(async || "x".repeat(10_000)))
        .route("/never", get(std::future::pending::<&'static str>))
        .route("/api/v2/alerts", post(async |body: String| body))
        .route("/api/v2/receivers", get(async || "[]"))
}

async fn serve(router: Router, options: ServerOptions) -> (RunningServer, u16) {
    let bound: Bound = bind("127.0.0.1:0").await.unwrap();
    let port = bound.address.port();
    (start(vec![bound], router, options), port)
}

/// Sends a request and gives everything that comes back until the server closes.
async fn ask(port: u16, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // Names of headers are the same in any case.
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let head: Vec<String> = head
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        })
        .collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}

#[tokio::test]
async fn prefix_and_redirects() {
    let (_server, port) = serve(
        routes(),
        ServerOptions {
            route_prefix: "/am".to_owned(),
            ..options()
        },
    )
    .await;
    for (path, expect) in [
        ("/am/-/healthy", "200 OK"),
        ("/-/healthy", "404 Not Found"),
        ("/", "302 Found"),
        ("/am", "301 Moved Permanently"),
        ("/am/api/v2", "301 Moved Permanently"),
    ] {
        let answer = ask(port, &format!("GET {path} HTTP/1.1"), "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expect}")),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn limits_of_time_and_number() {
    let (_server, port) = serve(
        routes(),
        ServerOptions {
            get_concurrency: 1,
            timeout: Duration::from_millis(1_500),
            ..options()
        },
    )
    .await;
    let slow = tokio::spawn(async move { ask(port, "GET /never HTTP/1.1", "").await });
    let refused = loop {
        let answer = ask(port, "GET /api/v2/receivers HTTP/1.1", "").await;
        if !answer.contains("200 OK") || slow.is_finished() {
            break answer;
        }
    };
    assert!(
        refused.contains("503")
            && refused.contains("Limit of concurrent GET requests reached (1), try again later.\n"),
        "{refused}"
    );
    let probed = ask(port, "GET /-/healthy HTTP/1.1", "").await;
    assert!(probed.contains("200 OK"), "{probed}");
    let slow = slow.await.unwrap();
    assert!(
        slow.ends_with("Exceeded configured timeout of 1.5s.\n"),
        "{slow}"
    );
    let posted = ask(port, "POST /api/v2/alerts HTTP/1.1", "[]").await;
    assert!(posted.ends_with("[]"));
}

#[tokio::test]
async fn a_read_waits_for_its_turn() {
    let release = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&release);
    let router = routes().route(
        "/held",
        get(async move || {
            held.acquire().await.unwrap().forget();
            "done"
        }),
    );
    let options = ServerOptions {
        get_concurrency: 1,
        get_wait: Duration::from_secs(60),
        ..options()
    };
    let (_server, port) = serve(router, options).await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = "GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        reader.write_all(request.as_bytes()).await.unwrap();
        readers.push(reader);
    }
    let probed = ask(port, "GET /-/healthy HTTP/1.1", "").await;
    assert!(probed.contains("200 OK"), "{probed}");
    release.add_permits(3);
    for mut reader in readers {
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
    }
}

#[tokio::test]
async fn the_api_has_cors_and_is_not_kept() {
    let (_server, port) = serve(routes(), options()).await;
    let answer = ask(
        port,
        "GET /api/v2/receivers HTTP/1.1\r\nOrigin: http://e",
        "",
    )
    .await;
    for header in [
        "access-control-allow-origin: *",
        "vary: Origin",
        "cache-control: no-store",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    let answer = ask(port, "GET /-/healthy HTTP/1.1\r\nOrigin: http://e", "").await;
    assert!(!answer.contains("access-control"), "{answer}");
    let (query, origin) = ("/prometheus/api/v1/query HTTP/1.1", "\r\nOrigin: http://e");
    for (method, status) in [("OPTIONS", "204"), ("GET", "404")] {
        let answer = ask(port, &format!("{method} {query}{origin}"), "").await;
        for header in [
            status,
            "access-control-allow-origin: *",
            "access-control-allow-methods: GET, POST, OPTIONS",
            "vary: Origin",
        ] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
        let answer = ask(port, &format!("{method} {query}"), "").await;
        assert!(!answer.contains("access-control"), "{answer}");
    }
    let answer = ask(
        port,
        "OPTIONS /api/v2/alerts HTTP/1.1\r\nOrigin: http://e\r\nAccess-Control-Request-Method: POST",
        "",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 204") && answer.contains("access-control-allow-methods: POST")
    );
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told_as_httprouter_tells_them() {
    let (_server, port) = serve(routes(), options()).await;
    let answer = ask(port, "POST /-/healthy HTTP/1.1", "").await;
    assert!(
        answer.contains("405")
            && answer.contains("allow: GET, HEAD, OPTIONS")
            && answer.ends_with("Method Not Allowed\n"),
        "{answer}"
    );
    let answer = ask(port, "OPTIONS /-/healthy HTTP/1.1", "").await;
    assert!(
        answer.contains("200 OK") && answer.contains("allow: GET, HEAD, OPTIONS"),
        "{answer}"
    );
    let answer = ask(port, "GET /nothing HTTP/1.1", "").await;
    assert!(
        answer.contains("404") && answer.ends_with("404 page not found\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn long_answers_are_zipped_if_asked() {
    let (_server, port) = serve(routes(), options()).await;
    let plain = ask(port, "GET /long HTTP/1.1", "").await;
    assert!(plain.len() > 10_000);
    let zipped = ask(port, "GET /long HTTP/1.1\r\nAccept-Encoding: gzip", "").await;
    assert!(zipped.contains("content-encoding: gzip") && zipped.len() < 1_000);
}

#[tokio::test]
async fn requests_finish_before_the_end() {
    let entered = Arc::new(Notify::new());
    let finish = Arc::new(Notify::new());
    let (enter, leave) = (Arc::clone(&entered), Arc::clone(&finish));
    let router = Router::new().route(
        "/slow",
        get(move || {
            let (enter, leave) = (Arc::clone(&enter), Arc::clone(&leave));
            async move {
                enter.notify_one();
                leave.notified().await;
                "done"
            }
        }),
    );
    let (server, port) = serve(router, options()).await;
    let _idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = tokio::spawn(async move { ask(port, "GET /slow HTTP/1.1", "").await });
    entered.notified().await;
    let stopping = tokio::spawn(server.stop(Duration::from_secs(20)));
    finish.notify_one();
    assert!(request.await.unwrap().ends_with("done"));
    assert!(stopping.await.unwrap());
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn the_web_file_guards_and_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    let hash = bcrypt::hash("right", 4).unwrap();
    let guarded = format!(
        "basic_auth_users: {{ann: {hash}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"
    );
    std::fs::write(&path, &guarded).unwrap();
    let (_server, port) = serve(
        routes(),
        ServerOptions {
            web: Some(Arc::new(WebFile::open(&path).unwrap())),
            ..options()
        },
    )
    .await;
    let get = "GET /-/healthy HTTP/1.1";
    let answer = ask(port, get, "").await;
    assert!(
        answer.starts_with("HTTP/1.1 401")
            && answer.contains("www-authenticate: Basic")
            && answer.contains("x-frame-options: deny"),
        "{answer}"
    );
    let right = format!("{get}\r\nAuthorization: Basic YW5uOnJpZ2h0");
    assert!(ask(port, &right, "").await.starts_with("HTTP/1.1 200"));

    std::fs::write(&path, "basic_auth_users: [").unwrap();
    let rounds = 0..400;
    for _ in rounds.clone() {
        assert!(ask(port, get, "").await.starts_with("HTTP/1.1 401"));
    }
    std::fs::write(&path, "rate_limit: {burst: 1, interval: 1h}").unwrap();
    let mut answers = Vec::new();
    while answers.len() < 100_000
        && !answers
            .iter()
            .any(|a: &String| a.starts_with("HTTP/1.1 429"))
    {
        answers.push(ask(port, get, "").await);
    }
    assert!(
        answers
            .iter()
            .any(|answer| answer.starts_with("HTTP/1.1 200"))
    );
}

#[test]
fn a_wrong_web_file_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    for (text, expect) in [
        ("junk: 1", "field junk not found"),
        (
            "tls_server_config: {cert_file: no.pem, key_file: no.key}",
            "failed to read cert_file",
        ),
        (
            "tls_server_config: {cert_file: no.pem}",
            "missing one of key or key_file",
        ),
        ("basic_auth_users: {ann: plain}", "bcrypt"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = WebFile::open(&path).unwrap_err();
        let text = format!("{error}");
        assert!(text.contains(expect), "{text}");
    }
}

/// A certificate of `name`, signed by itself, and its key.
fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Makes a handshake and asks; the error is the handshake's or the server's refusal after it.
async fn ask_tls(
    port: u16,
    root: &str,
    client: Option<&(String, String)>,
    alpn: &[u8],
) -> Result<(String, Vec<u8>), String> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap())
        .unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    let alpn = stream
        .get_ref()
        .1
        .alpn_protocol()
        .unwrap_or_default()
        .to_vec();
    let request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream
        .write_all(request)
        .await
        .map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    if answer.is_empty() {
        return Err(read
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default());
    }
    Ok((String::from_utf8_lossy(&answer).into_owned(), alpn))
}

#[tokio::test]
async fn certificates_are_asked_for_as_the_file_says_and_renewed_without_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let (certificate_pem, key) = certificate("localhost");
    let known = certificate("agent.example");
    let stranger = certificate("agent.example");
    write("server.pem", &certificate_pem);
    write("server.key", &key);
    write("clients.pem", &known.0);
    // Policy, then who gets in: nobody's certificate, a known one, a stranger's.
    for (policy, expect) in [
        ("", [true, true, true]),
        ("client_auth_type: RequestClientCert", [true, true, true]),
        (
            "client_auth_type: RequireAnyClientCert",
            [false, true, true],
        ),
        (
            "client_auth_type: VerifyClientCertIfGiven, client_ca_file: clients.pem",
            [true, true, false],
        ),
        (
            "client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.pem",
            [false, true, false],
        ),
        (
            "client_auth_type: RequireAnyClientCert, client_allowed_sans: [agent.example]",
            [false, true, true],
        ),
        (
            "client_auth_type: RequireAnyClientCert, client_allowed_sans: [other.example]",
            [false, false, false],
        ),
    ] {
        write(
            "web.yml",
            &format!(
                "tls_server_config: {{cert_file: server.pem, key_file: server.key, {policy}}}"
            ),
        );
        let web = WebFile::open(&directory.path().join("web.yml")).unwrap();
        let (_server, port) = serve(
            routes(),
            ServerOptions {
                web: Some(Arc::new(web)),
                ..options()
            },
        )
        .await;
        for (client, expect) in [None, Some(&known), Some(&stranger)]
            .into_iter()
            .zip(expect)
        {
            let answer = ask_tls(port, &certificate_pem, client, b"http/1.1").await;
            assert_eq!(answer.is_ok(), expect, "{policy}: {answer:?}");
        }
    }

    write(
        "web.yml",
        "tls_server_config: {cert_file: server.pem, key_file: server.key}",
    );
    let web = WebFile::open(&directory.path().join("web.yml")).unwrap();
    let (_server, port) = serve(
        routes(),
        ServerOptions {
            web: Some(Arc::new(web)),
            ..options()
        },
    )
    .await;
    let plain = ask(port, "GET / HTTP/1.1", "").await;
    assert!(
        plain.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{plain}"
    );
    let (_, alpn) = ask_tls(port, &certificate_pem, None, b"http/1.1")
        .await
        .unwrap();
    assert_eq!(alpn, b"http/1.1");
    let (renewed, key) = certificate("localhost");
    write("server.pem", &renewed);
    write("server.key", &key);
    let mut tries = 0;
    while ask_tls(port, &renewed, None, b"http/1.1").await.is_err() {
        tries += 1;
        assert!(tries < 100_000, "the new certificate is not taken up");
    }
}

/// Tells when it is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_query_ends_with_the_connection_of_whoever_asked() {
    let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, ends) = (Arc::clone(&begun), Arc::clone(&ended));
    let query = move || {
        let (begins, ends) = (Arc::clone(&begins), Dropped(Arc::clone(&ends)));
        async move {
            let _ends = ends;
            begins.notify_one();
            std::future::pending::<&'static str>().await
        }
    };
    let later = async || {
        tokio::time::sleep(Duration::from_millis(400)).await;
        "later"
    };
    let router = routes()
        .route("/prometheus/api/v1/query", get(query.clone()).post(query))
        .route("/prometheus/api/v1/labels", get(later))
        .route("/api/v2/status", get(later));
    let (_server, port) = serve(router, options()).await;
    let long = Duration::from_secs(20);
    for head in [
        "GET /prometheus/api/v1/query?query=up HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /prometheus/api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        begun.notified().await;
        let waits = tokio::time::timeout(Duration::from_millis(600), ended.notified()).await;
        assert!(waits.is_err(), "who asked is still there");
        drop(stream);
        let ends = tokio::time::timeout(long, ended.notified()).await;
        assert!(ends.is_ok(), "{head}");
    }
    let answer = ask(port, "GET /prometheus/api/v1/labels HTTP/1.1", "").await;
    assert!(answer.ends_with("later"), "{answer}");

    // What the node answers by itself is read by scripts that close their side first.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = "GET /api/v2/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("later"), "{answer}");
}
