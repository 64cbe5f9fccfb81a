//! The options as clap reads them, and the help that it makes of them.

use super::{RunOptions, UsageError, duration, help, listen::ListenAddress, log::Log, values};
use crate::decide::{AlertRules, Limits, MaxUnreachable, Selector};
use crate::settings::Settings;
use clap::{Args, Parser};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(
    name = "nodefall",
    version = crate::VERSION,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    help_template = help::CLI_HELP,
    after_help = help::CLI_EXAMPLE
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    Run(Box<Run>),
    #[cfg(feature = "demo")]
    Demo(Demo),
}

/// Run the receiver
#[derive(Debug, Args)]
#[command(
    help_template = help::RUN_HELP,
    after_help = help::RUN_EXAMPLE,
    next_line_help = true,
    disable_help_flag = true
)]
pub(super) struct Run {
    /// The kubeconfig file to use; left out: the pod's own ServiceAccount
    #[arg(long, value_name = "PATH", help_heading = "Kubernetes")]
    kubeconfig: Option<PathBuf>,

    /// The namespace of the next two
    #[arg(
        long,
        value_name = "NS",
        default_value = "kube-system",
        help_heading = "Pods"
    )]
    namespace: String,

    /// Prometheus pods, by NAME; repeatable, comma-separated
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Pods"
    )]
    prometheus_name: Vec<String>,

    /// Alertmanager pods, by NAME; repeatable, comma-separated
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Pods"
    )]
    alertmanager_name: Vec<String>,

    /// Any other pods; repeatable, comma-separated; the namespace is literal
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        value_delimiter = ',',
        help_heading = "Pods"
    )]
    pod: Vec<String>,

    /// The alert that names a node; repeatable; others are ignored
    #[arg(
        long,
        value_name = "NAME",
        default_value = "KubeNodeNotReady",
        value_parser = values::label_value,
        help_heading = "Alerts"
    )]
    alert_name: Vec<String>,

    /// A label that an alert must carry; repeatable: all of them. Set it where one Alertmanager serves
    /// several clusters
    #[arg(
        long = "match",
        value_name = "LABEL=VALUE",
        value_parser = values::label_match,
        help_heading = "Alerts"
    )]
    matches: Vec<(String, String)>,

    /// The label that names the node
    #[arg(
        long,
        value_name = "LABEL",
        default_value = "node",
        value_parser = values::label_name,
        help_heading = "Alerts"
    )]
    node_label: String,

    /// Time between sweeps; 0 turns the sweep off, else at least 1s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1m",
        value_parser = duration::zero_or_at_least_1s,
        help_heading = "Sweep"
    )]
    period: Duration,

    /// Let the sweep act on pods that Kubernetes has not yet begun to evict, once their node has been
    /// Unknown for so long; 0s: at once; left out: never
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration::parse,
        help_heading = "Sweep"
    )]
    unreachable_for: Option<Duration>,

    /// Touch nothing while more nodes than this are not Ready: a number, or a percentage of all
    /// nodes; one is always allowed
    #[arg(
        long,
        value_name = "N|N%",
        default_value = "49%",
        value_parser = values::max_unreachable,
        help_heading = "Safety"
    )]
    max_unreachable: MaxUnreachable,

    /// Judge, log and answer as usual, and change nothing
    #[arg(long, help_heading = "Safety")]
    dry_run: bool,

    /// From the acknowledged deletion to the first patch that clears finalizers; at least 1s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration::at_least_1s,
        help_heading = "Deletion"
    )]
    delete_timeout: Duration,

    /// Between two such patches; at least 100ms
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "500ms",
        value_parser = duration::at_least_100ms,
        help_heading = "Deletion"
    )]
    patch_interval: Duration,

    /// From the first patch to giving up
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration::parse,
        help_heading = "Deletion"
    )]
    patch_timeout: Duration,

    /// Where to serve HTTP: :PORT or ADDRESS:PORT; repeatable
    #[arg(
        long = "web.listen-address",
        value_name = "ADDR",
        default_value = ":9095",
        value_parser = ListenAddress::parse,
        help_heading = "HTTP"
    )]
    listen: Vec<ListenAddress>,

    /// TLS, and who may call: a file as Prometheus' own, read afresh when it changes; left out: no TLS,
    /// and everybody
    #[arg(long = "web.config.file", value_name = "PATH", help_heading = "HTTP")]
    web_config: Option<PathBuf>,

    /// Where to serve, besides, only /-/healthy and /-/ready, in plain HTTP; repeatable
    #[arg(
        long = "web.health-listen-address",
        value_name = "ADDR",
        value_parser = ListenAddress::parse,
        help_heading = "HTTP"
    )]
    health_listen: Vec<ListenAddress>,

    #[command(flatten)]
    log: Log,
}

/// Show a node losing power and its pods coming back
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
#[command(
    help_template = help::DEMO_HELP,
    next_line_help = true,
    disable_help_flag = true,
    // The timeline is what is to be read.
    mut_arg("log_level", |arg| arg.default_value("error"))
)]
pub(super) struct Demo {
    /// Exit after the timeline: 0 when every replacement became Ready, else 1
    #[arg(long, conflicts_with = "manual")]
    once: bool,

    /// Cut no node's power by itself
    #[arg(long)]
    manual: bool,

    /// Where to serve HTTP: :PORT or ADDRESS:PORT
    #[arg(
        long = "web.listen-address",
        value_name = "ADDR",
        default_value = "127.0.0.1:9095",
        value_parser = ListenAddress::parse
    )]
    listen: ListenAddress,

    #[command(flatten)]
    log: Log,
}

#[cfg(feature = "demo")]
impl Demo {
    pub(super) fn check(&self) -> super::DemoOptions {
        super::DemoOptions {
            once: self.once,
            manual: self.manual,
            listen: self.listen,
            log: self.log.check(),
        }
    }
}

impl Run {
    /// What one option cannot know of another.
    pub(super) fn check(self) -> Result<RunOptions, UsageError> {
        let selectors = self.selectors()?;
        for (index, (label, _)) in self.matches.iter().enumerate() {
            if self.matches[..index]
                .iter()
                .any(|(earlier, _)| earlier == label)
            {
                return Err(UsageError::because(format!(
                    "--match: label {label} is given twice, and no alert carries two values of it"
                )));
            }
        }
        Ok(RunOptions {
            settings: Settings {
                selectors,
                alerts: AlertRules {
                    alert_names: self.alert_name,
                    matches: self.matches,
                    node_label: self.node_label,
                },
                max_unreachable: self.max_unreachable,
                period: Some(self.period).filter(|period| !period.is_zero()),
                unreachable_for: self.unreachable_for,
                limits: Limits {
                    delete_timeout: self.delete_timeout,
                    patch_interval: self.patch_interval,
                    patch_timeout: self.patch_timeout,
                },
                dry_run: self.dry_run,
            },
            kubeconfig: self.kubeconfig,
            listen: self.listen,
            web_config: self.web_config,
            health_listen: self.health_listen,
            log: self.log.check(),
        })
    }

    fn selectors(&self) -> Result<Vec<Selector>, UsageError> {
        // By itself, so that the mistake is told by the option that made it.
        Selector::parse(&self.namespace, "a")
            .map_err(|_| UsageError::value("--namespace", &self.namespace, "a namespace's name"))?;
        let mut selectors = Vec::new();
        for (option, names) in [
            ("--prometheus-name", &self.prometheus_name),
            ("--alertmanager-name", &self.alertmanager_name),
        ] {
            for name in names {
                let expected = "a pod's or its owner's name, or a pattern with * and ?";
                let selector = Selector::parse(&self.namespace, name)
                    .map_err(|_| UsageError::value(option, name, expected))?;
                selectors.push(selector);
            }
        }
        for pod in &self.pod {
            let expected = "NAMESPACE/NAME, like monitoring/grafana-*; the namespace is literal";
            let selector = pod
                .split_once('/')
                .and_then(|(namespace, name)| Selector::parse(namespace, name).ok())
                .ok_or_else(|| UsageError::value("--pod", pod, expected))?;
            selectors.push(selector);
        }
        if selectors.is_empty() {
            return Err(UsageError::because(
                "no pod is named: give --prometheus-name, --alertmanager-name or --pod",
            ));
        }
        Ok(selectors)
    }
}
