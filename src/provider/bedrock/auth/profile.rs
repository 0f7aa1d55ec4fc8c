//! Profiles of `~/.aws/credentials` and `~/.aws/config`.

use super::plan::Role;
use super::sigv4::Keys;
use crate::vocabulary::Secret;

/// The most profiles that may refer to each other.
const LINKS_MAX: usize = 8;

/// What a profile comes to.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) base: Base,
    /// To be assumed, the last one first.
    pub(super) roles: Vec<Role>,
}

/// What its roles are assumed with.
#[derive(Debug)]
pub(super) enum Base {
    Keys(Keys),
    /// A role by a token in a file.
    WebIdentity {
        file: String,
        role: Role,
    },
    /// `credential_source`: `Environment`, `EcsContainer`, `Ec2InstanceMetadata`.
    Elsewhere(String),
}

/// Looks a profile up in both files; None: there is no such profile.
///
/// # Errors
/// It has no keys, or keys of a kind that is not known here: which.
pub(super) fn resolve(name: &str, credentials: &str, config: &str) -> Result<Option<Resolved>, String> {
    let files = Files { credentials, config };
    let mut roles = Vec::new();
    let mut name = name.to_owned();
    for link in 0..LINKS_MAX {
        if !files.has(&name) {
            return if link == 0 { Ok(None) } else { Err(format!("no profile {name:?}, which is a source_profile")) };
        }
        let key = |key: &str| files.value(&name, key);
        if let Some(arn) = key("role_arn") {
            let session = key("role_session_name").unwrap_or("tollgate").to_owned();
            let external_id = key("external_id").map(str::to_owned);
            let role = Role { arn: arn.to_owned(), session, external_id };
            if let Some(file) = key("web_identity_token_file") {
                return Ok(Some(Resolved { base: Base::WebIdentity { file: file.to_owned(), role }, roles }));
            }
            roles.push(role);
            if let Some(source) = key("credential_source") {
                return Ok(Some(Resolved { base: Base::Elsewhere(source.to_owned()), roles }));
            }
            let source = key("source_profile")
                .ok_or_else(|| format!("profile {name:?} has a role_arn without a source_profile"))?;
            // A profile that is its own source has keys beside its role.
            if source != name {
                name = source.to_owned();
                continue;
            }
        }
        return keys(&name, &key).map(|keys| Some(Resolved { base: Base::Keys(keys), roles }));
    }
    Err(format!("more than {LINKS_MAX} profiles that refer to each other"))
}

fn keys<'f>(name: &str, key: &dyn Fn(&str) -> Option<&'f str>) -> Result<Keys, String> {
    let (Some(id), Some(secret)) = (key("aws_access_key_id"), key("aws_secret_access_key")) else {
        let unknown = ["credential_process", "sso_session", "sso_start_url", "login_session"];
        return Err(match unknown.iter().find(|kind| key(kind).is_some()) {
            Some(kind) => format!("profile {name:?} has {kind}, which is not supported; give keys or a role"),
            None => format!("profile {name:?} has no keys"),
        });
    };
    let token = key("aws_session_token").map(Secret::new);
    Ok(Keys { id: id.to_owned(), secret: Secret::new(secret), token, ends_ms: None })
}

/// Both files; the first wins.
struct Files<'f> {
    credentials: &'f str,
    config: &'f str,
}

impl<'f> Files<'f> {
    fn has(&self, profile: &str) -> bool {
        let headings = |file: &'f str| file.lines().filter_map(heading);
        headings(self.credentials).any(|name| name == profile)
            || headings(self.config).any(|name| in_config(name) == Some(profile))
    }

    fn value(&self, profile: &str, key: &str) -> Option<&'f str> {
        let in_credentials = value(self.credentials, |name| name == profile, key);
        in_credentials.or_else(|| value(self.config, |name| in_config(name) == Some(profile), key))
    }
}

/// `[name]`.
fn heading(line: &str) -> Option<&str> {
    let line = line.trim();
    Some(line.strip_prefix('[')?.split(']').next()?.trim())
}

/// In the config file all profiles but the default are called `profile NAME`.
fn in_config(heading: &str) -> Option<&str> {
    match heading.strip_prefix("profile") {
        Some(name) if name.starts_with([' ', '\t']) => Some(name.trim()),
        _ => Some("default").filter(|default| *default == heading),
    }
}

/// A key below one of these headings; the last one wins. Lines further in belong to a key's own parts.
fn value<'f>(file: &'f str, is_profile: impl Fn(&str) -> bool, key: &str) -> Option<&'f str> {
    let (mut inside, mut found) = (false, None);
    for line in file.lines() {
        if let Some(name) = heading(line) {
            inside = is_profile(name);
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| inside && !line.starts_with(['#', ';', ' ', '\t']))
        else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case(key) && !value.trim().is_empty() {
            let value = value.split_once(" #").map_or(value, |(value, _)| value);
            found = Some(value.trim());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = AKID\naws_secret_access_key=SECRET\n# note\n\n[temp]\n\
        AWS_ACCESS_KEY_ID=TEMP\naws_secret_access_key=T\naws_session_token = TOKEN # until noon\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\ns3 =\n  aws_access_key_id = no\n[profile a]\nrole_arn=arn:a\nsource_profile=b\n\
        external_id = x\n[profile b]\nrole_arn=arn:b\nrole_session_name=me\nsource_profile=default\n\
        [profile loop]\nrole_arn=arn:l\nsource_profile=loop2\n[profile loop2]\nrole_arn=arn:l\nsource_profile=loop\n\
        [profile web]\nrole_arn=arn:w\nweb_identity_token_file=/t\n[profile here]\nrole_arn=arn:h\ncredential_source=Environment\n\
        [profile sso]\nsso_session=s\n[profilex]\naws_access_key_id=1\n";

    fn resolve(name: &str) -> Result<Option<Resolved>, String> {
        super::resolve(name, CREDENTIALS, CONFIG)
    }

    #[test]
    fn a_profile_has_keys() {
        let Some(Resolved { base: Base::Keys(keys), roles }) = resolve("default").unwrap() else { panic!("no keys") };
        assert_eq!(
            (keys.id.as_str(), keys.secret.expose(), keys.token.is_none(), roles.len()),
            ("AKID", "SECRET", true, 0)
        );
        let Some(Resolved { base: Base::Keys(keys), .. }) = resolve("temp").unwrap() else { panic!("no keys") };
        assert_eq!((keys.id.as_str(), keys.token.unwrap().expose()), ("TEMP", "TOKEN"));
    }

    #[test]
    fn or_roles_over_another() {
        let Some(Resolved { base: Base::Keys(keys), roles }) = resolve("a").unwrap() else { panic!("no keys") };
        assert_eq!(keys.id, "AKID");
        let role = |arn: &str, session: &str, id: Option<&str>| Role {
            arn: arn.to_owned(),
            session: session.to_owned(),
            external_id: id.map(str::to_owned),
        };
        assert_eq!(roles, [role("arn:a", "tollgate", Some("x")), role("arn:b", "me", None)]);
        assert!(matches!(resolve("web").unwrap().unwrap().base, Base::WebIdentity { .. }));
        assert!(matches!(resolve("here").unwrap().unwrap().base, Base::Elsewhere(source) if source == "Environment"));
    }

    #[test]
    fn or_it_is_none() {
        assert!(resolve("nobody").unwrap().is_none() && resolve("x").unwrap().is_none());
        assert!(resolve("loop").unwrap_err().contains("refer to each other"));
        assert!(resolve("sso").unwrap_err().contains("sso_session"));
    }
}
