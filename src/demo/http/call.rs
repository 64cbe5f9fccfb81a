//! A request, read: which verb on which resource.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{HeaderMap, Method, Uri, header};

use super::failure::Failure;
use super::resources::{RESOURCES, Resource};

/// A request to the API.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) verb: &'static str,
    pub(super) resource: Resource,
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) subresource: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) accept: String,
    pub(super) content_type: String,
    pub(super) user_agent: String,
    pub(super) body: Bytes,
}

impl Call {
    /// Reads a request; `None` when there is nothing at that path, or no such method.
    pub(super) fn read(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Option<Self> {
        let path = uri.path();
        let (group_path, rest) = if let Some(rest) = path.strip_prefix("/api/v1/") {
            ("/api/v1", rest)
        } else {
            let (group, rest) = path.strip_prefix("/apis/")?.split_once('/')?;
            let (version, rest) = rest.split_once('/')?;
            (
                &path[.."/apis/".len() + group.len() + 1 + version.len()],
                rest,
            )
        };
        let mut parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let namespace = match parts[..] {
            ["namespaces", namespace, _, ..] => {
                parts.drain(..2);
                Some(namespace.to_owned())
            }
            _ => None,
        };
        let (plural, name, subresource) = match parts[..] {
            [plural] => (plural, "", ""),
            [plural, name] if !name.is_empty() => (plural, name, ""),
            [plural, name, subresource] if !name.is_empty() => (plural, name, subresource),
            _ => return None,
        };
        let (resource, group_path, plural, kind, namespaced) = *RESOURCES
            .iter()
            .find(|(_, group, known, ..)| *group == group_path && *known == plural)?;
        if namespaced != namespace.is_some() && !(namespaced && name.is_empty()) {
            return None;
        }
        let query: BTreeMap<String, String> = Query::try_from_uri(uri)
            .map(|Query(query)| query)
            .unwrap_or_default();
        let watch = query
            .get("watch")
            .is_some_and(|watch| watch == "true" || watch == "1");
        let verb = match *method {
            Method::GET if watch && name.is_empty() => "watch",
            Method::GET if name.is_empty() => "list",
            Method::GET => "get",
            // A list may go over all namespaces, a write may not.
            _ if name.is_empty() && namespaced && namespace.is_none() => return None,
            Method::POST if name.is_empty() => "create",
            Method::DELETE if name.is_empty() => "deletecollection",
            Method::PUT if !name.is_empty() => "update",
            Method::PATCH if !name.is_empty() => "patch",
            Method::DELETE if !name.is_empty() => "delete",
            _ => return None,
        };
        let text = |name: header::HeaderName| {
            headers
                .get(name)
                .and_then(|it| it.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        Some(Self {
            verb,
            resource,
            group: group_path
                .strip_prefix("/apis/")
                .map_or("", |it| it.trim_end_matches("/v1")),
            plural,
            kind,
            namespace,
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            query,
            accept: text(header::ACCEPT),
            content_type: text(header::CONTENT_TYPE),
            user_agent: text(header::USER_AGENT),
            body,
        })
    }

    /// A query parameter that is not empty.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Asked to change nothing.
    pub(super) fn dry_run(&self) -> bool {
        self.param("dryRun") == Some("All")
    }

    /// The object's key.
    pub(super) fn key(&self) -> (String, String) {
        (
            self.namespace.clone().unwrap_or_default(),
            self.name.clone(),
        )
    }

    /// `pods`, or `nodes/status`.
    pub(super) fn full_resource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.plural.to_owned(),
            subresource => format!("{}/{subresource}", self.plural),
        }
    }

    /// `pods`, or `statefulsets.apps`, as error messages have it.
    pub(super) fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Whether the type of the body is one that is read: none is JSON.
    pub(super) fn accepts_body(&self) -> Result<(), Failure> {
        match self.content_type.split(';').next().unwrap_or_default() {
            "" | "*/*" | "application/json" | "application/yaml" => Ok(()),
            _ => Err(Failure::unsupported_media(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            )),
        }
    }

    /// Who writes, as `managedFields` names it: what the user agent begins with.
    pub(super) fn manager(&self) -> String {
        if let Some(manager) = self.param("fieldManager") {
            return manager.to_owned();
        }
        match self.user_agent.split('/').next() {
            Some(first) if !first.is_empty() => first.to_owned(),
            _ => "unknown".to_owned(),
        }
    }

    /// Whether the answer shall be a Table.
    pub(super) fn wants_table(&self) -> bool {
        self.accept.split(',').any(|one| {
            one.contains("as=Table") && one.contains("v=v1") && !one.contains("v=v1beta1")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, path: &str) -> Option<Call> {
        let method = method.parse().unwrap();
        Call::read(
            &method,
            &path.parse().unwrap(),
            &HeaderMap::new(),
            Bytes::new(),
        )
    }

    #[test]
    fn paths_name_what_they_mean() {
        let call = read("GET", "/api/v1/namespaces/monitoring/pods/p-0").unwrap();
        assert_eq!((call.verb, call.resource), ("get", Resource::Pods));
        assert_eq!(call.key(), ("monitoring".into(), "p-0".into()));
        let call = read(
            "GET",
            "/api/v1/pods?fieldSelector=spec.nodeName%3Da&limit=5",
        )
        .unwrap();
        assert_eq!(
            (call.verb, call.param("fieldSelector")),
            ("list", Some("spec.nodeName=a"))
        );
        let call = read("PATCH", "/apis/apps/v1/namespaces/n/statefulsets/s/scale").unwrap();
        assert_eq!(call.full_resource(), "statefulsets/scale");
        assert_eq!(call.qualified(), "statefulsets.apps");
        assert_eq!(read("DELETE", "/api/v1/nodes/a").unwrap().verb, "delete");
        for nothing in [
            "/api/v1/unicorns",
            "/api/v1/pods/p",
            "/api/v2/pods",
            "/api/v1/namespaces/n/nodes/a",
        ] {
            assert!(read("GET", nothing).is_none(), "{nothing}");
        }
    }
}
