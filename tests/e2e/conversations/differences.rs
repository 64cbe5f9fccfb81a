//! What stays different, by name. Whatever is not listed here must be the same, and what is listed must
//! differ: an entry whose time is over fails the test.

/// Something that the embedded cluster answers otherwise.
pub struct Difference {
    pub name: &'static str,
    pub why: &'static str,
    /// Conversation, step, and the field with all below it; `*` is the whole step.
    pub places: &'static [(&'static str, &'static str, &'static str)],
}

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "the words of a decoder",
        why: "What is wrong with JSON is said in the words of Go's decoder or of Rust's. Status and \
              reason are the same, and nobody reads more.",
        places: &[
            ("creating", "malformed JSON", "/message"),
            ("creating", "a list for an object", "/message"),
            ("creating", "nothing", "/message"),
            ("creating", "a field of another type", "/message"),
            ("deleting", "options that are malformed", "/message"),
            ("deleting", "options with a wrong field type", "/message"),
            ("patching", "finalizers that are no list", "/message"),
            ("patching", "finalizers that are no list", "/details/causes"),
            ("patching", "malformed", "/message"),
            ("patching", "a list for a merge", "/message"),
            ("patching", "an object for operations", "/message"),
            ("leases", "renewed at no time", "/message"),
            ("leases", "renewed at no time", "/details/causes"),
            ("reading", "by a selector that is none", "/message"),
            ("reading", "a token that is none", "/message"),
            (
                "reading",
                "a token that is none, in its letters",
                "/message",
            ),
        ],
    },
    Difference {
        name: "the list of what is wrong",
        why: "Where one field breaks several rules, the real one lists them all, and shows what changed \
              in a spec as a diff of Go structures. The embedded one stops at the first.",
        places: &[
            ("events", "without a controller", "/message"),
            ("events", "without a controller", "/details/causes"),
            ("patching", "another node", "/message"),
            ("patching", "another node", "/details/causes"),
        ],
    },
    Difference {
        name: "the ServiceAccount of a pod",
        why: "The test bed's API server runs without the ServiceAccount admission, since nothing runs in \
              its pods. The embedded one names `default`, as every other cluster does.",
        places: &[
            ("creating", "a pod", "/spec/serviceAccountName"),
            ("creating", "as it is kept", "/spec/serviceAccountName"),
            ("creating", "a dry run", "/spec/serviceAccountName"),
            (
                "deleting",
                "one that fits nowhere",
                "/spec/serviceAccountName",
            ),
            ("kubectl", "describe pod prometheus-k8s-0", "output"),
        ],
    },
    Difference {
        name: "an apply by the server, an eviction",
        why: "Nodefall deletes and patches; it neither applies nor evicts, and kubectl's get, describe and \
              delete do not either.",
        places: &[
            ("creating", "an apply by the server", "*"),
            ("creating", "an eviction", "*"),
            ("creating", "the applied one", "*"),
        ],
    },
    Difference {
        name: "pods that are left on purpose",
        why: "Nodefall deletes no workload. The embedded one collects what a workload owned, however the \
              delete asks for it to be left.",
        places: &[
            ("workloads", "it alone is ended", "*"),
            ("workloads", "the pod that is left", "*"),
            ("workloads", "the pod ends too", "*"),
        ],
    },
    Difference {
        name: "an annotation of old",
        why: "`deprecated.daemonset.template.generation` is for clients of extensions/v1beta1, which no \
              server has had since 1.16.",
        places: &[("creating", "a DaemonSet", "/metadata/annotations")],
    },
    Difference {
        name: "pods that a ReplicaSet finds",
        why: "A ReplicaSet or DaemonSet of the embedded one adopts no stray pod. Nodefall acts on what a \
              StatefulSet owns, and StatefulSets adopt.",
        places: &[("workloads", "it is adopted too", "came")],
    },
    Difference {
        name: "deleting a Namespace",
        why: "Nodefall never does, and a controller would have to empty it first: it is not served.",
        places: &[(
            "asking",
            "the core resources",
            "/resources/name=namespaces/verbs",
        )],
    },
    Difference {
        name: "a review of nothing",
        why: "Nodefall asks for rights on resources only; the embedded one reads nothing else.",
        places: &[("asking", "a review of nothing", "*")],
    },
    Difference {
        name: "forms other than JSON",
        why: "The embedded one speaks JSON whatever it is asked for; nobody asks it for anything else.",
        places: &[
            ("asking", "a form that nobody has", "*"),
            ("asking", "a list in a form that nobody has", "*"),
        ],
    },
    Difference {
        name: "the body of a refused POST /version",
        why: "The status is the same; no client posts there.",
        places: &[
            ("asking", "POST of the version", "form"),
            ("asking", "POST of the version", "/kind"),
            ("asking", "POST of the version", "/apiVersion"),
            ("asking", "POST of the version", "/code"),
            ("asking", "POST of the version", "/details"),
            ("asking", "POST of the version", "/message"),
            ("asking", "POST of the version", "/metadata"),
            ("asking", "POST of the version", "/reason"),
            ("asking", "POST of the version", "/status"),
        ],
    },
    Difference {
        name: "labels that cannot be",
        why: "Nodefall selects by fields only. In a selector the embedded one takes any text for a label's \
              name, and finds nothing.",
        places: &[("reading", "by a label that cannot be", "*")],
    },
    Difference {
        name: "every step on the way",
        why: "A watch of the embedded one looks ten times a second and tells what became of an object, not \
              each change in between. Its end is never missed, and nobody waits for more.",
        places: &[("reading", "a watch from the list on", "*")],
    },
];
