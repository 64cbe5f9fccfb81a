//! The Deployment controller, as far as its ReplicaSets: a new template takes over at once, not pod
//! by pod.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Controller;
use super::queue::Queue;
use super::template::{owner_reference, revision_of, soon};
use crate::demo::world::{Change, Key, World, controller, key_of, time};

const ACTOR: &str = "deployment-controller";
const HASH: &str = "pod-template-hash";

/// The controller.
#[derive(Default)]
pub(super) struct Deployments {
    dirty: Queue<Key>,
}

impl Controller for Deployments {
    fn observe(&mut self, world: &World, change: &Change) {
        let key = match change {
            Change::Workload("Deployment", key) => key.clone(),
            // A ReplicaSet is called as its Deployment, with a hash behind.
            Change::Workload("ReplicaSet", key) => match key.1.rsplit_once('-') {
                Some((name, _)) => (key.0.clone(), name.to_owned()),
                None => return,
            },
            _ => return,
        };
        self.dirty.add(key, soon(world.now, &world.constants));
    }

    fn next(&self) -> Option<Timestamp> {
        self.dirty.next()
    }

    fn step(&mut self, world: &mut World) {
        while let Some(at) = self.dirty.pop(world.now) {
            sync(world, &at);
        }
    }
}

/// The ReplicaSet of a Deployment's present template.
pub(in crate::demo) fn replicaset_of(deployment: &Deployment) -> ReplicaSet {
    let meta = &deployment.metadata;
    let mut spec = deployment.spec.clone().unwrap_or_default();
    let hash = revision_of(&spec.template);
    let name = meta.name.as_deref().unwrap_or_default();
    let template = spec.template.metadata.get_or_insert_default();
    let labels = template.labels.get_or_insert_default();
    labels.insert(HASH.to_owned(), hash.clone());
    let labels = labels.clone();
    let selector = spec.selector.match_labels.get_or_insert_default();
    selector.insert(HASH.to_owned(), hash.clone());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{hash}")),
            namespace: meta.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![owner_reference(deployment)]),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: spec.replicas,
            selector: spec.selector,
            template: Some(spec.template),
            ..ReplicaSetSpec::default()
        }),
        status: None,
    }
}

fn sync(world: &mut World, at: &Key) {
    let Some(deployment) = world.deployments.get(at).cloned() else {
        return;
    };
    let uid = deployment.metadata.uid.as_ref();
    let owns = |set: &&ReplicaSet| controller(&set.metadata).map(|owner| &owner.uid) == uid;
    let present = replicaset_of(&deployment);
    let present_key = key_of(&present);
    let own: Vec<Key> = world
        .replicasets
        .values()
        .filter(owns)
        .map(key_of)
        .collect();
    if deployment.metadata.deletion_timestamp.is_none() {
        let wanted = present.spec.as_ref().and_then(|spec| spec.replicas);
        if !own.contains(&present_key) {
            world.create(ACTOR, present);
        }
        for old in &own {
            let replicas = if *old == present_key { wanted } else { Some(0) };
            world.update::<ReplicaSet>(old, ACTOR, |set| {
                let spec = set.spec.get_or_insert_default();
                if spec.replicas != replicas {
                    spec.replicas = replicas;
                    set.metadata.generation = set.metadata.generation.map(|at| at + 1);
                }
            });
        }
    }
    let set = world.replicasets.get(&present_key);
    let set = set.and_then(|set| set.status.clone()).unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let status = DeploymentStatus {
        replicas: Some(set.replicas),
        updated_replicas: Some(set.replicas),
        ready_replicas: set.ready_replicas,
        available_replicas: set.available_replicas,
        unavailable_replicas: Some(wanted.unwrap_or(1) - set.available_replicas.unwrap_or(0))
            .filter(|missing| *missing > 0),
        observed_generation: deployment.metadata.generation,
        conditions: Some(vec![available(&deployment, &set.ready_replicas, world.now)]),
        ..DeploymentStatus::default()
    };
    world.update::<Deployment>(at, ACTOR, |deployment| deployment.status = Some(status));
}

/// Whether enough of it runs.
fn available(deployment: &Deployment, ready: &Option<i32>, now: Timestamp) -> DeploymentCondition {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let (status, reason) = match ready.unwrap_or(0) >= wanted.unwrap_or(1) {
        true => ("True", "MinimumReplicasAvailable"),
        false => ("False", "MinimumReplicasUnavailable"),
    };
    let conditions = deployment
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let since = conditions
        .filter(|one| one.status == status)
        .find_map(|one| one.last_transition_time.clone());
    DeploymentCondition {
        type_: "Available".to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        last_transition_time: since.or_else(|| Some(time(now))),
        ..DeploymentCondition::default()
    }
}
