//! The shared files of AWS: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;

/// The settings of a profile, their names in lower case.
pub(super) type Profile = BTreeMap<String, String>;

/// Reads both files; what `credentials` says of a profile wins.
pub(super) fn profiles(config: &str, credentials: &str) -> BTreeMap<String, Profile> {
    let mut profiles = BTreeMap::new();
    read(config, true, &mut profiles);
    read(credentials, false, &mut profiles);
    profiles
}

fn read(text: &str, is_config: bool, profiles: &mut BTreeMap<String, Profile>) {
    let mut section: Option<String> = None;
    for line in text.lines() {
        // Indented lines belong to a setting of their own kind, such as `s3 =`.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let line = without_comment(line).trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            section = profile_of(name.trim(), is_config);
            if let Some(section) = &section {
                profiles.entry(section.clone()).or_default();
            }
        } else if let (Some(section), Some((key, value))) = (&section, line.split_once('=')) {
            let profile = profiles.entry(section.clone()).or_default();
            profile.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
}

/// `[profile x]` and `[default]` of `config`, `[x]` of `credentials`; other sections are none.
fn profile_of(name: &str, is_config: bool) -> Option<String> {
    let prefixed = name
        .strip_prefix("profile")
        .filter(|rest| rest.starts_with([' ', '\t']));
    let name = match (is_config, prefixed) {
        (true, Some(rest)) => rest,
        (true, None) if name != "default" => return None,
        (_, _) => name,
    };
    Some(name.trim().trim_matches(['"', '\'']).to_owned())
}

fn without_comment(line: &str) -> &str {
    let comments = [" #", " ;", "\t#", "\t;"];
    let end = comments.iter().filter_map(|mark| line.find(mark)).min();
    &line[..end.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_files() {
        let config = "# c\n[default]\nregion = eu-west-1 ; here\ns3 =\n  region = x\n\n[profile \"team a\"]\nRole_Arn=arn:a=b\nsource_profile = base\n\
                      [sso-session y]\nregion = z\n[profileless]\nregion=q\n";
        let credentials = "\u{feff}\n[default]\naws_access_key_id = A#1\naws_secret_access_key=b/+=\n[base]\nregion = n\n]\n[\nx";
        let found = profiles(config, credentials);
        expect_test::expect![[r#"
            {
                "": {},
                "base": {
                    "region": "n",
                },
                "default": {
                    "aws_access_key_id": "A#1",
                    "aws_secret_access_key": "b/+=",
                    "region": "eu-west-1",
                    "s3": "",
                },
                "team a": {
                    "role_arn": "arn:a=b",
                    "source_profile": "base",
                },
            }
        "#]]
        .assert_debug_eq(&found);
    }
}
