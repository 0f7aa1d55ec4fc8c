//! Where credentials may come from, in AWS's order.

use std::path::PathBuf;

use super::sigv4::Keys;
use crate::provider::BadTarget;
use crate::vocabulary::Secret;

const SESSION: &str = "tollgate";
const CONTAINER: &str = "http://169.254.170.2";
const INSTANCE: &str = "http://169.254.169.254";
/// Hosts that a container's credentials may come from in clear.
const LOCAL: [&str; 6] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1", "localhost", "[::1]"];

/// What a deployment says, and its surroundings.
pub(super) struct Setting<'a> {
    pub(super) region: &'a str,
    /// A key of the configuration.
    pub(super) given: &'a dyn Fn(&str) -> Option<Secret>,
    /// A variable of the environment.
    pub(super) variable: &'a dyn Fn(&str) -> Option<Secret>,
}

/// All that may be tried.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) region: String,
    /// Where roles are assumed.
    pub(super) sts: String,
    /// One after the other, until one has keys.
    pub(super) sources: Vec<Source>,
    /// The role to assume with them.
    pub(super) role: Option<Role>,
    /// The files of profiles.
    pub(super) credentials_file: PathBuf,
    pub(super) config_file: PathBuf,
    /// What a profile's `credential_source` may mean.
    pub(super) environment: Option<Keys>,
    pub(super) container: Option<Source>,
    pub(super) instance: Source,
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Keys(Keys),
    Profile(String),
    WebIdentity { token: Token, role: Role },
    Container { url: String, token: Option<Token> },
    Instance { endpoint: String },
}

/// A token that is at hand, or in a file that is renewed on disk.
#[derive(Clone, Debug)]
pub(super) enum Token {
    Here(Secret),
    File(PathBuf),
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: String,
    pub(super) external_id: Option<String>,
}

impl Plan {
    /// # Errors
    /// Half of a pair is missing, or a token is named in a way that is not known.
    pub(super) fn new(setting: &Setting<'_>) -> Result<Self, BadTarget> {
        let text = |name: &str| (setting.given)(name).map(|value| value.expose().to_owned());
        let variable = |name: &str| (setting.variable)(name).map(|value| value.expose().to_owned());
        let home = PathBuf::from(variable("HOME").or_else(|| variable("USERPROFILE")).unwrap_or_default());
        let file =
            |name: &str, usual: &str| variable(name).map_or_else(|| home.join(".aws").join(usual), PathBuf::from);
        let mut plan = Self {
            region: setting.region.to_owned(),
            sts: text("aws_sts_endpoint").unwrap_or_else(|| super::place::endpoint("sts", setting.region)),
            sources: Vec::new(),
            role: role(&text),
            credentials_file: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config_file: file("AWS_CONFIG_FILE", "config"),
            environment: environment(setting),
            container: container(&variable),
            instance: Source::Instance {
                endpoint: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
                    .map_or_else(|| INSTANCE.to_owned(), |endpoint| endpoint.trim_end_matches('/').to_owned()),
            },
        };
        match plan.configured(setting, &text)? {
            Some(source) => plan.sources.push(source),
            None => plan.surroundings(&variable),
        }
        Ok(plan)
    }

    /// What the configuration names leaves no choice.
    fn configured(
        &mut self,
        setting: &Setting<'_>,
        text: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Source>, BadTarget> {
        let missing = |what| BadTarget { what, expected: "a value, as its counterpart has one", found: String::new() };
        match (text("aws_access_key_id"), (setting.given)("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                let token = (setting.given)("aws_session_token");
                return Ok(Some(Source::Keys(Keys { id, secret, token, ends_ms: None })));
            }
            (Some(_), None) => return Err(missing("aws_secret_access_key")),
            (None, Some(_)) => return Err(missing("aws_access_key_id")),
            (None, None) => {}
        }
        if let Some(token) = (setting.given)("aws_web_identity_token") {
            let arn = (setting.variable)("AWS_ROLE_ARN").map(|arn| arn.expose().to_owned());
            let role = self.role.take().or_else(|| arn.map(named)).ok_or_else(|| missing("aws_role_name"))?;
            return Ok(Some(Source::WebIdentity { token: web_identity(token, setting)?, role }));
        }
        Ok(text("aws_profile_name").map(Source::Profile))
    }

    /// What lies about, in AWS's order.
    fn surroundings(&mut self, variable: &dyn Fn(&str) -> Option<String>) {
        self.sources.extend(self.environment.clone().map(Source::Keys));
        if let (Some(file), Some(arn)) = (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN")) {
            let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION.to_owned());
            let role = Role { arn, session, external_id: None };
            // The configuration's role is often the same as the environment's; it is not assumed twice.
            self.role.take_if(|configured| configured.arn == role.arn);
            self.sources.push(Source::WebIdentity { token: Token::File(file.into()), role });
        }
        self.sources.push(Source::Profile(variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())));
        self.sources.extend(self.container.clone());
        if !variable("AWS_EC2_METADATA_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            self.sources.push(self.instance.clone());
        }
    }
}

fn role(text: &dyn Fn(&str) -> Option<String>) -> Option<Role> {
    let session = text("aws_session_name").unwrap_or_else(|| SESSION.to_owned());
    Some(Role { arn: text("aws_role_name")?, session, external_id: text("aws_external_id") })
}

/// A role with the usual name of its session.
fn named(arn: String) -> Role {
    Role { arn, session: SESSION.to_owned(), external_id: None }
}

fn environment(setting: &Setting<'_>) -> Option<Keys> {
    let id = (setting.variable)("AWS_ACCESS_KEY_ID")?.expose().to_owned();
    let secret = (setting.variable)("AWS_SECRET_ACCESS_KEY")?;
    Some(Keys { id, secret, token: (setting.variable)("AWS_SESSION_TOKEN"), ends_ms: None })
}

/// A token itself, a file's path, or LiteLLM's `oidc/file/PATH`, `oidc/env/NAME`, `oidc/env_path/NAME`.
fn web_identity(token: Secret, setting: &Setting<'_>) -> Result<Token, BadTarget> {
    let bad = || BadTarget {
        what: "aws_web_identity_token",
        expected: "a token, the path of a file, oidc/file/PATH, oidc/env/NAME or oidc/env_path/NAME",
        found: token.expose().chars().take_while(|char| *char != '/').take(8).collect(),
    };
    let text = token.expose();
    if text.starts_with('/') {
        return Ok(Token::File(text.into()));
    }
    let Some(reference) = text.strip_prefix("oidc/") else { return Ok(Token::Here(token)) };
    match reference.split_once('/').ok_or_else(bad)? {
        ("file", path) => Ok(Token::File(format!("/{}", path.trim_start_matches('/')).into())),
        ("env", name) => (setting.variable)(name).map(Token::Here).ok_or_else(bad),
        ("env_path", name) => (setting.variable)(name).map(|path| Token::File(path.expose().into())).ok_or_else(bad),
        _ => Err(bad()),
    }
}

/// ECS's and EKS's endpoint, where there is one that may be trusted.
fn container(variable: &dyn Fn(&str) -> Option<String>) -> Option<Source> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
    let full = || variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").filter(|url| is_trusted(url));
    let url = relative.or_else(full)?;
    let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| Token::File(path.into()));
    let token =
        file.or_else(|| variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|token| Token::Here(Secret::new(token))));
    Some(Source::Container { url, token })
}

fn is_trusted(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let authority = rest.split('/').next().unwrap_or_default();
    LOCAL.iter().any(|host| authority.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_asked_for_credentials_only_nearby() {
        assert!(is_trusted("https://example.com/x") && is_trusted("http://169.254.170.23/v1/credentials"));
        assert!(is_trusted("http://localhost:8080/x") && is_trusted("http://[fd00:ec2::23]/v1"));
        assert!(!is_trusted("http://example.com/x") && !is_trusted("http://localhost.example.com/x"));
    }
}
