//! `sns_configs`: messages of Amazon SNS.

use std::{collections::BTreeMap, sync::Arc};

use super::entry::{HttpField, Inherit, inherit_http};
use crate::config::{
    HttpConfig, Secret,
    global::Global,
    read::{Place, Reader, Shown},
    section::section,
};

section! {
    /// `sns_configs[]`
    pub SnsConfig in "sns.plain", check check_sns {
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// The service, a template; that of the region if empty.
        api_url: String,
        /// How requests are signed.
        sigv4: SigV4Config as Shown<SigV4Config>,
        /// The topic; its name ends in `.fifo` for a FIFO topic.
        topic_arn: String,
        /// A telephone number, if there is no topic.
        phone_number: String,
        /// An endpoint, if there is no topic.
        target_arn: String,
        /// The subject of mails.
        subject: String = r#"{{ template "sns.default.subject" . }}"#,
        /// The message.
        message: String = r#"{{ template "sns.default.message" . }}"#,
        /// Attributes of the message.
        attributes: BTreeMap<String, String>,
        /// Ignored: there is one HTTP client only.
        use_aws_http_client: bool,
    }

    /// `sigv4`; empty values come from the environment of AWS.
    #[derive(Eq)]
    pub SigV4Config in "sigv4.plain", check check_sigv4 {
        /// The region.
        region: String,
        /// The access key; there is a secret key too.
        access_key: String,
        /// The secret key.
        secret_key: Secret,
        /// A profile of the shared configuration.
        profile: String,
        /// A role to assume.
        role_arn: String,
        /// The external identifier when assuming the role.
        external_id: String,
        /// Whether the FIPS endpoint of STS is used.
        use_fips_sts_endpoint: bool,
        /// Ignored by SNS.
        service_name: String,
    }
}

fn check_sns(config: &mut SnsConfig, place: &Place, reader: &mut Reader<'_>) {
    // `(a == "") != (b == "") != (c == "")`: one of them, or all three.
    let target = config.target_arn.is_empty();
    let topic = config.topic_arn.is_empty();
    let phone = config.phone_number.is_empty();
    if (target != topic) != phone {
        reader.deny(
            place.at,
            "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config",
        );
    }
}

fn check_sigv4(config: &mut SigV4Config, place: &Place, reader: &mut Reader<'_>) {
    if config.access_key.is_empty() != config.secret_key.is_empty() {
        reader.deny(
            place.at,
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
        );
    } else if !config.external_id.is_empty() && config.role_arn.is_empty() {
        reader.deny(
            place.of("external_id"),
            "external_id can only be used with role_arn",
        );
    }
}

impl Inherit for SnsConfig {
    fn inherit(&mut self, global: &Global, place: &Place, _reader: &mut Reader<'_>) {
        inherit_http(&mut self.http, global, place);
    }

    /// FIFO topics drop repeats for five minutes.
    fn is_idempotent(&self) -> bool {
        self.topic_arn.ends_with(".fifo")
    }
}
