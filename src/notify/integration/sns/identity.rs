//! As whom requests are signed: AWS's chain of settings, environment and shared files, in the order of its library for Go.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{
    profile::{Profile, profiles},
    sigv4::{Keys, hex},
};
use crate::{
    config::{Secret, SigV4Config},
    notify::{Verdict, integration::FileContents},
};

/// A profile may lead to another one that often.
const MAX_PROFILES: usize = 8;

/// The variables that are read.
const VARIABLES: [&str; 19] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_STS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
];

const USE_FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const CREDENTIALS: [&str; 2] = ["AWS_SHARED_CREDENTIALS_FILE", "HOME/.aws/credentials"];
const CONFIG: [&str; 2] = ["AWS_CONFIG_FILE", "HOME/.aws/config"];
const WEB_IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// What must be read of the environment and the shared files.
pub(in crate::notify::integration) fn files(config: &SigV4Config) -> Vec<String> {
    let variables = VARIABLES.iter().chain([&USE_FIPS]);
    let mut names: Vec<_> = variables.map(|name| format!("env:{name}")).collect();
    let complete = !config.region.is_empty() && !config.access_key.is_empty();
    if !complete {
        let files = [CREDENTIALS, CONFIG, [WEB_IDENTITY, CONTAINER_TOKEN]];
        names.extend(
            files
                .iter()
                .flatten()
                .map(|name| format!("env-file:{name}")),
        );
    }
    names
}

/// As whom and where.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) region: String,
    pub(super) base: Base,
    /// Assumed one after the other.
    pub(super) roles: Vec<Role>,
    /// The endpoints of SNS and STS.
    pub(super) sns: String,
    pub(super) sts: String,
}

/// Where the first keys come from.
#[derive(Debug)]
pub(super) enum Base {
    Keys(Keys),
    WebIdentity {
        token: Secret,
        role: Role,
    },
    Container {
        url: String,
        authorization: Secret,
    },
    /// The metadata service of EC2.
    Instance {
        url: String,
    },
}

/// A role to assume.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) external_id: String,
    pub(super) session: String,
}

impl Identity {
    /// Names the identity without its secrets, for what is lent to it.
    pub(super) fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        };
        text(&self.region);
        text(&self.sts);
        match &self.base {
            Base::Keys(keys) => text(keys.to_secret().reveal()),
            Base::WebIdentity { role, .. } => text(&role.arn),
            Base::Container { url, .. } | Base::Instance { url } => text(url),
        }
        for role in &self.roles {
            text(&role.arn);
            text(&role.external_id);
            text(&role.session);
        }
        hex(&hash.finalize())
    }
}

/// Finds out as whom.
///
/// # Errors
/// If there is no region, or nothing that could be signed with.
pub(super) fn resolve(config: &SigV4Config, files: &FileContents) -> Result<Identity, Verdict> {
    let around = Surroundings::new(files);
    let named = match &*config.profile {
        "" => around.any(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]),
        own => own,
    };
    let profile = around.profiles.get(match named {
        "" => "default",
        named => named,
    });
    let mut region = config.region.clone();
    if region.is_empty() {
        around
            .any(&["AWS_REGION", "AWS_DEFAULT_REGION"])
            .clone_into(&mut region);
    }
    if region.is_empty()
        && let Some(told) = profile.and_then(|profile| profile.get("region"))
    {
        region.clone_from(told);
    }
    if region.is_empty() {
        return Err(Verdict::unsendable(
            "region not configured in sns.sigv4.region or in default credentials chain",
        ));
    }
    if !region
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(Verdict::unsendable(format!(
            "{region:?} is no region of AWS"
        )));
    }
    let (base, mut roles) = around.base(config, named)?;
    if !config.role_arn.is_empty() {
        roles.push(around.role(&config.role_arn, &config.external_id, ""));
    }
    let fips = around.any(&[USE_FIPS]) == "true";
    let sts_fips = fips || config.use_fips_sts_endpoint;
    Ok(Identity {
        sns: around.endpoint("AWS_ENDPOINT_URL_SNS", "sns", &region, fips),
        sts: around.endpoint("AWS_ENDPOINT_URL_STS", "sts", &region, sts_fips),
        region,
        base,
        roles,
    })
}

/// The environment and the shared files.
struct Surroundings<'a> {
    files: &'a FileContents,
    profiles: BTreeMap<String, Profile>,
}

impl<'a> Surroundings<'a> {
    fn new(files: &'a FileContents) -> Self {
        let first = |names: [&str; 2]| {
            let mut found = names
                .iter()
                .filter_map(|name| read(files, "env-file:", name));
            found.next().unwrap_or_default()
        };
        Self {
            files,
            profiles: profiles(first(CONFIG), first(CREDENTIALS)),
        }
    }

    /// The first of these variables that is set; empty if none is.
    fn any(&self, names: &[&str]) -> &'a str {
        let mut found = names
            .iter()
            .filter_map(|name| read(self.files, "env:", name));
        found.next().unwrap_or_default()
    }

    fn role(&self, arn: &str, external_id: &str, session: &str) -> Role {
        let session = match session {
            "" => self.any(&["AWS_ROLE_SESSION_NAME"]),
            own => own,
        };
        Role {
            arn: arn.to_owned(),
            external_id: external_id.to_owned(),
            session: match session {
                "" => "watchfire".to_owned(),
                named => named.to_owned(),
            },
        }
    }

    fn endpoint(&self, variable: &str, service: &str, region: &str, fips: bool) -> String {
        let told = self.any(&[variable, "AWS_ENDPOINT_URL"]);
        if !told.is_empty() {
            return told.to_owned();
        }
        let domain = match region.split('-').take(2).collect::<Vec<_>>()[..] {
            ["cn", _] => "amazonaws.com.cn",
            ["us", "iso"] => "c2s.ic.gov",
            ["us", "isob"] => "sc2s.sgov.gov",
            ["us", "isof"] => "csp.hci.ic.gov",
            ["eu", "isoe"] => "cloud.adc-e.uk",
            ["eusc", _] => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        // In GovCloud every endpoint is one.
        let fips = fips && !region.starts_with("us-gov-");
        let service = if fips {
            format!("{service}-fips")
        } else {
            service.to_owned()
        };
        format!("https://{service}.{region}.{domain}/")
    }

    fn base(&self, config: &SigV4Config, named: &str) -> Result<(Base, Vec<Role>), Verdict> {
        if !config.access_key.is_empty() {
            let keys = Keys {
                access_key: config.access_key.clone(),
                secret_key: config.secret_key.clone(),
                session_token: Secret::default(),
            };
            return Ok((Base::Keys(keys), Vec::new()));
        }
        if !named.is_empty() {
            return self.of_profile(named, true, 0);
        }
        if let Some(keys) = self.environment() {
            return Ok((Base::Keys(keys), Vec::new()));
        }
        let role = self.any(&["AWS_ROLE_ARN"]);
        if let Some(token) = read(self.files, "env-file:", WEB_IDENTITY)
            && !role.is_empty()
        {
            let base = Base::WebIdentity {
                token: Secret::new(token),
                role: self.role(role, "", ""),
            };
            return Ok((base, Vec::new()));
        }
        self.of_profile("default", false, 0)
    }

    fn environment(&self) -> Option<Keys> {
        let access_key = self.any(&["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"]);
        let secret_key = self.any(&["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"]);
        (!access_key.is_empty() && !secret_key.is_empty()).then(|| Keys {
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret_key),
            session_token: Secret::new(self.any(&["AWS_SESSION_TOKEN"])),
        })
    }

    fn of_profile(
        &self,
        name: &str,
        wanted: bool,
        depth: usize,
    ) -> Result<(Base, Vec<Role>), Verdict> {
        if depth >= MAX_PROFILES {
            return Err(Verdict::unsendable(format!(
                "the profiles of AWS's shared files lead to each other: {name:?} is one of them"
            )));
        }
        let empty = Profile::new();
        let profile = match self.profiles.get(name) {
            Some(profile) => profile,
            None if wanted => {
                return Err(Verdict::unsendable(format!(
                    "the profile {name:?} is in neither of AWS's shared files, or they cannot be read"
                )));
            }
            None => &empty,
        };
        let text = |key: &str| profile.get(key).map_or("", String::as_str);
        let role = text("role_arn");
        if role.is_empty() {
            return self.keys_of(name, profile).map(|base| (base, Vec::new()));
        }
        let source = text("source_profile");
        let (base, mut roles) = match (source, text("credential_source")) {
            ("", "Environment") => match self.environment() {
                Some(keys) => (Base::Keys(keys), Vec::new()),
                None => return Err(no_keys("the profile wants those of the environment")),
            },
            ("", "Ec2InstanceMetadata") => (self.instance()?, Vec::new()),
            ("", "EcsContainer") => match self.container()? {
                Some(base) => (base, Vec::new()),
                None => return Err(no_keys("the profile wants those of the container")),
            },
            ("", _) => return Err(unsupported(name)),
            (source, _) if source == name => (self.keys_of(name, profile)?, Vec::new()),
            (source, _) => self.of_profile(source, true, depth + 1)?,
        };
        roles.push(self.role(role, text("external_id"), text("role_session_name")));
        Ok((base, roles))
    }

    /// The keys of a profile itself, or those of the machine.
    fn keys_of(&self, name: &str, profile: &Profile) -> Result<Base, Verdict> {
        let text = |key: &str| profile.get(key).map_or("", String::as_str);
        let (access_key, secret_key) = (text("aws_access_key_id"), text("aws_secret_access_key"));
        if !access_key.is_empty() && !secret_key.is_empty() {
            return Ok(Base::Keys(Keys {
                access_key: access_key.to_owned(),
                secret_key: Secret::new(secret_key),
                session_token: Secret::new(text("aws_session_token")),
            }));
        }
        let other = [
            "credential_process",
            "sso_session",
            "sso_start_url",
            "web_identity_token_file",
        ];
        if other.iter().any(|key| profile.contains_key(*key)) {
            return Err(unsupported(name));
        }
        match self.container()? {
            Some(base) => Ok(base),
            None => self.instance(),
        }
    }

    fn container(&self) -> Result<Option<Base>, Verdict> {
        let relative = self.any(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]);
        let full = self.any(&["AWS_CONTAINER_CREDENTIALS_FULL_URI"]);
        let url = match (relative, full) {
            ("", "") => return Ok(None),
            ("", full) => full.to_owned(),
            (relative, _) => format!("http://169.254.170.2{relative}"),
        };
        if !is_near(&url) {
            return Err(no_keys(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https or a host of the container itself",
            ));
        }
        let from_file = read(self.files, "env-file:", CONTAINER_TOKEN);
        let token = from_file.unwrap_or_else(|| self.any(&["AWS_CONTAINER_AUTHORIZATION_TOKEN"]));
        Ok(Some(Base::Container {
            url,
            authorization: Secret::new(token),
        }))
    }

    fn instance(&self) -> Result<Base, Verdict> {
        if self
            .any(&["AWS_EC2_METADATA_DISABLED"])
            .eq_ignore_ascii_case("true")
        {
            return Err(no_keys(
                "neither settings, environment nor shared files have any",
            ));
        }
        let told = self.any(&["AWS_EC2_METADATA_SERVICE_ENDPOINT"]);
        let url = match told {
            "" => "http://169.254.169.254",
            told => told.trim_end_matches('/'),
        };
        Ok(Base::Instance {
            url: url.to_owned(),
        })
    }
}

/// What is read and not empty, trimmed.
fn read<'a>(files: &'a FileContents, prefix: &str, name: &str) -> Option<&'a str> {
    let content = files.get(&format!("{prefix}{name}"))?.as_ref().ok()?.trim();
    (!content.is_empty()).then_some(content)
}

/// Tokens of containers go to nobody else in clear text.
fn is_near(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else {
        return false;
    };
    match url.host() {
        _ if url.scheme() == "https" => true,
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => {
            ip.is_loopback() || matches!(ip.octets(), [169, 254, 170, 2 | 23])
        }
        Some(url::Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]
        }
        None => false,
    }
}

fn no_keys(why: &str) -> Verdict {
    Verdict::unsendable(format!("no AWS credentials: {why}"))
}

fn unsupported(name: &str) -> Verdict {
    no_keys(&format!(
        "the profile {name:?} wants single sign-on, a process or a web identity, which are not supported; use keys, \
         source_profile or AWS_WEB_IDENTITY_TOKEN_FILE"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG_FILE: &str = "[default]\nregion = eu-west-1\n[profile a]\nrole_arn = arn:a\nsource_profile = b\n\
        external_id = e\nrole_session_name = s\n[profile b]\nrole_arn = arn:b\nsource_profile = b\nregion = eu-west-2\n\
        [profile loop]\nrole_arn = x\nsource_profile = loop2\n[profile loop2]\nrole_arn = x\nsource_profile = loop\n\
        [profile env]\nrole_arn = arn:env\ncredential_source = Environment\n[profile sso]\nsso_session = x\n\
        [profile none]\n[profile bad]\nregion = a.example.org/\n";
    const CREDENTIALS_FILE: &str = "[default]\naws_access_key_id = AKD\naws_secret_access_key = SKD\n\
        [b]\naws_access_key_id = AKB\naws_secret_access_key = SKB\naws_session_token = TB\n";

    fn surroundings(more: &[(&str, &str)]) -> FileContents {
        let pairs = [
            ("env-file:HOME/.aws/config", CONFIG_FILE),
            ("env-file:HOME/.aws/credentials", CREDENTIALS_FILE),
        ];
        let pairs = pairs.iter().chain(more);
        let mut files: FileContents = pairs
            .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned())))
            .collect();
        files.insert("env:AWS_PROFILES".to_owned(), Err("not set".to_owned()));
        files
    }

    fn told(config: &SigV4Config, more: &[(&str, &str)]) -> String {
        match resolve(config, &surroundings(more)) {
            Err(Verdict::Permanent { error, .. }) => error,
            Err(other) => panic!("{other:?}"),
            Ok(identity) => {
                let base = match &identity.base {
                    Base::Keys(keys) => {
                        format!("{}+{}", keys.access_key, keys.session_token.reveal())
                    }
                    Base::WebIdentity { token, role } => {
                        format!("web {} {}", token.reveal(), role.arn)
                    }
                    Base::Container { url, authorization } => {
                        format!("container {url} {}", authorization.reveal())
                    }
                    Base::Instance { url } => format!("instance {url}"),
                };
                let roles: String = identity
                    .roles
                    .iter()
                    .map(|role| format!(" -> {},{},{}", role.arn, role.external_id, role.session))
                    .collect();
                assert!(!format!("{identity:?}").contains("SK"));
                format!("{} {base}{roles}", identity.region)
            }
        }
    }

    fn profile(name: &str) -> SigV4Config {
        SigV4Config {
            profile: name.to_owned(),
            ..SigV4Config::default()
        }
    }

    #[test]
    fn finds_keys_in_the_order_of_amazons_library() {
        let default = SigV4Config::default();
        let own = SigV4Config {
            access_key: "AK".to_owned(),
            secret_key: Secret::new("SK"),
            region: "r-1".to_owned(),
            role_arn: "arn:r".to_owned(),
            external_id: "x".to_owned(),
            ..SigV4Config::default()
        };
        let env = [
            ("env:AWS_ACCESS_KEY_ID", "AKE"),
            ("env:AWS_SECRET_ACCESS_KEY", "SKE"),
            ("env:AWS_SESSION_TOKEN", "TE\n"),
            ("env:AWS_REGION", "us-east-1"),
        ];
        let with = |more: &[(&'static str, &'static str)]| [&env[..], more].concat();
        for (config, more, expect) in [
            (&own, vec![], "r-1 AK+ -> arn:r,x,watchfire"),
            (&default, vec![], "eu-west-1 AKD+"),
            (&default, env.to_vec(), "us-east-1 AKE+TE"),
            (
                &profile("a"),
                vec![("env:AWS_DEFAULT_REGION", "d-1")],
                "d-1 AKB+TB -> arn:b,,watchfire -> arn:a,e,s",
            ),
            (
                &profile("b"),
                vec![],
                "eu-west-2 AKB+TB -> arn:b,,watchfire",
            ),
            (
                &default,
                with(&[("env:AWS_PROFILE", "b"), ("env:AWS_ROLE_SESSION_NAME", "n")]),
                "us-east-1 AKB+TB -> arn:b,,n",
            ),
            (
                &profile("env"),
                env.to_vec(),
                "us-east-1 AKE+TE -> arn:env,,watchfire",
            ),
            (
                &default,
                vec![
                    ("env-file:AWS_WEB_IDENTITY_TOKEN_FILE", "JWT\n"),
                    ("env:AWS_ROLE_ARN", "arn:w"),
                ],
                "eu-west-1 web JWT arn:w",
            ),
            (
                &profile("none"),
                with(&[
                    ("env:AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"),
                    ("env:AWS_CONTAINER_AUTHORIZATION_TOKEN", "A"),
                ]),
                "us-east-1 container http://169.254.170.2/v2/x A",
            ),
            (
                &profile("none"),
                with(&[
                    (
                        "env:AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        "http://169.254.170.23/v1",
                    ),
                    ("env-file:AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "F"),
                ]),
                "us-east-1 container http://169.254.170.23/v1 F",
            ),
            (
                &profile("none"),
                env.to_vec(),
                "us-east-1 instance http://169.254.169.254",
            ),
        ] {
            assert_eq!(told(config, &more), expect);
        }
    }

    #[test]
    fn says_what_is_missing() {
        let region = ("env:AWS_REGION", "us-east-1");
        for (name, more, expect) in [
            (
                "none",
                vec![],
                "region not configured in sns.sigv4.region or in default credentials chain",
            ),
            ("bad", vec![], "is no region of AWS"),
            (
                "nowhere",
                vec![region],
                "the profile \"nowhere\" is in neither",
            ),
            ("loop", vec![region], "lead to each other"),
            ("sso", vec![region], "which are not supported"),
            (
                "env",
                vec![region],
                "the profile wants those of the environment",
            ),
            (
                "none",
                vec![region, ("env:AWS_EC2_METADATA_DISABLED", "true")],
                "neither settings, environment nor shared files",
            ),
            (
                "none",
                vec![
                    region,
                    (
                        "env:AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        "http://evil.example.org/",
                    ),
                ],
                "must be https",
            ),
        ] {
            let told = told(&profile(name), &more);
            assert!(told.contains(expect), "{told}");
        }
    }

    #[test]
    fn endpoints_follow_the_region_and_the_environment() {
        let at = |region: &str, fips_sts: bool, more: &[(&str, &str)]| {
            let config = SigV4Config {
                region: region.to_owned(),
                use_fips_sts_endpoint: fips_sts,
                ..SigV4Config::default()
            };
            let identity = resolve(&config, &surroundings(more)).unwrap();
            (identity.sns, identity.sts)
        };
        let pair = |sns: &str, sts: &str| (sns.to_owned(), sts.to_owned());
        assert_eq!(
            at("us-east-2", true, &[]),
            pair(
                "https://sns.us-east-2.amazonaws.com/",
                "https://sts-fips.us-east-2.amazonaws.com/"
            )
        );
        assert_eq!(
            at("cn-north-1", false, &[]),
            pair(
                "https://sns.cn-north-1.amazonaws.com.cn/",
                "https://sts.cn-north-1.amazonaws.com.cn/"
            )
        );
        assert_eq!(
            at(
                "us-gov-west-1",
                true,
                &[("env:AWS_USE_FIPS_ENDPOINT", "true")]
            ),
            pair(
                "https://sns.us-gov-west-1.amazonaws.com/",
                "https://sts.us-gov-west-1.amazonaws.com/"
            )
        );
        assert_eq!(
            at(
                "us-east-1",
                false,
                &[
                    ("env:AWS_ENDPOINT_URL", "http://e/"),
                    ("env:AWS_ENDPOINT_URL_STS", "http://s/")
                ]
            ),
            pair("http://e/", "http://s/")
        );
    }

    #[test]
    fn whole_settings_need_no_files() {
        let mut config = SigV4Config::default();
        assert!(files(&config).contains(&"env-file:HOME/.aws/config".to_owned()));
        config.region = "r".to_owned();
        config.access_key = "a".to_owned();
        assert!(
            files(&config)
                .iter()
                .all(|name| name.starts_with("env:AWS_"))
        );
    }
}
