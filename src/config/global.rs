//! `global`: what receivers take where they say nothing themselves.

use std::{sync::Arc, time::Duration};

use super::{
    HttpConfig, HttpUrl, Language, Secret, TlsConfig,
    http::{OAuth2, oauth2_problem},
    mention::RawMention,
    read::{
        Beside, Boxed, Codec, FilePath, HiddenUrl, Name, Place, Position, PromDuration, Reader,
        Shown, TOKEN,
    },
    section::section,
    settings::HostPort,
};

section! {
    /// `GlobalConfig` and `DefaultGlobalConfig` of upstream's config/config.go.
    pub(crate) Global in "config.plain" {
        /// When an alert without an end is over.
        resolve_timeout: Duration as Shown<PromDuration> = Duration::from_secs(5 * 60),
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as Shown<Beside<Arc<HttpConfig>>>,
        jira_api_url: HttpUrl,
        smtp_from: String,
        smtp_hello: String = "localhost",
        smtp_smarthost: HostPort,
        smtp_auth_username: String,
        smtp_auth_password: Secret,
        smtp_auth_password_file: String as FilePath,
        smtp_auth_secret: Secret,
        smtp_auth_secret_file: String as FilePath,
        smtp_auth_identity: String,
        smtp_auth_bearer_token: Secret,
        smtp_auth_bearer_token_file: String as FilePath,
        smtp_auth_oauth2: Option<Box<OAuth2>> as Option<Boxed<OAuth2>>,
        smtp_require_tls: bool as Shown<bool> = true,
        smtp_tls ["smtp_tls_config"]: Option<Arc<TlsConfig>> = Some(Arc::default()),
        smtp_force_implicit_tls: Option<bool>,
        slack_api_url: Secret as HiddenUrl,
        slack_api_url_file: String as FilePath,
        slack_app_token: Secret,
        slack_app_token_file: String as FilePath,
        slack_app_url: HttpUrl = "https://slack.com/api/chat.postMessage",
        pagerduty_url: HttpUrl = "https://events.pagerduty.com/v2/enqueue",
        opsgenie_api_url: HttpUrl = "https://api.opsgenie.com/",
        opsgenie_api_key: Secret,
        opsgenie_api_key_file: String as FilePath,
        wechat_api_url: HttpUrl = "https://qyapi.weixin.qq.com/cgi-bin/",
        wechat_api_secret: Secret,
        wechat_api_secret_file: String as FilePath,
        wechat_api_corp_id: String,
        victorops_api_url: HttpUrl = "https://alert.victorops.com/integrations/generic/20131114/alert/",
        victorops_api_key: Secret,
        victorops_api_key_file: String as FilePath,
        telegram_api_url: HttpUrl = "https://api.telegram.org",
        telegram_bot_token: Secret,
        telegram_bot_token_file: String as FilePath,
        webex_api_url: HttpUrl = "https://webexapis.com/v1/messages",
        rocketchat_api_url: HttpUrl = "https://open.rocket.chat/",
        rocketchat_token: Secret,
        rocketchat_token_file: String as FilePath,
        rocketchat_token_id: Secret,
        rocketchat_token_id_file: String as FilePath,
        mattermost_webhook_url: Secret as HiddenUrl,
        mattermost_webhook_url_file: String as FilePath,
        /// Watchfire's own, as those after it.
        timezone: String as Zone,
        language: Language as OurName<Language>,
        mention_map: Vec<RawMention>,
    }
}

/// A word that upstream does not know: it is printed only if it is not the first one.
pub(crate) struct OurName<N>(N);

impl<N: super::read::Named> Codec for OurName<N> {
    type Value = N;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: super::read::Cursor<'_>, reader: &mut Reader<'_>) -> Option<N> {
        Name::<N>::read(node, reader)
    }

    fn null() -> N {
        Name::<N>::null()
    }

    fn print(value: &N) -> crate::yaml::Value {
        Name::<N>::print(value)
    }

    fn is_empty(value: &N) -> bool {
        *value == Name::<N>::null()
    }
}

/// The name of a time zone; empty for UTC.
pub(crate) struct Zone;

impl Codec for Zone {
    type Value = String;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: super::read::Cursor<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let name = reader.text(node, "string")?.into_owned();
        if find_zone(&name, reader).is_none() {
            let name = crate::labels::go_quote(&name);
            reader.deny(node.position(), format!("unknown time zone {name}"));
            return None;
        }
        Some(name)
    }

    fn null() -> String {
        String::new()
    }

    fn print(name: &String) -> crate::yaml::Value {
        String::print(name)
    }

    fn is_empty(name: &String) -> bool {
        name.is_empty()
    }
}

/// The time zone of that name.
pub(crate) fn find_zone(name: &str, reader: &Reader<'_>) -> Option<jiff::tz::TimeZone> {
    match name {
        "" | "UTC" => Some(jiff::tz::TimeZone::UTC),
        "Local" => Some(reader.env.local.clone()),
        _ => jiff::tz::TimeZoneDatabase::bundled().get(name).ok(),
    }
}

/// The checks of upstream's `Config.UnmarshalYAML` on globals, in its order.
pub(crate) fn check_global(global: &Global, place: &Place, reader: &mut Reader<'_>) {
    let slack_token = !global.slack_app_token.is_empty();
    let slack_token_file = !global.slack_app_token_file.is_empty();
    let slack_url = !global.slack_api_url.is_empty();
    let slack_url_file = !global.slack_api_url_file.is_empty();
    reader.at_most_one(
        place,
        &[
            ("slack_app_token", slack_token),
            ("slack_app_token_file", slack_token_file),
        ],
    );
    reader.at_most_one(
        place,
        &[
            ("slack_api_url", slack_url),
            ("slack_api_url_file", slack_url_file),
        ],
    );
    // What was printed hides whether they are the same.
    let same = [global.slack_app_url.as_str(), TOKEN].contains(&global.slack_api_url.reveal());
    if (slack_token || slack_token_file) && (slack_url || slack_url_file) && !same {
        let at: Position = place.of(if slack_url {
            "slack_api_url"
        } else {
            "slack_api_url_file"
        });
        reader.deny(
            at,
            "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured",
        );
    }
    let pairs: [(&str, &Secret, &str); 10] = [
        (
            "opsgenie_api_key",
            &global.opsgenie_api_key,
            &global.opsgenie_api_key_file,
        ),
        (
            "victorops_api_key",
            &global.victorops_api_key,
            &global.victorops_api_key_file,
        ),
        (
            "telegram_bot_token",
            &global.telegram_bot_token,
            &global.telegram_bot_token_file,
        ),
        (
            "smtp_auth_password",
            &global.smtp_auth_password,
            &global.smtp_auth_password_file,
        ),
        (
            "rocketchat_token",
            &global.rocketchat_token,
            &global.rocketchat_token_file,
        ),
        (
            "rocketchat_token_id",
            &global.rocketchat_token_id,
            &global.rocketchat_token_id_file,
        ),
        (
            "smtp_auth_secret",
            &global.smtp_auth_secret,
            &global.smtp_auth_secret_file,
        ),
        (
            "smtp_auth_bearer_token",
            &global.smtp_auth_bearer_token,
            &global.smtp_auth_bearer_token_file,
        ),
        (
            "wechat_api_secret",
            &global.wechat_api_secret,
            &global.wechat_api_secret_file,
        ),
        (
            "mattermost_webhook_url",
            &global.mattermost_webhook_url,
            &global.mattermost_webhook_url_file,
        ),
    ];
    for (key, secret, file) in pairs {
        let file_key = format!("{key}_file");
        reader.at_most_one(
            place,
            &[(key, !secret.is_empty()), (&file_key, !file.is_empty())],
        );
    }
    if let Some(problem) = global.smtp_auth_oauth2.as_deref().and_then(oauth2_problem) {
        reader.deny(place.of("smtp_auth_oauth2"), problem);
    }
}
