//! The resources that the API serves.

/// A resource that the API serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Namespaces,
    Nodes,
    Pods,
    Leases,
    StatefulSets,
    Deployments,
    ReplicaSets,
    DaemonSets,
    Events,
    /// The same Events, as the core group shows them.
    CoreEvents,
    AccessReviews,
}

const CORE: &str = "/api/v1";
const APPS: &str = "/apis/apps/v1";

/// All resources with the path of their group, plural name, kind, and whether they are in
/// namespaces.
pub(super) const RESOURCES: [(Resource, &str, &str, &str, bool); 11] = {
    use Resource::*;
    const LEASES: &str = "/apis/coordination.k8s.io/v1";
    const EVENTS: &str = "/apis/events.k8s.io/v1";
    const REVIEWS: &str = "/apis/authorization.k8s.io/v1";
    [
        (Namespaces, CORE, "namespaces", "Namespace", false),
        (Nodes, CORE, "nodes", "Node", false),
        (Pods, CORE, "pods", "Pod", true),
        (CoreEvents, CORE, "events", "Event", true),
        (StatefulSets, APPS, "statefulsets", "StatefulSet", true),
        (Deployments, APPS, "deployments", "Deployment", true),
        (ReplicaSets, APPS, "replicasets", "ReplicaSet", true),
        (DaemonSets, APPS, "daemonsets", "DaemonSet", true),
        (Leases, LEASES, "leases", "Lease", true),
        (Events, EVENTS, "events", "Event", true),
        (
            AccessReviews,
            REVIEWS,
            "selfsubjectaccessreviews",
            "SelfSubjectAccessReview",
            false,
        ),
    ]
};

impl Resource {
    /// What kubectl calls it for short.
    pub(super) fn short(self) -> Option<&'static str> {
        Some(match self {
            Self::Namespaces => "ns",
            Self::Nodes => "no",
            Self::Pods => "po",
            Self::StatefulSets => "sts",
            Self::Deployments => "deploy",
            Self::ReplicaSets => "rs",
            Self::DaemonSets => "ds",
            Self::Events | Self::CoreEvents => "ev",
            Self::Leases | Self::AccessReviews => return None,
        })
    }

    /// Belongs to `kubectl get all`.
    pub(super) fn in_all(self) -> bool {
        matches!(
            self,
            Self::Pods
                | Self::StatefulSets
                | Self::Deployments
                | Self::ReplicaSets
                | Self::DaemonSets
        )
    }

    pub(super) fn has_status(self) -> bool {
        !matches!(
            self,
            Self::Leases | Self::Events | Self::CoreEvents | Self::AccessReviews
        )
    }

    pub(super) fn has_scale(self) -> bool {
        matches!(
            self,
            Self::StatefulSets | Self::Deployments | Self::ReplicaSets
        )
    }

    /// What can be done with it.
    pub(super) fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::AccessReviews => &["create"],
            // Emptying a Namespace is the work of a controller that nobody needs here.
            Self::Namespaces => &["create", "get", "list", "patch", "update", "watch"],
            _ => &[
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch",
            ],
        }
    }
}
