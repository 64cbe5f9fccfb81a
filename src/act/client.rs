//! How the API server is reached.

use super::transport::chain;
use crate::decide::one_line;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;

/// A destructive call must not wait for a connection until its judgement is stale.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects with that kubeconfig, or as a pod of the cluster does; nothing is sent yet.
///
/// # Errors
/// One line that says what is wrong with the file, or what to give.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, String> {
    let config = configuration(kubeconfig).await?;
    Client::try_from(config).map_err(|error| {
        format!(
            "cannot set up the connection to the API server: {}",
            chain(&error)
        )
    })
}

async fn configuration(kubeconfig: Option<&Path>) -> Result<Config, String> {
    let mut config = match kubeconfig {
        Some(path) => {
            let failed = |error: KubeconfigError| {
                let why = match &error {
                    // It would say the path once more.
                    KubeconfigError::ReadConfig(error, _) => error.to_string(),
                    error => chain(error),
                };
                let path = one_line(&path.to_string_lossy(), 512);
                format!("--kubeconfig {path:?}: {why}; give a file that kubectl can use")
            };
            let file = Kubeconfig::read_from(path).map_err(failed)?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(failed)?
        }
        None => Config::incluster().map_err(|error| {
            format!(
                "not in a cluster ({}); give --kubeconfig PATH, or run as a pod with a \
                 ServiceAccount",
                chain(&error)
            )
        })?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // A DELETE must not be repeated behind our back when its judgement is stale.
    config.default_retry = false;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    #[tokio::test]
    async fn kubes_own_retries_are_off_and_connecting_takes_2_s_at_most() {
        let file = std::env::temp_dir().join(format!("nodefall-{}.yaml", std::process::id()));
        let text = "{clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], \
                    contexts: [{name: c, context: {cluster: c}}], current-context: c}";
        std::fs::write(&file, text).expect("written");
        let config = configuration(Some(&file)).await;
        std::fs::remove_file(&file).expect("removed");
        let config = config.expect("a configuration");
        assert!(!config.default_retry);
        assert_eq!(config.connect_timeout, Some(Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn an_odd_path_is_refused_in_one_line() {
        for (path, why) in [
            (b"/nowhere/k".to_vec(), "No such file"),
            (b"/".to_vec(), "Is a directory"),
            (b"/no\n\x1b[2J/\xff".to_vec(), "No such file"),
            ("/nо/\u{202e}k".into(), "No such file"),
            (vec![b'x'; 1_000_000], "File name too long"),
            (b"/no\0".to_vec(), "NUL byte"),
        ] {
            let path = PathBuf::from(OsString::from_vec(path));
            let Err(line) = connect(Some(&path)).await else {
                panic!("{path:?} was read");
            };
            assert!(line.starts_with("--kubeconfig "), "{line}");
            assert!(line.contains(why), "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(line.len() < 1000, "{line}");
        }
    }
}
