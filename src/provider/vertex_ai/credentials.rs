//! Whose credential: a service account's, a user's, another cloud's, or the machine's own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config;
use crate::provider::target::BadTarget;
use crate::vocabulary::Secret;

use super::token::Signer;

/// Where a Google client looks for the credentials that `gcloud` wrote, below the home directory.
const WELL_KNOWN: &str = ".config/gcloud/application_default_credentials.json";
/// The longest credentials file.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Where tokens are had unless the credentials say where.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Credentials as configured.
pub(super) struct Credentials {
    pub(super) source: Source,
    /// The project that they belong to.
    pub(super) project: Option<String>,
}

/// How tokens are had.
pub(super) enum Source {
    /// By a signed claim.
    ServiceAccount(Box<Signer>),
    /// By a refresh token.
    User {
        token_uri: String,
        client_id: Secret,
        client_secret: Secret,
        refresh_token: Secret,
        quota_project: Option<String>,
    },
    /// By another's token, exchanged, and perhaps exchanged once more for a service account's.
    External(Box<External>),
    /// From the machine.
    Metadata,
}

/// Workload identity federation.
pub(super) struct External {
    pub(super) audience: String,
    pub(super) subject_type: String,
    pub(super) token_url: String,
    pub(super) subject: Subject,
    /// The member of the subject token's JSON that holds it; None: it is the whole text.
    pub(super) field: Option<String>,
    pub(super) impersonate: Option<String>,
}

/// Where the other's token is.
pub(super) enum Subject {
    File(PathBuf),
    Url { url: String, headers: Vec<(http::HeaderName, http::HeaderValue)> },
}

/// The file, whatever its kind.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    audience: Option<String>,
    subject_token_type: Option<String>,
    token_url: Option<String>,
    credential_source: Option<CredentialSource>,
    service_account_impersonation_url: Option<String>,
}

#[derive(Deserialize)]
struct CredentialSource {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

fn bad(expected: &'static str, found: &str) -> BadTarget {
    // Never the credentials themselves.
    BadTarget { what: "vertex_credentials", expected, found: found.chars().take(80).collect() }
}

impl Credentials {
    /// The configured ones, else those that a Google client would take. None: the machine's own.
    pub(super) fn find(deployment: &config::Deployment) -> Result<Option<Self>, BadTarget> {
        let variables = ["VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"];
        if let Some(given) = deployment.vendor("vertex_credentials", &variables) {
            let given = given.expose().trim();
            return match given.starts_with('{') {
                true => Self::parse(given).map(Some),
                false => Self::load(Path::new(given)).map(Some),
            };
        }
        let home = std::env::var_os("CLOUDSDK_CONFIG")
            .map(|folder| PathBuf::from(folder).join("application_default_credentials.json"));
        let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(WELL_KNOWN)));
        match home.filter(|path| path.is_file()) {
            Some(path) => Self::load(&path).map(Some),
            None => Ok(None),
        }
    }

    fn load(path: &Path) -> Result<Self, BadTarget> {
        let text = std::fs::read_to_string(path)
            .map_err(|_| bad("the JSON of credentials, or a file that can be read", &path.to_string_lossy()))?;
        if text.len() > FILE_BYTES_MAX {
            return Err(bad("a file of at most 64 KiB", &path.to_string_lossy()));
        }
        Self::parse(&text)
    }

    /// Reads a credentials file's text.
    pub(super) fn parse(text: &str) -> Result<Self, BadTarget> {
        let mut file: File =
            serde_json::from_str(text).map_err(|_| bad("JSON of a credentials file", "something else"))?;
        let project = file.project_id.take().or_else(|| file.quota_project_id.clone());
        let source = match file.kind.as_deref() {
            Some("service_account") => file.service_account()?,
            Some("authorized_user") => file.user()?,
            Some("external_account") => file.external()?,
            kind => {
                let expected = "credentials of type service_account, authorized_user or external_account";
                return Err(bad(expected, kind.unwrap_or("none")));
            }
        };
        Ok(Self { source, project })
    }
}

fn needed(value: Option<String>, expected: &'static str) -> Result<String, BadTarget> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| bad(expected, "nothing"))
}

/// An address that tokens may be sent to.
fn address(url: String) -> Result<String, BadTarget> {
    let uri: Option<http::Uri> = url.parse().ok();
    let plain = uri.as_ref().and_then(http::Uri::host).is_some_and(|host| {
        matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "169.254.169.254" | "metadata.google.internal")
    });
    match uri.as_ref().and_then(http::Uri::scheme_str) {
        Some("https") => Ok(url),
        Some("http") if plain => Ok(url),
        _ => Err(bad("an address that begins with https://", &url)),
    }
}

impl File {
    fn service_account(self) -> Result<Source, BadTarget> {
        let email = needed(self.client_email, "client_email in the credentials")?;
        let key = needed(self.private_key, "private_key in the credentials")?;
        let token_uri = address(self.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()))?;
        let signer = Signer::new(&key, self.private_key_id, email, token_uri);
        let signer = signer.ok_or_else(|| bad("an RSA key in PEM as private_key", "something else"))?;
        Ok(Source::ServiceAccount(Box::new(signer)))
    }

    fn user(self) -> Result<Source, BadTarget> {
        Ok(Source::User {
            token_uri: address(self.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()))?,
            client_id: Secret::new(needed(self.client_id, "client_id in the credentials")?),
            client_secret: Secret::new(needed(self.client_secret, "client_secret in the credentials")?),
            refresh_token: Secret::new(needed(self.refresh_token, "refresh_token in the credentials")?),
            quota_project: self.quota_project_id,
        })
    }

    fn external(self) -> Result<Source, BadTarget> {
        let source = self.credential_source;
        let source = source.ok_or_else(|| bad("credential_source in the credentials", "nothing"))?;
        let is_json = source.format.as_ref().is_some_and(|format| format.kind.as_deref() == Some("json"));
        let field = source.format.and_then(|format| format.subject_token_field_name).filter(|_| is_json);
        let subject = match (source.file, source.url) {
            (Some(file), _) => Subject::File(file),
            (None, Some(url)) => {
                let headers = source.headers.iter();
                let headers = headers.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
                Subject::Url { url: address(url)?, headers: headers.collect() }
            }
            (None, None) => return Err(bad("a file or url as credential_source", "another source")),
        };
        Ok(Source::External(Box::new(External {
            audience: needed(self.audience, "audience in the credentials")?,
            subject_type: needed(self.subject_token_type, "subject_token_type in the credentials")?,
            token_url: address(needed(self.token_url, "token_url in the credentials")?)?,
            subject,
            field,
            impersonate: self.service_account_impersonation_url.map(address).transpose()?,
        })))
    }
}
