//! The labels that only metrics use.

use crate::decide::labels;

labels! {
    /// The status code of an answer to a request for `/webhook`.
    Code {
        /// Nothing in it concerns us.
        Ok = "200",
        /// A node was taken in hand.
        Accepted = "202",
        /// Not a payload, or only alerts that are refused.
        BadRequest = "400",
        /// No credentials.
        Unauthorized = "401",
        /// Wrong credentials.
        Forbidden = "403",
        /// Not a POST.
        MethodNotAllowed = "405",
        /// The body came too slowly.
        RequestTimeout = "408",
        /// The body is too large.
        PayloadTooLarge = "413",
        /// A fault of our own.
        InternalServerError = "500",
        /// Not ready, draining, or full.
        ServiceUnavailable = "503",
        /// Anything else.
        Other = "other",
    }
}

impl Code {
    /// The label for a status code.
    pub fn of(code: u16) -> Self {
        let code = code.to_string();
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == code)
            .unwrap_or(Self::Other)
    }
}

labels! {
    /// Why a caller was not let in.
    AuthFailure {
        /// No credentials, or no verified certificate, where they are needed.
        Missing = "missing",
        /// An `Authorization` header that is none.
        Malformed = "malformed",
        /// Nobody has these.
        WrongCredentials = "wrong_credentials",
        /// A ServiceAccount, or a certificate, that is not on the list.
        NotAllowed = "not_allowed",
        /// Too many credentials are being checked.
        Busy = "busy",
        /// The API server does not say whose token it is.
        Unavailable = "unavailable",
        /// The TLS handshake failed.
        Tls = "tls",
    }
}

labels! {
    /// Why a request to the Kubernetes API failed.
    ApiErrorReason {
        /// No answer in time.
        Timeout = "timeout",
        /// No connection, or it was lost.
        Connect = "connect",
        /// 401 or 403.
        Forbidden = "forbidden",
        /// A 409 that nobody expected.
        Conflict = "conflict",
        /// 400 or 422.
        Invalid = "invalid",
        /// 429.
        Throttled = "throttled",
        /// 5xx.
        Server = "server",
        /// The answer is not what it should be.
        Decode = "decode",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// How the wait for a replacement ended.
    Replaced {
        /// It is Ready.
        Ready = "ready",
        /// It was not Ready in time.
        Late = "late",
        /// It will not come: its StatefulSet is gone, or was scaled down.
        Never = "never",
    }
}

/// Declares the requests that are made of the Kubernetes API, each with its verb and resource as
/// RBAC names them.
macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident = $verb:literal $resource:literal,)+) => {
        /// A request that is made of the Kubernetes API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Call { $($(#[$doc])* $variant,)+ }

        impl Call {
            /// Every call, so that each series can exist from the start.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The verb as RBAC names it.
            pub const fn verb(self) -> &'static str {
                match self { $(Self::$variant => $verb,)+ }
            }

            /// The resource as RBAC names it.
            pub const fn resource(self) -> &'static str {
                match self { $(Self::$variant => $resource,)+ }
            }
        }
    };
}

calls! {
    /// The Node that is judged.
    GetNode = "get" "nodes",
    /// The fleet, as a Table.
    ListNodes = "list" "nodes",
    /// The Lease of the Node that is judged.
    GetLease = "get" "leases",
    /// The pods of a node, or those that failed.
    ListPods = "list" "pods",
    /// One pod: is it still there, is its replacement Ready.
    GetPod = "get" "pods",
    /// The forced deletion.
    DeletePod = "delete" "pods",
    /// The clearing of finalizers.
    PatchPod = "patch" "pods",
    /// The owner of a replacement that does not come.
    GetStatefulSet = "get" "statefulsets",
    /// What was done, for people.
    CreateEvent = "create" "events",
    /// What are we allowed to do.
    ReviewAccess = "create" "selfsubjectaccessreviews",
    /// Whose token is it that somebody brought.
    ReviewToken = "create" "tokenreviews",
}
