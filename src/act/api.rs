//! Every call that the product makes to the Kubernetes API; the shipped Roles grant just these.

use super::error::ApiError;
use super::table::Table;
use super::transport::{READ_TIMEOUT, Received, Transport, WRITE_TIMEOUT};
use crate::decide::{
    Answer, Fleet, Lease, Meta, Node, NodeName, Pod, StatefulSet, check_subdomain, quoted,
};
use crate::metrics::Call;
use http::Request as Http;
use http::header::{ACCEPT, HeaderValue};
use kube::core::Request;
use kube::core::params::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

/// Nodes as a Table without objects: about 130 bytes a node instead of 10 KB.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Pods are listed in pages, so that memory does not grow with a full node.
const PAGE: u32 = 250;

/// More pages than any list has: 100,000 pods. A server that goes on for ever is not followed.
const PAGES: u32 = 400;

/// A right that the product uses.
pub struct Right<'a> {
    /// `get`, `list`, `delete`, `patch`, `create`.
    pub verb: &'static str,
    /// API group; empty for the core.
    pub group: &'static str,
    /// Resource, plural.
    pub resource: &'static str,
    /// Namespace; none for the cluster's own.
    pub namespace: Option<&'a str>,
    /// The one object that it is asked for; none for all of them.
    pub name: Option<&'a str>,
}

/// The calls, over one [`Transport`].
#[derive(Clone)]
pub struct Api {
    pub(super) transport: Transport,
}

impl Api {
    /// Over `transport`.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }

    /// Reads the Node.
    ///
    /// # Errors
    /// See [`ApiError`]; an absent object is none.
    pub async fn node(&self, name: &NodeName) -> Result<Answer<Node>, ApiError> {
        let path = "/api/v1/nodes";
        self.get(Call::GetNode, path, name.as_str(), |node: &Node| {
            &node.metadata
        })
        .await
    }

    /// Reads the node's Lease.
    ///
    /// # Errors
    /// See [`ApiError`]; an absent object is none.
    pub async fn lease(&self, name: &NodeName) -> Result<Answer<Lease>, ApiError> {
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        self.get(Call::GetLease, path, name.as_str(), |lease: &Lease| {
            &lease.metadata
        })
        .await
    }

    /// Reads a pod.
    ///
    /// # Errors
    /// See [`ApiError`]; an absent object is none.
    pub async fn pod(&self, namespace: &str, name: &str) -> Result<Answer<Pod>, ApiError> {
        let path = pods_path(namespace);
        let answer = self
            .get(Call::GetPod, &path, name, |pod: &Pod| &pod.metadata)
            .await?;
        answer
            .object
            .iter()
            .try_for_each(|pod| identified(pod, namespace))?;
        Ok(answer)
    }

    /// Reads a StatefulSet.
    ///
    /// # Errors
    /// See [`ApiError`]; an absent object is none.
    pub async fn stateful_set(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Answer<StatefulSet>, ApiError> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets");
        self.get(Call::GetStatefulSet, &path, name, |set: &StatefulSet| {
            &set.metadata
        })
        .await
    }

    /// Reads one object; what has another name than the one that was asked for is no answer.
    async fn get<T: DeserializeOwned>(
        &self,
        call: Call,
        path: &str,
        name: &str,
        metadata: impl Fn(&T) -> &Meta,
    ) -> Result<Answer<T>, ApiError> {
        check_subdomain(name).map_err(|why| ApiError::Decode(format!("{} {why}", quoted(name))))?;
        // No resourceVersion: the answer comes from etcd, not from the API server's cache.
        let request = Request::new(path)
            .get(name, &GetParams::default())
            .map_err(build)?;
        match self.transport.send::<T>(call, request, READ_TIMEOUT).await {
            Ok(Received { body, date }) => {
                let told = &metadata(&body).name;
                if told != name {
                    let why = format!("it is about {}, not {name}", quoted(told));
                    return Err(ApiError::Decode(why));
                }
                let object = Some(body);
                Ok(Answer { object, date })
            }
            Err(error) if error.code() == Some(404) => Ok(Answer {
                object: None,
                date: None,
            }),
            Err(error) => Err(error),
        }
    }

    /// Lists the pods of a namespace that match a field selector, such as `spec.nodeName=NODE`, and
    /// keeps those that `keep` wants.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn pods(
        &self,
        namespace: &str,
        fields: &str,
        keep: impl Fn(&Pod) -> bool,
    ) -> Result<Vec<Pod>, ApiError> {
        let mut params = ListParams::default().fields(fields).limit(PAGE);
        let mut pods = Vec::new();
        for _ in 0..PAGES {
            let request = Request::new(pods_path(namespace))
                .list(&params)
                .map_err(build)?;
            let page: Page = self
                .transport
                .send(Call::ListPods, request, READ_TIMEOUT)
                .await?
                .body;
            for pod in page.items.into_iter().filter(&keep) {
                identified(&pod, namespace)?;
                pods.push(pod);
            }
            match page
                .metadata
                .and_then(|m| m.continue_)
                .filter(|token| !token.is_empty())
            {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(pods),
            }
        }
        Err(ApiError::Decode(format!(
            "a list of pods does not end after {PAGES} pages"
        )))
    }

    /// Reads which nodes are Ready.
    ///
    /// # Errors
    /// See [`ApiError`]; a Table without names, or with a status that we do not know, is
    /// [`ApiError::Decode`].
    pub async fn fleet(&self) -> Result<Fleet, ApiError> {
        let mut request = Http::get("/api/v1/nodes?includeObject=None")
            .body(Vec::new())
            .map_err(|e| ApiError::Decode(e.to_string()))?;
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static(TABLE));
        let table: Table = self
            .transport
            .send(Call::ListNodes, request, READ_TIMEOUT)
            .await?
            .body;
        table.fleet().map_err(ApiError::Decode)
    }

    /// Deletes a pod with grace 0, if it still has that UID.
    ///
    /// # Errors
    /// See [`ApiError`]; 409 for another UID, 404 for none.
    pub async fn delete_pod(&self, pod: &Pod) -> Result<(), ApiError> {
        let uid = Some(pod.metadata.uid.clone());
        let preconditions = Preconditions {
            uid,
            resource_version: None,
        };
        let params = DeleteParams::default()
            .grace_period(0)
            .preconditions(preconditions);
        let request = Request::new(pods_path(&pod.metadata.namespace))
            .delete(&pod.metadata.name, &params)
            .map_err(build)?;
        self.write(Call::DeletePod, request).await
    }

    /// Clears a pod's finalizers, if it still has that UID.
    ///
    /// # Errors
    /// See [`ApiError`]; 422 for another UID, 404 for none.
    pub async fn clear_finalizers(&self, pod: &Pod) -> Result<(), ApiError> {
        let patch = json!({"metadata": {"uid": pod.metadata.uid, "finalizers": null}});
        let request = Request::new(pods_path(&pod.metadata.namespace))
            .patch(
                &pod.metadata.name,
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .map_err(build)?;
        self.write(Call::PatchPod, request).await
    }

    /// Writes an Event (`events.k8s.io/v1`), given as JSON.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn create_event(&self, namespace: &str, event: Vec<u8>) -> Result<(), ApiError> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        self.write(Call::CreateEvent, create(&path, event)?).await
    }

    /// Asks whether this process may use a right.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn is_allowed(&self, right: &Right<'_>) -> Result<bool, ApiError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": right.verb, "group": right.group, "resource": right.resource,
                "namespace": right.namespace, "name": right.name,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let request = create(path, review.to_string().into_bytes())?;
        let review: Review = self
            .transport
            .send(Call::ReviewAccess, request, WRITE_TIMEOUT)
            .await?
            .body;
        Ok(review.status.allowed)
    }

    async fn write(&self, call: Call, request: Http<Vec<u8>>) -> Result<(), ApiError> {
        self.transport
            .send::<IgnoredAny>(call, request, WRITE_TIMEOUT)
            .await
            .map(|_| ())
    }
}

pub(super) fn create(path: &str, body: Vec<u8>) -> Result<Http<Vec<u8>>, ApiError> {
    Request::new(path)
        .create(&PostParams::default(), body)
        .map_err(build)
}

/// Checks what a pod's deletion rests on: a place in the API, and the UID that binds it. Without a UID
/// the API server takes a patch for whatever pod has the name.
fn identified(pod: &Pod, namespace: &str) -> Result<(), ApiError> {
    let meta = &pod.metadata;
    let why = if let Err(why) = check_subdomain(&meta.name) {
        format!("a pod's name {} {why}", quoted(&meta.name))
    } else if meta.namespace != namespace {
        format!("the pod {} is not in {namespace}", meta.name)
    } else if meta.uid.is_empty() || !meta.uid.bytes().all(|b| b.is_ascii_graphic()) {
        format!("the pod {} has the UID {}", pod.path(), quoted(&meta.uid))
    } else {
        return Ok(());
    };
    Err(ApiError::Decode(why))
}

fn pods_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

fn build(error: kube::core::request::Error) -> ApiError {
    ApiError::Decode(format!("the request cannot be built: {error}"))
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Pod>,
    metadata: Option<PageMeta>,
}

#[derive(Deserialize)]
struct PageMeta {
    #[serde(rename = "continue")]
    continue_: Option<String>,
}

#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
struct ReviewStatus {
    #[serde(default)]
    allowed: bool,
}

#[cfg(test)]
mod tests;
