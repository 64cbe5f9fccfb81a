//! The roads from a power loss to a running replacement.

/// What brings the pod back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Nobody: what Kubernetes does by itself.
    Kubernetes,
    /// The out-of-service taint, put by hand.
    Taint,
    /// Nodefall, told by Alertmanager.
    Alert,
    /// Nodefall with these options, told by nobody.
    Sweep(&'static [&'static str]),
}

/// A road. Each has a zone of three nodes, a StatefulSet and a sweeping Nodefall of its own, so that
/// none is helped or held up by another.
pub struct Road {
    /// Of its StatefulSet and its zone.
    pub name: &'static str,
    /// What it is called in the table.
    pub title: &'static str,
    /// What brings the pod back.
    pub means: Means,
    /// Whether the pod has a volume.
    pub volume: bool,
}

/// The roads that are compared.
pub const ROADS: [Road; 8] = [
    Road {
        name: "plain",
        title: "Kubernetes alone",
        means: Means::Kubernetes,
        volume: false,
    },
    Road {
        name: "taint",
        title: "out-of-service taint, put by hand as soon as the node reads Unknown",
        means: Means::Taint,
        volume: false,
    },
    Road {
        name: "alert",
        title: "Nodefall by alert: shipped rule, scrapes every 15 s",
        means: Means::Alert,
        volume: false,
    },
    Road {
        name: "sweep",
        title: "Nodefall by sweep, stock options",
        means: Means::Sweep(&[]),
        volume: false,
    },
    Road {
        name: "sweep-0s",
        title: "Nodefall by sweep, `--unreachable-for 0s`",
        means: Means::Sweep(&["--unreachable-for=0s"]),
        volume: false,
    },
    Road {
        name: "sweep-0s-5s",
        title: "Nodefall by sweep, `--unreachable-for 0s --period 5s`",
        means: Means::Sweep(&["--unreachable-for=0s", "--period=5s"]),
        volume: false,
    },
    Road {
        name: "taint-volume",
        title: "with a volume: out-of-service taint, put by hand",
        means: Means::Taint,
        volume: true,
    },
    Road {
        name: "alert-volume",
        title: "with a volume: Nodefall by alert",
        means: Means::Alert,
        volume: true,
    },
];

impl Road {
    /// The zone of its nodes.
    pub fn zone(&self) -> String {
        format!("zone-{}", self.name)
    }

    /// Its nodes: the one that is lost is a third of its zone, which Kubernetes' zone rule lets pass.
    pub fn nodes(&self) -> [String; 3] {
        [1, 2, 3].map(|number| format!("{}-node-{number}", self.name))
    }

    /// Its StatefulSet's one pod.
    pub fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    /// What tells Nodefall of its StatefulSet.
    pub fn option(&self) -> String {
        format!("--pod=monitoring/{}", self.name)
    }
}
