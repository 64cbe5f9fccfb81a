//! The closed sets of words that the log, the metrics, the Events and the JSON share.

/// Declares an enum whose variants are the values of one metric label.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration, so that each series can exist from the start.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as metrics, logs and JSON show it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use labels;

labels! {
    /// What set a remediation going.
    Trigger {
        /// An alert named the node.
        Alert = "alert",
        /// The sweep found it.
        Sweep = "sweep",
    }
}

labels! {
    /// Why a node is left alone for now and looked at again.
    Hold {
        /// Ready is `True`: the node is alive.
        NodeReady = "node_ready",
        /// Ready is `False`: a kubelet speaks, containers may be running.
        KubeletAlive = "kubelet_alive",
        /// `node.kubernetes.io/unreachable:NoExecute` is not there (yet, or for a moment).
        NotTainted = "not_tainted",
        /// The Lease may have been renewed less than its own duration ago.
        LeaseFresh = "lease_fresh",
        /// There is no Lease, and the node's heartbeat is too young or was seen to move.
        HeartbeatFresh = "heartbeat_fresh",
        /// More nodes are not Ready than the guard allows.
        StormGuard = "storm_guard",
        /// No other node is Ready: the fault may be the control plane's, and nothing could run.
        NoOtherNode = "no_other_node",
        /// The API has no Node of that name.
        UnknownNode = "unknown_node",
        /// The reads took longer than their answers stay true.
        SlowApi = "slow_api",
        /// The API server refused, failed or could not be reached.
        ApiError = "api_error",
        /// An answer lacks what the judgement needs, or says what it does not know.
        NotUnderstood = "not_understood",
        /// A selected pod reads Ready and is not Terminating.
        PodReady = "pod_ready",
        /// The sweep waits until Kubernetes evicts the pods.
        NotEvicted = "not_evicted",
        /// A pod failed or was refused lately and waits for its next try.
        Backoff = "backoff",
    }
}

labels! {
    /// Why a pod that a name selects is not touched.
    Skip {
        /// A static pod's mirror: the kubelet owns it.
        Mirror = "mirror",
        /// `nodefall.io/remediation: disabled`.
        OptedOut = "opted_out",
        /// A DaemonSet's pod belongs to its node.
        DaemonSet = "daemonset",
        /// No controller would make it again.
        NoController = "no_controller",
        /// A controller that is neither a StatefulSet nor a ReplicaSet.
        OtherController = "other_controller",
        /// It reads Ready and is not Terminating.
        Ready = "ready",
    }
}

labels! {
    /// How the work on one node ended; of several pods the last in this order wins.
    RemediationResult {
        /// Every selected pod's name is free.
        Freed = "freed",
        /// Judged only: `--dry-run`.
        DryRun = "dry_run",
        /// The node came back.
        Aborted = "aborted",
        /// A finalizer that must not be stripped keeps a pod.
        ProtectedFinalizer = "protected_finalizer",
        /// The API server forbids it, in its own words.
        Refused = "refused",
        /// Time ran out.
        Failed = "failed",
    }
}

labels! {
    /// How the forced deletion of one pod ended.
    DeletionResult {
        /// This process's DELETE was acknowledged.
        Deleted = "deleted",
        /// The pod was gone already, or its name carried another UID.
        Gone = "gone",
        /// Judged only: `--dry-run`.
        DryRun = "dry_run",
        /// The node came back before a DELETE was acknowledged.
        Aborted = "aborted",
        /// 403, or 422 while the pod is still there.
        Refused = "refused",
        /// Time ran out.
        Failed = "failed",
    }
}

labels! {
    /// How the clearing of one pod's finalizers ended.
    PatchResult {
        /// The patch freed the name.
        Cleared = "cleared",
        /// The pod went while a patch was under way or about to be sent.
        Gone = "gone",
        /// The node came back first.
        Aborted = "aborted",
        /// `batch.kubernetes.io/job-tracking` is there: never stripped.
        ProtectedFinalizer = "protected_finalizer",
        /// 403, or 422 while the pod is still there.
        Refused = "refused",
        /// The pod outlived `--patch-timeout`.
        Failed = "failed",
    }
}

labels! {
    /// What one sweep came to.
    SweepResult {
        /// Every node was read and the ones not Ready were handed on.
        Ok = "ok",
        /// The storm guard is shut.
        Held = "held",
        /// The API server did not answer, or not with what we understand.
        Failed = "failed",
        /// The previous sweep was still at work when this one was due.
        Skipped = "skipped",
    }
}

labels! {
    /// An alert's own status.
    AlertStatus {
        /// It fires.
        Firing = "firing",
        /// It is over.
        Resolved = "resolved",
        /// Anything else: ignored.
        Other = "other",
    }
}

labels! {
    /// Why an alert does not concern us.
    Ignored {
        /// It is neither firing nor resolved.
        Status = "status",
        /// Its name is none that `--alert-name` names.
        AlertName = "alert_name",
        /// It lacks a label that `--match` wants.
        NoLabel = "no_label",
        /// A label that `--match` wants has another value: it is about another cluster.
        OtherLabel = "other_label",
        /// It is resolved, and had raised no suspicion.
        NoSuspicion = "no_suspicion",
    }
}

labels! {
    /// What became of one alert.
    AlertResult {
        /// Its node is a suspect now.
        Taken = "taken",
        /// Its node was a suspect already.
        Joined = "joined",
        /// The suspicion that it had raised is lifted.
        Resolved = "resolved",
        /// It does not concern us.
        Ignored = "ignored",
        /// It concerns us and cannot be understood.
        Refused = "refused",
        /// There are too many suspects.
        NoRoom = "no_room",
    }
}
