//! Mails of a whole process, through Debian's Postfix, into mailboxes.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::{
    node::{Node, Program, in_seconds, subject_is_upstream},
    process::{Process, SOON, installed, wait_for},
    skipped::skipped,
};

const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// A Postfix of its own that listens on two free ports and touches nothing outside of its directory.
struct Postfix {
    directory: PathBuf,
    process: Option<Process>,
    /// `STARTTLS`.
    smtp: u16,
    /// TLS at once.
    smtps: u16,
}

fn run(command: &str) -> Option<String> {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Postfix {
    fn start(directory: &Path) -> Option<Self> {
        if installed("postfix").is_none() && !Path::new(MASTER).exists() {
            skipped("postfix is not installed");
            return None;
        }
        if run("id -u").as_deref() != Some("0") {
            skipped("only root can start postfix");
            return None;
        }
        let directory = directory.join("postfix");
        for name in ["etc", "spool", "lib", "mail"] {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        let mut postfix = Self {
            directory,
            process: None,
            smtp: free_port(),
            smtps: free_port(),
        };
        postfix.configure();
        let shown = postfix.directory.display();
        // Its processes change their user, and need to get there.
        let ready = run(&format!(
            "chmod 755 {shown}/.. {shown} && chown postfix {shown}/lib && chown nobody {shown}/mail \
             && PATH=$PATH:/usr/sbin postfix -c {shown}/etc check"
        ));
        assert!(ready.is_some(), "postfix check failed");
        let mut command = Command::new(MASTER);
        command
            .arg("-c")
            .arg(postfix.directory.join("etc"))
            .arg("-d");
        let log = postfix.directory.join("master.log");
        postfix.process = Some(Process::spawn(&mut command, &log));
        Some(postfix)
    }

    fn configure(&self) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["mail.test".to_owned()]).unwrap();
        let cert = cert.signed_by(&key, &ca).unwrap();
        self.write("ca.pem", &ca.pem());
        self.write("etc/cert.pem", &cert.pem());
        self.write("etc/key.pem", &key.serialize_pem());

        let shown = self.directory.display();
        let boxes: String = ["a", "b", "c"]
            .map(|name| format!("{{{name}@example.org = {name}/}}, "))
            .concat();
        self.write(
            "etc/main.cf",
            &format!(
                "compatibility_level = 3.6\n\
                 queue_directory = {shown}/spool\n\
                 data_directory = {shown}/lib\n\
                 maillog_file = {shown}/mail.log\n\
                 maillog_file_prefixes = /\n\
                 myhostname = mail.test\n\
                 mydestination =\n\
                 alias_maps =\n\
                 inet_interfaces = 127.0.0.1\n\
                 inet_protocols = ipv4\n\
                 mynetworks = 127.0.0.0/8\n\
                 smtpd_peername_lookup = no\n\
                 smtpd_tls_cert_file = {shown}/etc/cert.pem\n\
                 smtpd_tls_key_file = {shown}/etc/key.pem\n\
                 smtpd_tls_security_level = encrypt\n\
                 virtual_mailbox_domains = example.org\n\
                 virtual_mailbox_base = {shown}/mail\n\
                 virtual_mailbox_maps = inline:{{ {boxes} }}\n\
                 virtual_uid_maps = static:65534\n\
                 virtual_gid_maps = static:65534\n"
            ),
        );
        let (smtp, smtps) = (self.smtp, self.smtps);
        self.write(
            "etc/master.cf",
            &format!(
                "127.0.0.1:{smtp} inet n - n - - smtpd\n\
                 127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
                 pickup unix n - n 60 1 pickup\n\
                 cleanup unix n - n - 0 cleanup\n\
                 qmgr unix n - n 300 1 qmgr\n\
                 tlsmgr unix - - n 1000? 1 tlsmgr\n\
                 rewrite unix - - n - - trivial-rewrite\n\
                 bounce unix - - n - 0 bounce\n\
                 defer unix - - n - 0 bounce\n\
                 trace unix - - n - 0 bounce\n\
                 proxymap unix - - n - - proxymap\n\
                 error unix - - n - - error\n\
                 retry unix - - n - - error\n\
                 virtual unix - n n - - virtual\n\
                 anvil unix - - n - 1 anvil\n\
                 postlog unix-dgram n - n - 1 postlogd\n"
            ),
        );
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.join(name), text).unwrap();
    }

    /// The mails in a mailbox, as they came.
    fn mails(&self, mailbox: &str) -> Vec<Mail> {
        let folder = self.directory.join("mail").join(mailbox).join("new");
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
        texts.map(|text| Mail::parse(&text)).collect()
    }

    #[track_caller]
    fn wait_for_mails(&self, mailbox: &str, count: usize) -> Vec<Mail> {
        wait_for(&format!("{count} mails to {mailbox}"), SOON * 2, || {
            let mails = self.mails(mailbox);
            (mails.len() >= count).then_some(mails)
        })
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.join("mail.log"));
            eprintln!("--- mail.log ---\n{}", log.unwrap_or_default());
        }
        if let Some(process) = self.process.take() {
            // Its children end with it.
            process.terminate();
        }
    }
}

#[derive(Debug)]
struct Mail {
    /// In order, unfolded.
    headers: Vec<(String, String)>,
    /// Content type and decoded text.
    parts: Vec<(String, String)>,
}

impl Mail {
    fn parse(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap();
        let headers = fields(head);
        let kind = &headers
            .iter()
            .find(|(name, _)| name == "Content-Type")
            .unwrap()
            .1;
        let (kind, boundary) = kind.split_once("boundary=").unwrap();
        assert_eq!(kind, "multipart/alternative;  ");
        let (body, after) = body.split_once(&format!("--{boundary}--")).unwrap();
        assert_eq!(after.trim(), "");
        let boundary = format!("--{boundary}\n");
        let parts = body.split(&boundary).skip(1).map(|part| {
            let (head, body) = part.split_once("\n\n").unwrap();
            let fields = fields(head);
            assert_eq!(fields[0].1, "quoted-printable");
            (
                fields[1].1.clone(),
                decode(body.strip_suffix('\n').unwrap()),
            )
        });
        Self {
            parts: parts.collect(),
            headers: headers.clone(),
        }
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = values
            .next()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert_eq!(values.next(), None, "one {name}");
        value
    }
}

fn fields(head: &str) -> Vec<(String, String)> {
    let unfolded = head.replace("\n ", " ").replace("\n\t", "\t");
    let pairs = unfolded.lines().map(|line| line.split_once(':').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim_start().to_owned()))
        .collect()
}

fn decode(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut out = Vec::new();
    let mut bytes = joined.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            out.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

fn config(postfix: &Postfix) -> String {
    let (smtp, smtps) = (postfix.smtp, postfix.smtps);
    let ca = postfix.directory.join("ca.pem");
    let ca = ca.display();
    format!(
        r#"
global:
  smtp_from: 'Wächter <am@example.net>'
  smtp_smarthost: '127.0.0.1:{smtp}'
  smtp_tls_config: {{ca_file: '{ca}', server_name: mail.test}}
route: {{receiver: on-call, group_by: [alertname], group_wait: 200ms, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: on-call
  email_configs:
  - to: 'Zoë <a@example.org>, gone@example.org, b@example.org'
    send_resolved: true
    headers: {{subject: '{{{{ .GroupLabels.alertname }}}} 高负载', x-team: ops}}
    text: "{{{{ range .Alerts }}}}.{{{{ .Annotations.summary }}}}\n.\n{{{{ end }}}}"
    html: '<b title="{{{{ .Status }}}}">{{{{ (index .Alerts 0).Annotations.summary }}}}</b>'
    threading: {{enabled: true, thread_by_date: none}}
  - to: c@example.org
    smarthost: '127.0.0.1:{smtps}'
    force_implicit_tls: true
"#
    )
}

#[test]
fn mails_arrive_in_mailboxes() {
    if subject_is_upstream() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Some(postfix) = Postfix::start(directory.path()) else {
        return;
    };
    let program = Program::Subject.path().unwrap();
    let node = Node::start(&program, directory.path(), &config(&postfix), &[]);
    let summary = format!("<load> & é = {}", "很长 ".repeat(40));
    let alert = |ends: i64| {
        json!([{
            "labels": {"alertname": "HighLoad", "instance": "a:9100"},
            "annotations": {"summary": summary},
            "startsAt": in_seconds(-60),
            "endsAt": in_seconds(ends),
        }])
    };
    node.post_alerts(&alert(3600));

    let first = postfix.wait_for_mails("a", 1).remove(0);
    assert_eq!(
        first.header("Subject"),
        "=?utf-8?q?HighLoad_=E9=AB=98=E8=B4=9F=E8=BD=BD?="
    );
    assert_eq!(
        first.header("From"),
        "=?utf-8?q?W=C3=A4chter?= <am@example.net>"
    );
    assert_eq!(
        first.header("To"),
        "=?utf-8?q?Zo=C3=AB?= <a@example.org>, gone@example.org, b@example.org"
    );
    assert_eq!(first.header("X-Team"), "ops");
    assert_eq!(first.header("MIME-Version"), "1.0");
    assert_eq!(first.header("Return-Path"), "<am@example.net>");
    let id = first.header("Message-Id").to_owned();
    assert!(id.starts_with('<') && id.ends_with("@example.net>"), "{id}");
    assert!(!first.headers.iter().any(|(name, _)| name == "Bcc"));
    let received = first.header("Received");
    assert!(
        received.contains("localhost") && received.contains("ESMTPS"),
        "{received}"
    );
    // Lines that begin with dots arrive as they were.
    assert_eq!(
        first.parts[0],
        (
            "text/plain; charset=UTF-8".to_owned(),
            format!(".{summary}\n.\n")
        )
    );
    let escaped = summary
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    assert_eq!(
        first.parts[1],
        (
            "text/html; charset=UTF-8".to_owned(),
            format!("<b title=\"firing\">{escaped}</b>")
        )
    );

    // The other recipient got the very same; the third did not keep them from it.
    let other = postfix.wait_for_mails("b", 1).remove(0);
    assert_eq!(
        (other.header("Message-Id"), &other.parts),
        (&*id, &first.parts)
    );
    // The mail by default, over TLS from the start.
    let plain = postfix.wait_for_mails("c", 1).remove(0);
    assert_eq!(plain.header("Subject"), "[FIRING:1] HighLoad (a:9100)");
    assert_eq!(plain.header("To"), "c@example.org");
    assert_eq!(plain.parts.len(), 1);
    assert!(plain.parts[0].1.contains("HighLoad"), "{:?}", plain.parts);

    node.post_alerts(&alert(-1));
    let second = postfix.wait_for_mails("a", 2).remove(1);
    assert!(second.parts[1].1.starts_with("<b title=\"resolved\">"));
    assert_ne!(second.header("Message-Id"), id);
    for name in ["References", "In-Reply-To"] {
        assert_eq!(second.header(name), first.header(name));
        assert!(second.header(name).starts_with("<alert-"));
    }
    assert_eq!(postfix.mails("a").len(), 2);
    assert_eq!(postfix.wait_for_mails("b", 2).len(), 2);
    assert_eq!(
        postfix.mails("c").len(),
        1,
        "resolved alerts are not asked for"
    );

    // Who was refused is named where an operator looks.
    let told = node
        .get("/api/v2/notifications")
        .expect(200)
        .json()
        .to_string();
    assert!(
        told.contains("gone@example.org") && told.contains("550 5.1.1"),
        "{told}"
    );
    assert!(node.terminate().success());
}
