//! How the API server deletes a pod: grace, preconditions, finalizers.
//!
//! After apimachinery's `registry/rest/delete.go` and the pod strategy of Kubernetes 1.36.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::audit::{Entry, Truth};
use super::objects::{OUT_OF_SERVICE, claims, finished, has_taint, is_node_ready, node_name};
use super::world::{Key, World, key, time};

/// What a delete asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deletion {
    /// Seconds; `None` is the pod's own.
    pub grace: Option<i64>,
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Only the object as of this resourceVersion.
    pub resource_version: Option<String>,
    /// Check and answer only.
    pub dry_run: bool,
}

impl Deletion {
    /// At once, and only this UID.
    pub fn now(uid: &str) -> Self {
        Self {
            grace: Some(0),
            uid: Some(uid.to_owned()),
            ..Self::default()
        }
    }

    /// Whether an object is the one that is to be deleted.
    ///
    /// # Errors
    ///
    /// [`Refusal::Conflict`], when a precondition does not hold.
    pub fn holds_for(&self, meta: &ObjectMeta) -> Result<(), Refusal> {
        let uid = meta.uid.as_deref().unwrap_or_default();
        if let Some(wanted) = self.uid.as_deref().filter(|wanted| *wanted != uid) {
            return Err(Refusal::Conflict(format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). \
                 The object might have been deleted and then recreated"
            )));
        }
        let version = meta.resource_version.as_deref().unwrap_or_default();
        let wanted = self.resource_version.as_deref();
        if let Some(wanted) = wanted.filter(|wanted| *wanted != version) {
            return Err(Refusal::Conflict(format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the \
                 ResourceVersion in record ({version}). The object might have been modified"
            )));
        }
        Ok(())
    }
}

/// Why a pod was not deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// There is none of that name.
    NotFound,
    /// A precondition does not hold; in the API server's words.
    Conflict(String),
}

/// Deletes a pod as the API server does, and answers with the Pod that the response shows.
///
/// # Errors
///
/// [`Refusal`], when there is no such pod or a precondition does not hold.
pub fn delete_pod(world: &mut World, at: &Key, asked: &Deletion) -> Result<Pod, Refusal> {
    let pod = world.pods.get(at).ok_or(Refusal::NotFound)?;
    asked.holds_for(&pod.metadata)?;
    let mut deleted = pod.clone();
    if !mark_deleted(world, &mut deleted, asked.grace) || asked.dry_run {
        return Ok(deleted);
    }
    let marked = deleted.metadata.clone();
    world.update::<Pod>(at, "kube-apiserver", |pod| {
        pod.metadata.deletion_timestamp = marked.deletion_timestamp;
        pod.metadata.deletion_grace_period_seconds = marked.deletion_grace_period_seconds;
        pod.metadata.generation = marked.generation;
    });
    let stored = world.pods.get(at).cloned().unwrap_or(deleted);
    remove_if_free(world, at);
    Ok(stored)
}

/// Deletes a pod in the name of a controller of the cluster, and writes it into the audit log.
pub fn delete_as(world: &mut World, actor: &str, at: &Key, asked: &Deletion) {
    let truth = world
        .pods
        .get(at)
        .map(|pod| Truth::of(world, pod, asked.uid.clone()));
    let status = match delete_pod(world, at, asked) {
        Ok(_) => 200,
        Err(Refusal::NotFound) => 404,
        Err(Refusal::Conflict(_)) => 409,
    };
    world.record(Entry {
        at: world.now,
        verb: "delete",
        resource: "pods".to_owned(),
        namespace: at.0.clone(),
        name: at.1.clone(),
        status,
        own: true,
        user_agent: actor.to_owned(),
        dry_run: false,
        truth,
    });
}

/// Removes a pod that was deleted with grace 0 and that no finalizer holds any more.
pub fn remove_if_free(world: &mut World, at: &Key) {
    let free = world.pods.get(at).is_some_and(|pod| {
        pod.metadata.deletion_grace_period_seconds == Some(0)
            && pod.metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
    });
    if free && let Some(pod) = world.remove::<Pod>(at) {
        release_volumes(world, &pod);
    }
}

/// Marks a pod as being deleted; answers whether that changed anything.
fn mark_deleted(world: &World, pod: &mut Pod, asked: Option<i64>) -> bool {
    let asked = asked.map(|grace| if grace < 0 { 1 } else { grace });
    if let Some(since) = &pod.metadata.deletion_timestamp {
        // Once begun, the grace may only be shortened.
        let old = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        let Some(shorter) = asked.filter(|asked| *asked < old) else {
            return false;
        };
        let earlier = Duration::from_secs((old - shorter).unsigned_abs());
        pod.metadata.deletion_timestamp = Some(time(since.0 - earlier));
        pod.metadata.deletion_grace_period_seconds = Some(shorter);
        return true;
    }
    let own = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.termination_grace_period_seconds);
    // A pod that runs nowhere, or not any more, needs no grace.
    let grace = match node_name(pod) {
        Some(_) if !finished(pod) => asked.or(own).unwrap_or(0),
        _ => 0,
    };
    pod.metadata.deletion_timestamp =
        Some(time(world.now + Duration::from_secs(grace.unsigned_abs())));
    pod.metadata.deletion_grace_period_seconds = Some(grace);
    pod.metadata.generation = pod.metadata.generation.map(|before| before + 1);
    true
}

/// The attach/detach controller's part: a volume leaves a healthy node at once, any other only
/// after six minutes, unless a person has declared the node out of service.
fn release_volumes(world: &mut World, pod: &Pod) {
    let Some(node_name) = node_name(pod) else {
        return;
    };
    let healthy = world
        .get("", node_name)
        .is_none_or(|node| is_node_ready(node) || has_taint(node, OUT_OF_SERVICE, "NoExecute"));
    let free_at = if healthy {
        world.now
    } else {
        world.now + world.constants.detach_after
    };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    for claim in claims(pod) {
        if let Some(attached) = world.volumes.get_mut(&key(namespace, claim))
            && attached.node == node_name
        {
            attached.free_at = Some(free_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::demo::constants::Constants;

    fn world(finalizer: Option<&str>) -> (World, Key, String) {
        let mut world = World::new(Constants::default());
        let pod = Pod {
            metadata: ObjectMeta {
                name: Some("p".into()),
                namespace: Some("n".into()),
                finalizers: finalizer.map(|one| vec![one.to_owned()]),
                ..ObjectMeta::default()
            },
            spec: Some(PodSpec {
                node_name: Some("a".into()),
                termination_grace_period_seconds: Some(600),
                ..PodSpec::default()
            }),
            ..Pod::default()
        };
        let uid = world.create("test", pod).metadata.uid.unwrap();
        (world, key("n", "p"), uid)
    }

    #[test]
    fn an_ordinary_delete_waits_for_the_pods_own_grace() {
        let (mut world, at, uid) = world(None);
        let deleted = delete_pod(&mut world, &at, &Deletion::default()).unwrap();
        assert_eq!(deleted.metadata.deletion_grace_period_seconds, Some(600));
        let ends = world.now + Duration::from_secs(600);
        assert_eq!(deleted.metadata.deletion_timestamp, Some(time(ends)));
        // Asking again, or for longer, changes nothing; asking for less shortens it.
        let version = world.revision();
        let longer = Deletion {
            grace: Some(900),
            ..Deletion::default()
        };
        delete_pod(&mut world, &at, &longer).unwrap();
        assert_eq!(world.revision(), version);
        let deleted = delete_pod(&mut world, &at, &Deletion::now(&uid)).unwrap();
        assert_eq!(deleted.metadata.deletion_timestamp, Some(time(world.now)));
        assert!(!world.pods.contains_key(&at));
        assert_eq!(
            delete_pod(&mut world, &at, &Deletion::now(&uid)),
            Err(Refusal::NotFound)
        );
    }

    #[test]
    fn preconditions_are_conflicts_in_the_servers_words() {
        let (mut world, at, uid) = world(None);
        let Err(Refusal::Conflict(words)) = delete_pod(&mut world, &at, &Deletion::now("other"))
        else {
            panic!("another UID was deleted");
        };
        assert_eq!(
            words,
            format!(
                "the UID in the precondition (other) does not match the UID in record ({uid}). \
                 The object might have been deleted and then recreated"
            )
        );
        let stale = Deletion {
            resource_version: Some("1".into()),
            ..Deletion::now(&uid)
        };
        assert!(matches!(
            delete_pod(&mut world, &at, &stale),
            Err(Refusal::Conflict(_))
        ));
        assert!(world.pods.contains_key(&at));
    }

    #[test]
    fn a_finalizer_keeps_the_pod_until_it_is_cleared_after_a_grace_0_delete() {
        let (mut world, at, uid) = world(Some("example.com/hold"));
        delete_pod(&mut world, &at, &Deletion::default()).unwrap();
        let clear = |world: &mut World| {
            world.update::<Pod>(&at, "test", |pod| pod.metadata.finalizers = None);
            remove_if_free(world, &at);
        };
        clear(&mut world);
        assert!(
            world.pods.contains_key(&at),
            "an ordinary delete still waits for its grace"
        );
        world.update::<Pod>(&at, "test", |pod| {
            pod.metadata.finalizers = Some(vec!["example.com/hold".into()]);
        });
        let answer = delete_pod(&mut world, &at, &Deletion::now(&uid)).unwrap();
        assert_eq!(
            answer.metadata.finalizers,
            Some(vec!["example.com/hold".to_owned()])
        );
        assert!(world.pods.contains_key(&at));
        clear(&mut world);
        assert!(!world.pods.contains_key(&at));
    }

    #[test]
    fn a_dry_run_answers_alike_and_changes_nothing() {
        let (mut world, at, uid) = world(None);
        let version = world.revision();
        let asked = Deletion {
            dry_run: true,
            ..Deletion::now(&uid)
        };
        let answer = delete_pod(&mut world, &at, &asked).unwrap();
        assert_eq!(answer.metadata.deletion_grace_period_seconds, Some(0));
        assert_eq!(world.revision(), version);
    }
}
