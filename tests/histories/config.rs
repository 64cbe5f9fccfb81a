//! What Nodefall is told in a history: as options for it, and as values for the oracle, which reads
//! them by itself.

use std::time::Duration;

/// One drawn configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace and NAME of what may be touched.
    pub names: Vec<(&'static str, &'static str)>,
    pub bound: Bound,
    /// None when the sweep is off.
    pub period: Option<Duration>,
    pub unreachable_for: Option<Duration>,
    pub delete_timeout: Duration,
    pub patch_interval: Duration,
    pub patch_timeout: Duration,
    pub alert_name: &'static str,
    pub node_label: &'static str,
    /// Alerts of other clusters are not ours.
    pub cluster: Option<&'static str>,
    pub dry_run: bool,
    pub spelling: Spelling,
}

/// How the same is written. Options about the process itself (`--kubeconfig`, `--web.*`, `--log.*`)
/// mean nothing in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    OneByOne,
    /// With commas where an option takes them, and repeated options.
    Commas,
    /// Each pod in full, the namespace of the older options being another.
    Pods,
}

/// `--max-unreachable`.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    Nodes(usize),
    Percent(usize),
}

impl Bound {
    /// How many of so many nodes may be not Ready.
    pub fn of(self, nodes: usize) -> usize {
        match self {
            Self::Nodes(allowed) => allowed.max(1),
            Self::Percent(share) => (nodes * share / 100).max(1),
        }
    }
}

impl Config {
    /// The options on the command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["nodefall".to_owned(), "run".to_owned()];
        self.name_words(&mut words);
        words.push(match self.bound {
            Bound::Nodes(nodes) => format!("--max-unreachable={nodes}"),
            Bound::Percent(share) => format!("--max-unreachable={share}%"),
        });
        let mut time = |option: &str, time: Duration| {
            words.push(format!("--{option}={}ms", time.as_millis()));
        };
        time("period", self.period.unwrap_or_default());
        time("delete-timeout", self.delete_timeout);
        time("patch-interval", self.patch_interval);
        time("patch-timeout", self.patch_timeout);
        if let Some(wait) = self.unreachable_for {
            time("unreachable-for", wait);
        }
        if self.spelling == Spelling::Commas {
            words.push("--alert-name=NodeDown".to_owned());
        }
        words.push(format!("--alert-name={}", self.alert_name));
        words.push(format!("--node-label={}", self.node_label));
        if let Some(cluster) = self.cluster {
            words.push("--match=severity=warning".to_owned());
            words.push(format!("--match=cluster={cluster}"));
        }
        if self.dry_run {
            words.push("--dry-run".to_owned());
        }
        words
    }

    /// What may be touched.
    fn name_words(&self, words: &mut Vec<String>) {
        let (ours, others): (Vec<_>, Vec<_>) = self
            .names
            .iter()
            .partition(|(namespace, _)| *namespace == "monitoring");
        let ours: Vec<_> = ours.iter().map(|(_, name)| *name).collect();
        let mut pods: Vec<_> = others
            .iter()
            .map(|(ns, name)| format!("{ns}/{name}"))
            .collect();
        match self.spelling {
            Spelling::OneByOne => {
                words.push("--namespace=monitoring".to_owned());
                for (number, name) in ours.iter().enumerate() {
                    // By the options of the older tool.
                    let option = ["prometheus-name", "alertmanager-name"][number % 2];
                    words.push(format!("--{option}={name}"));
                }
            }
            Spelling::Commas => {
                words.push("--namespace=monitoring".to_owned());
                words.push(format!("--prometheus-name={}", ours.join(",")));
            }
            Spelling::Pods => {
                words.push("--namespace=elsewhere".to_owned());
                pods.extend(ours.iter().map(|name| format!("monitoring/{name}")));
            }
        }
        match self.spelling {
            Spelling::OneByOne => words.extend(pods.iter().map(|pod| format!("--pod={pod}"))),
            _ if pods.is_empty() => {}
            _ => words.push(format!("--pod={}", pods.join(","))),
        }
    }

    /// The namespaces of the names, each once.
    pub fn namespaces(&self) -> usize {
        let mut namespaces: Vec<_> = self.names.iter().map(|(namespace, _)| namespace).collect();
        namespaces.sort();
        namespaces.dedup();
        namespaces.len()
    }

    /// Whether a pod is one of the named: by its own name, its owner's, or a pattern.
    pub fn names(&self, namespace: &str, pod: &str, owner: Option<&str>) -> bool {
        self.names.iter().any(|(in_namespace, name)| {
            *in_namespace == namespace && (owner == Some(name) || fits(name, pod))
        })
    }
}

/// Whether a text fits a pattern of `*` and `?`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.as_bytes().first() {
        None => text.is_empty(),
        Some(b'*') => (0..=text.len()).any(|cut| fits(&pattern[1..], &text[cut..])),
        Some(b'?') => !text.is_empty() && fits(&pattern[1..], &text[1..]),
        Some(letter) => text.as_bytes().first() == Some(letter) && fits(&pattern[1..], &text[1..]),
    }
}
