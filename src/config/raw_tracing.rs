//! `tracing` and `event_recorder`: read and checked, so that a file with them loads; neither does anything.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    HttpConfig, HttpHeader, Secret, TlsConfig,
    read::{
        Beside, Boxed, Cursor, HiddenUrl, Name, Named, Place, PromDuration, Reader, Section, Shown,
    },
    section::section,
};
use crate::yaml::Value;

section! {
    /// `TracingConfig` of upstream's tracing/config.go.
    pub(crate) RawTracing in "tracing.plain", check check_tracing {
        client_type: ClientType as Name<ClientType>,
        endpoint: String,
        sampling_fraction: f64,
        insecure: bool,
        tls ["tls_config"]: Option<Box<TlsConfig>> as Option<Boxed<TlsConfig>>,
        headers: BTreeMap<String, HttpHeader>,
        compression: String,
        timeout: Duration as PromDuration,
    }

    /// `Config` of upstream's eventrecorder/config.go.
    pub(crate) RawEventRecorder in "eventrecorder.Config" {
        file_outputs: Vec<RawFileOutput>,
        webhook_outputs: Vec<RawWebhookOutput>,
        kafka_outputs: Vec<RawKafkaOutput>,
        stdout_outputs: Vec<RawStdoutOutput>,
    }

    pub(crate) RawFileOutput in "eventrecorder.plain", check check_file {
        path: String as Shown<String>,
    }

    pub(crate) RawWebhookOutput in "eventrecorder.plain", check check_webhook {
        url: Secret as Shown<HiddenUrl>,
        http ["http_config"]: Option<Arc<HttpConfig>> as Beside<Option<Arc<HttpConfig>>>,
        timeout: Duration as PromDuration,
        workers: i64,
        max_retries: i64,
        retry_backoff: Duration as PromDuration,
        batch: bool,
        batch_max_events: i64,
        batch_max_bytes: i64,
        batch_flush_interval: Duration as PromDuration,
    }

    pub(crate) RawKafkaOutput in "eventrecorder.plain", check check_kafka {
        brokers: Vec<String> as Shown<Vec<String>>,
        topic: String as Shown<String>,
        client_id: String,
        format: String,
        acks: String,
        compression: String,
        buffer_size: i64,
        tls ["tls_config"]: Option<Arc<TlsConfig>> as Beside<Option<Arc<TlsConfig>>>,
    }
}

/// `client_type`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ClientType {
    #[default]
    Grpc,
    Http,
}

impl Named for ClientType {
    const NAMES: &'static [(&'static str, Self)] = &[("grpc", Self::Grpc), ("http", Self::Http)];

    fn unknown(word: &str) -> String {
        format!("expected tracing client type to be to be http or grpc, but got {word}")
    }
}

/// An entry of `stdout_outputs`, which has no keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RawStdoutOutput;

impl Section for RawStdoutOutput {
    const GO: &'static str = "eventrecorder.StdoutOutputConfig";

    fn keys() -> Vec<&'static str> {
        Vec::new()
    }

    fn read_key(&mut self, _key: &str, _node: Cursor<'_>, _reader: &mut Reader<'_>) -> bool {
        false
    }

    fn print_keys(&self, _out: &mut Vec<(Value, Value)>) {}
}

fn check_tracing(tracing: &mut RawTracing, place: &Place, reader: &mut Reader<'_>) {
    if tracing.endpoint.is_empty() {
        reader.deny(place.at, "tracing endpoint must be set");
    } else if !["", "gzip"].contains(&&*tracing.compression) {
        let message = format!(
            "invalid compression type {} provided, valid options: gzip",
            tracing.compression
        );
        reader.deny(place.of("compression"), message);
    }
}

fn check_file(output: &mut RawFileOutput, place: &Place, reader: &mut Reader<'_>) {
    if output.path.is_empty() {
        reader.deny(place.at, "event_recorder file output requires a path");
    }
    output.path = super::read::join(&reader.env.directory, &output.path);
}

fn check_webhook(output: &mut RawWebhookOutput, place: &Place, reader: &mut Reader<'_>) {
    let sizes = [output.batch_max_events, output.batch_max_bytes];
    let batched = sizes.iter().any(|size| *size != 0) || !output.batch_flush_interval.is_zero();
    let message = if output.url.is_empty() {
        "event_recorder webhook output requires a url"
    } else if sizes.iter().any(|size| *size < 0) {
        "event_recorder webhook batch settings cannot be negative"
    } else if batched && !output.batch {
        "event_recorder webhook batch settings require batch: true"
    } else {
        return;
    };
    reader.deny(place.at, message);
}

/// `ClientOptions.Validate` and `ValidateFormat` of upstream's kafka/kafka.go.
fn check_kafka(output: &mut RawKafkaOutput, place: &Place, reader: &mut Reader<'_>) {
    let known = |value: &str, names: &[&str]| value.is_empty() || names.contains(&value);
    let quoted = crate::labels::go_quote;
    let (key, message) = if output.brokers.is_empty() {
        (
            "brokers",
            "kafka: at least one broker is required".to_owned(),
        )
    } else if output.brokers.iter().any(|broker| broker.trim().is_empty()) {
        (
            "brokers",
            "kafka: broker entries must be non-empty".to_owned(),
        )
    } else if !known(&output.acks, &["none", "leader", "all"]) {
        let acks = quoted(&output.acks);
        let message =
            format!("kafka: unknown acks {acks}, must be \"none\", \"leader\", or \"all\"");
        ("acks", message)
    } else if !known(
        &output.compression,
        &["none", "gzip", "snappy", "lz4", "zstd"],
    ) {
        let compression = quoted(&output.compression);
        (
            "compression",
            format!("kafka: unknown compression {compression}"),
        )
    } else if output.topic.is_empty() {
        ("topic", "kafka output requires a topic".to_owned())
    } else if !known(&output.format, &["json", "protobuf"]) {
        let format = quoted(&output.format);
        let message = format!("kafka: unknown format {format}, must be \"json\" or \"protobuf\"");
        ("format", message)
    } else {
        return;
    };
    reader.deny(place.of(key), format!("event_recorder {message}"));
}
