//! Servers that answer what a test says, over connections that stay.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::process::SOON;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Below `/api/v1/`, without parameters.
    pub(crate) path: String,
    /// The parameters of the path and of a form.
    pub(crate) form: BTreeMap<String, String>,
}

impl Asked {
    /// The query, or nothing.
    pub(crate) fn query(&self) -> &str {
        self.form.get("query").map_or("", String::as_str)
    }
}

/// What is answered to it, with the status 200.
pub(crate) struct Told {
    kind: &'static str,
    body: Vec<u8>,
}

impl Told {
    pub(crate) fn json(body: &str) -> Self {
        Self {
            kind: "application/json",
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn bytes(kind: &'static str, body: Vec<u8>) -> Self {
        Self { kind, body }
    }

    /// A vector of series with these labels, in JSON, and values at the time of the query.
    pub(crate) fn vector(asked: &Asked, series: &[(&str, f64)]) -> Self {
        let time = &asked.form["time"];
        let series: Vec<_> = series
            .iter()
            .map(|(labels, value)| format!(r#"{{"metric":{labels},"value":[{time},"{value}"]}}"#))
            .collect();
        let series = series.join(",");
        Self::json(&format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#
        ))
    }
}

/// A server on a port of its own that runs until the process ends.
pub(crate) struct Fake {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Starts one that says of itself that it is a Prometheus of this version, and answers everything else by `answer`.
    pub(crate) fn prometheus(
        version: &'static str,
        answer: impl Fn(&Asked) -> Told + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
        };
        let (seen, answer) = (Arc::clone(&fake.asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    // The client may go at any time.
                    let _ = serve(stream, |asked| {
                        seen.lock().unwrap().push(asked.clone());
                        if asked.path == "status/buildinfo" {
                            return Told::json(&format!(
                                r#"{{"status":"success","data":{{"version":"{version}","revision":"r"}}}}"#
                            ));
                        }
                        answer(asked)
                    });
                });
            }
        });
        fake
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The paths of all requests as they came, below `/api/v1/`, without parameters.
    pub(crate) fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|one| one.path.clone()).collect()
    }

    /// How often it was asked what contains this.
    pub(crate) fn count(&self, part: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|one| one.query().contains(part))
            .count()
    }
}

fn serve(mut stream: TcpStream, answer: impl Fn(&Asked) -> Told) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let parsed = |text: &[u8]| {
            url::form_urlencoded::parse(text)
                .into_owned()
                .collect::<Vec<_>>()
        };
        let form = parsed(query.as_bytes()).into_iter().chain(parsed(&body));
        let told = answer(&Asked {
            path: path.trim_start_matches("/api/v1/").to_owned(),
            form: form.collect(),
        });
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
            told.kind,
            told.body.len()
        )?;
        stream.write_all(&told.body)?;
    }
}

/// Something that answers wait for.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Waits until it is open, or for long enough that the test has failed.
    pub(crate) fn pass(&self) {
        let (open, opened) = &*self.0;
        let open = open.lock().unwrap();
        let waited = opened.wait_timeout_while(open, SOON, |open| !*open);
        drop(waited.unwrap());
    }

    pub(crate) fn open(&self) {
        let (open, opened) = &*self.0;
        *open.lock().unwrap() = true;
        opened.notify_all();
    }
}
