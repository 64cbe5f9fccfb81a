//! What happens in a history.

use jiff::SignedDuration;
use nodefall::demo::NodePlan;
use nodefall::demo::faults::Fault;
use std::fmt;
use std::time::Duration;

/// One thing that happens to the cluster, to its API, to Nodefall, or to what is told it.
#[derive(Clone, Debug)]
pub enum Act {
    /// A node loses its power, or gets it back.
    Power(String, bool),
    /// A kubelet stops, or starts again; the containers go on.
    Kubelet(String, bool),
    /// A node is cut off from the API server, or joined again; everything on it goes on.
    Network(String, bool),
    /// A kubelet reports Ready `True` or `False`; the containers go on.
    Healthy(String, bool),
    /// A kubelet's clock is set.
    Skew(String, SignedDuration),
    /// The Node object is deleted.
    DeleteNode(String),
    /// A machine registers its Node again.
    Register(NodePlan),
    /// A node is cordoned, or uncordoned.
    Cordon(String, bool),
    /// The controller manager starts again.
    RestartControllerManager,
    /// A StatefulSet gets a new template.
    Roll(String, String),
    /// A StatefulSet gets another number of replicas.
    Scale(String, String, i32),
    /// A person deletes a pod; by force, or with its grace.
    Delete {
        namespace: String,
        pod: String,
        force: bool,
    },
    /// A person puts another pod in the place of one, with its name, owner and labels.
    Recreate(String, String),
    /// A person opts a pod out.
    OptOut(String, String),
    /// The API misbehaves.
    Fault(Fault),
    /// A replica of Nodefall is killed after so many more calls; whether the last of them still takes
    /// effect; and after which time a fresh one starts.
    Crash {
        replica: usize,
        after: u32,
        effective: bool,
        back: Duration,
    },
    /// A replica is stopped in order, and a fresh one starts.
    Restart(usize),
    /// A notification that no monitoring would send, to one replica.
    Alert {
        replica: usize,
        firing: bool,
        labels: Vec<(&'static str, String)>,
    },
    /// One notification for so many nodes that do not exist, to one replica.
    Forged(usize, usize),
    /// A body that is no notification, to one replica.
    Garbage(usize, &'static str),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: bool| if on { "on" } else { "off" };
        match self {
            Self::Power(node, on) => write!(f, "{node}: power {}", switch(*on)),
            Self::Kubelet(node, on) => write!(f, "{node}: kubelet {}", switch(*on)),
            Self::Network(node, on) => write!(f, "{node}: network {}", switch(*on)),
            Self::Healthy(node, well) => write!(f, "{node}: its kubelet reports Ready {well}"),
            Self::Skew(node, by) => write!(f, "{node}: its clock is set off by {by:#}"),
            Self::DeleteNode(node) => write!(f, "{node}: its Node object is deleted"),
            Self::Register(plan) => write!(f, "{}: registers again", plan.name),
            Self::Cordon(node, on) => write!(f, "{node}: cordon {}", switch(*on)),
            Self::RestartControllerManager => write!(f, "the controller manager starts again"),
            Self::Roll(namespace, set) => write!(f, "{namespace}/{set}: a new template"),
            Self::Scale(namespace, set, to) => write!(f, "{namespace}/{set}: {to} replicas"),
            Self::Delete {
                namespace,
                pod,
                force,
            } => {
                let how = if *force { " by force" } else { "" };
                write!(f, "a person deletes {namespace}/{pod}{how}")
            }
            Self::Recreate(namespace, pod) => {
                write!(
                    f,
                    "a person puts another pod in the place of {namespace}/{pod}"
                )
            }
            Self::OptOut(namespace, pod) => write!(f, "a person opts {namespace}/{pod} out"),
            Self::Fault(fault) => fault_words(fault, f),
            Self::Crash {
                replica,
                after,
                effective,
                back,
            } => {
                let last = if *effective { "done" } else { "lost" };
                write!(
                    f,
                    "replica {replica} dies at its call {after} from now ({last}), and is back \
                     after {back:?}"
                )
            }
            Self::Restart(replica) => write!(f, "replica {replica} is stopped, and starts anew"),
            Self::Alert {
                replica,
                firing,
                labels,
            } => {
                let status = if *firing { "firing" } else { "resolved" };
                write!(
                    f,
                    "replica {replica} is told by somebody: {status} {labels:?}"
                )
            }
            Self::Forged(replica, count) => {
                write!(
                    f,
                    "replica {replica} is told by somebody of {count} nodes that nobody has"
                )
            }
            Self::Garbage(replica, body) => write!(f, "replica {replica} is sent {body:?}"),
        }
    }
}

fn fault_words(fault: &Fault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let any = |it: &Option<String>| it.clone().unwrap_or_else(|| "*".to_owned());
    write!(
        f,
        "API: {} {} by {}: {:?}",
        any(&fault.verb),
        any(&fault.resource),
        any(&fault.user_agent),
        fault.effect
    )?;
    if let Some(count) = fault.count {
        write!(f, ", {count} times after {}", fault.after)?;
    }
    if let Some(lasts) = fault.lasts {
        write!(f, ", for {lasts:?}")?;
    }
    Ok(())
}
