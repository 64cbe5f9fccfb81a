//! The format of `--web.config.file`: that of Prometheus' exporter-toolkit (docs/web-configuration.md
//! there, up to v0.14), and what is ours under one key, `nodefall`. A field that is not known is
//! refused, never ignored.

use crate::decide::one_line;
use serde::Deserialize;
use serde_saphyr::{Error, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The whole file. What is left empty is as if it were left out, as in Go.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) tls_server_config: Option<TlsServer>,
    pub(super) http_server_config: Option<HttpServer>,
    pub(super) basic_auth_users: Option<BTreeMap<String, String>>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) nodefall: Option<Own>,
}

/// `tls_server_config`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsServer {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) client_ca_file: Option<PathBuf>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) curve_preferences: Option<Vec<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// `http_server_config`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpServer {
    pub(super) http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, String>>,
}

/// `rate_limit`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::serve) struct RateLimit {
    pub(in crate::serve) interval: Option<String>,
    pub(in crate::serve) burst: Option<u32>,
}

/// `nodefall`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Own {
    pub(super) bearer_token_files: Option<Vec<PathBuf>>,
    pub(super) service_accounts: Option<ServiceAccounts>,
    pub(super) webhook: Option<Webhook>,
}

/// `nodefall.service_accounts`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServiceAccounts {
    pub(super) audience: Option<String>,
    pub(super) allowed: Option<Vec<String>>,
}

/// `nodefall.webhook`: for `/webhook` in place of what all other pages need.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Webhook {
    pub(super) basic_auth_users: Option<BTreeMap<String, String>>,
    pub(super) bearer_token_files: Option<Vec<PathBuf>>,
    pub(super) service_accounts: Option<ServiceAccounts>,
    pub(super) require_client_certificate: Option<bool>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
}

impl File {
    /// Reads the text, and puts relative paths into `folder`.
    ///
    /// # Errors
    /// One line that shows nothing of what was read but the names of fields and users.
    pub(super) fn parse(text: &[u8], folder: &Path) -> Result<Self, String> {
        let mut options = Options::default();
        options.with_snippet = false;
        let file: Result<Option<Self>, _> = serde_saphyr::from_slice_with_options(text, options);
        let mut file = file.map_err(|error| why(&error))?.unwrap_or_default();
        for path in file.paths_mut() {
            *path = folder.join(&*path);
        }
        Ok(file)
    }

    /// Every file that it names.
    pub(super) fn paths(&mut self) -> Vec<PathBuf> {
        self.paths_mut()
            .into_iter()
            .map(|path| path.clone())
            .collect()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = Vec::new();
        if let Some(tls) = &mut self.tls_server_config {
            let named = [
                &mut tls.cert_file,
                &mut tls.key_file,
                &mut tls.client_ca_file,
            ];
            paths.extend(named.into_iter().flatten());
        }
        if let Some(own) = &mut self.nodefall {
            paths.extend(own.bearer_token_files.iter_mut().flatten());
            if let Some(webhook) = &mut own.webhook {
                paths.extend(webhook.bearer_token_files.iter_mut().flatten());
            }
        }
        // In Go an empty name is none.
        paths.retain(|path| !path.as_os_str().is_empty());
        paths
    }
}

/// What is wrong, without what stands there: it may be a secret.
fn why(error: &Error) -> String {
    let what = match error.without_snippet() {
        Error::SerdeUnknownField {
            field, expected, ..
        } => format!(
            "the field {} is not known here; there are {}",
            crate::decide::quoted(field),
            expected.join(", ")
        ),
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("{} is given twice", crate::decide::quoted(key)),
            None => "a key is given twice".to_owned(),
        },
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("expected {}", one_line(expected, 100))
        }
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        Error::InvalidScalar { ty, .. } => format!("expected {ty}"),
        Error::InvalidUtf8Input => "it is not UTF-8".to_owned(),
        Error::NullIntoString { .. } => "a value is missing".to_owned(),
        Error::MultipleDocuments { .. } => "there is more than one document".to_owned(),
        Error::ExternalMessage { msg, .. } => format!("it is no YAML: {}", one_line(msg, 200)),
        _ => "it cannot be understood".to_owned(),
    };
    match error.location() {
        Some(place) if place.line() > 0 => {
            format!("line {} column {}: {what}", place.line(), place.column())
        }
        _ => what,
    }
}
