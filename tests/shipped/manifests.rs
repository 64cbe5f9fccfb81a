//! What `kubectl apply -k manifests` applies: rights, hardening, and that the parts fit.

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
    core::v1::{Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    scheduling::v1::PriorityClass,
};
use nodefall_testbed::process::Scratch;
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;

use super::*;

/// What `kubectl apply -k manifests` applies: the files that its kustomization names, those of
/// `namespace/` put into `monitoring` as the transformer there does.
pub fn applied() -> Vec<Value> {
    let kustomization = yaml("manifests/kustomization.yaml");
    let mut objects = Vec::new();
    for resource in texts(&kustomization["resources"]) {
        if resource == "namespace" {
            for mut object in documents("manifests/namespace/rbac.yaml") {
                assert!(object["metadata"]["namespace"].is_null());
                object["metadata"]["namespace"] = json!("monitoring");
                objects.push(object);
            }
        } else {
            objects.extend(documents(&format!("manifests/{resource}")));
        }
    }
    objects
}

pub fn one(kind: &str) -> Value {
    let mut found: Vec<Value> = applied()
        .into_iter()
        .filter(|object| object["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "objects of kind {kind}");
    found.remove(0)
}

pub fn pod() -> Value {
    one("Deployment")["spec"]["template"]["spec"].clone()
}

#[test]
fn kustomizations_name_every_file() {
    let folders = [
        "",
        "/namespace",
        "/components/admission-policy",
        "/components/exact-names",
        "/components/prometheus-operator",
        "/components/web-auth",
    ];
    for folder in folders.map(|folder| format!("manifests{folder}")) {
        let kustomization = yaml(&format!("{folder}/kustomization.yaml"));
        let listed = |field: &str| kustomization[field].as_array().into_iter().flatten();
        let patches = listed("patches").filter_map(|patch| patch["path"].as_str());
        let mut named: BTreeSet<String> = listed("resources")
            .map(text)
            .chain(patches)
            .filter(|name| name.ends_with(".yaml"))
            .map(|name| format!("{folder}/{name}"))
            .collect();
        named.insert(format!("{folder}/kustomization.yaml"));
        assert_eq!(named, files(&folder, ".yaml").into_iter().collect());
    }
    assert_eq!(
        yaml("manifests/namespace/kustomization.yaml")["resources"],
        json!(["rbac.yaml"])
    );
    let transformer = text(&yaml("manifests/kustomization.yaml")["transformers"][0]).to_owned();
    let transformer: Value = serde_saphyr::from_str(&transformer).expect("a transformer");
    assert_eq!(transformer["metadata"]["namespace"], "monitoring");
    assert_eq!(transformer["unsetOnly"], true);
}

#[test]
fn base_needs_no_custom_resource_and_is_labelled() {
    let builtin = [
        "v1",
        "apps/v1",
        "networking.k8s.io/v1",
        "policy/v1",
        "rbac.authorization.k8s.io/v1",
        "scheduling.k8s.io/v1",
    ];
    for object in applied() {
        let version = text(&object["apiVersion"]);
        assert!(builtin.contains(&version), "{version}");
        assert_eq!(
            object["metadata"]["labels"]["app.kubernetes.io/name"], "nodefall",
            "{object}"
        );
    }
}

/// Read as the API's own type and written again, an object is the same: no field is misspelt, at a
/// wrong place or of a wrong type.
#[test]
fn objects_are_of_the_kubernetes_api() {
    fn again<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
        let typed: T = serde_json::from_value(object.clone())
            .unwrap_or_else(|error| panic!("{error}: {object}"));
        serde_json::to_value(typed).expect("JSON")
    }
    let policy = documents("manifests/components/admission-policy/policy.yaml");
    for object in applied().into_iter().chain(policy) {
        let read = match text(&object["kind"]) {
            "ClusterRole" => again::<ClusterRole>(&object),
            "ClusterRoleBinding" => again::<ClusterRoleBinding>(&object),
            "Deployment" => again::<Deployment>(&object),
            "NetworkPolicy" => again::<NetworkPolicy>(&object),
            "PodDisruptionBudget" => again::<PodDisruptionBudget>(&object),
            "PriorityClass" => again::<PriorityClass>(&object),
            "Role" => again::<Role>(&object),
            "RoleBinding" => again::<RoleBinding>(&object),
            "Service" => again::<Service>(&object),
            "ServiceAccount" => again::<ServiceAccount>(&object),
            "ValidatingAdmissionPolicy" => again::<ValidatingAdmissionPolicy>(&object),
            "ValidatingAdmissionPolicyBinding" => {
                again::<ValidatingAdmissionPolicyBinding>(&object)
            }
            other => panic!("an object of kind {other}"),
        };
        assert_eq!(read, object);
    }
}

#[test]
fn each_role_is_bound_to_the_service_account_where_it_is() {
    let place = |object: &Value| {
        let metadata = &object["metadata"];
        (metadata["namespace"].clone(), metadata["name"].clone())
    };
    let objects = applied();
    let of = |kind| objects.iter().filter(move |object| object["kind"] == kind);
    for (role, binding) in [
        ("Role", "RoleBinding"),
        ("ClusterRole", "ClusterRoleBinding"),
    ] {
        let roles: Vec<_> = of(role).map(place).collect();
        assert_eq!(roles, of(binding).map(place).collect::<Vec<_>>());
        for binding in of(binding) {
            let (kind, name) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
            assert_eq!((kind, name), (&json!(role), &binding["metadata"]["name"]));
            let account =
                json!({"kind": "ServiceAccount", "name": "nodefall", "namespace": "monitoring"});
            assert_eq!(binding["subjects"], json!([account]));
        }
    }
    assert_eq!(one("ServiceAccount")["metadata"]["namespace"], "monitoring");
    assert_eq!(one("ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(pod()["serviceAccountName"], "nodefall");
    assert_eq!(pod()["automountServiceAccountToken"], true);
}

#[test]
fn a_replica_survives_the_node() {
    let spec = one("Deployment")["spec"].clone();
    assert_eq!(spec["replicas"], 2);
    assert_eq!(
        spec["strategy"]["rollingUpdate"],
        json!({"maxSurge": 0, "maxUnavailable": 1})
    );
    let pod = pod();
    assert_eq!(
        pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"],
        json!([{
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": spec["selector"],
        }])
    );
    let toleration = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30});
    let keys = [
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/not-ready",
    ];
    assert_eq!(pod["tolerations"], json!(keys.map(toleration)));
    let class = one("PriorityClass");
    assert_eq!(pod["priorityClassName"], class["metadata"]["name"]);
    assert_eq!(
        class["value"], 1_000_000_000,
        "the highest a class of one's own may have"
    );
    assert_eq!(one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    let grace = pod["terminationGracePeriodSeconds"]
        .as_u64()
        .expect("a number");
    assert!(
        grace > 20,
        "the program drains for up to 20 s, and gets {grace} s"
    );
}

#[test]
fn pod_meets_the_restricted_pod_security_standard() {
    let pod = pod();
    let context = &pod["securityContext"];
    assert_eq!(context["runAsNonRoot"], true);
    assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(pod["containers"][0]["securityContext"], expected);
    for absent in [
        "volumes",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "initContainers",
    ] {
        assert!(pod[absent].is_null(), "{absent}");
    }
    let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
    assert!(
        read("Dockerfile").contains(&format!("\nUSER {user}\n")),
        "{user}"
    );
    assert!(read("Dockerfile").contains("\nFROM scratch\n"));
}

#[test]
fn container_is_probed_and_bounded() {
    let container = pod()["containers"][0].clone();
    for (probe, path) in [
        ("livenessProbe", "/-/healthy"),
        ("readinessProbe", "/-/ready"),
    ] {
        assert_eq!(
            container[probe]["httpGet"],
            json!({"path": path, "port": "http"})
        );
    }
    for (bound, resource) in [
        ("requests", "cpu"),
        ("requests", "memory"),
        ("limits", "memory"),
    ] {
        assert!(
            container["resources"][bound][resource].is_string(),
            "{bound} {resource}"
        );
    }
    assert_eq!(
        texts(&container["args"]),
        [
            "run",
            "--namespace=monitoring",
            "--prometheus-name=prometheus-k8s",
            "--alertmanager-name=alertmanager-main",
        ]
    );
    let image = json!([{"name": container["image"], "newTag": env!("CARGO_PKG_VERSION")}]);
    assert_eq!(yaml("manifests/kustomization.yaml")["images"], image);
}

#[test]
fn one_port_and_one_selector_everywhere() {
    let deployment = one("Deployment");
    let selected = deployment["spec"]["selector"]["matchLabels"].clone();
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    for (name, value) in selected.as_object().expect("labels") {
        assert_eq!(&labels[name], value);
    }
    let service = one("Service")["spec"].clone();
    let policy = one("NetworkPolicy")["spec"].clone();
    let monitor = yaml("manifests/components/prometheus-operator/servicemonitor.yaml");
    assert_eq!(service["selector"], selected);
    assert_eq!(policy["podSelector"]["matchLabels"], selected);
    assert_eq!(
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        selected
    );
    // A ServiceMonitor selects the Service by its own labels, not by those of the pods.
    let service_labels = one("Service")["metadata"]["labels"].clone();
    for (name, value) in monitor["spec"]["selector"]["matchLabels"]
        .as_object()
        .expect("labels")
    {
        assert_eq!(&service_labels[name], value);
    }
    assert_eq!(
        pod()["containers"][0]["ports"],
        json!([{"name": "http", "containerPort": PORT}])
    );
    let exposed = json!([{"name": "http", "port": PORT, "targetPort": "http"}]);
    assert_eq!(service["ports"], exposed);
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], "http");
    assert_eq!(
        policy["ingress"][0]["ports"],
        json!([{"protocol": "TCP", "port": PORT}])
    );
}

#[test]
fn only_alertmanager_and_prometheus_may_call() {
    let policy = one("NetworkPolicy")["spec"].clone();
    assert_eq!(
        policy["policyTypes"],
        json!(["Ingress"]),
        "egress stays open"
    );
    let from = json!([{"podSelector": {"matchExpressions": [{
        "key": "app.kubernetes.io/name",
        "operator": "In",
        "values": ["alertmanager", "prometheus"],
    }]}}]);
    assert_eq!(policy["ingress"].as_array().map(Vec::len), Some(1));
    assert_eq!(policy["ingress"][0]["from"], from);
}

/// What `components/web-auth` makes of an object: its patches are JSON patches that only add and
/// replace.
fn patched(file: &str, mut object: Value) -> Value {
    for operation in array(&yaml(&format!("manifests/components/web-auth/{file}"))) {
        let (path, value) = (text(&operation["path"]), operation["value"].clone());
        let (parent, last) = path.rsplit_once('/').expect("a path");
        let parent = object
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("no {parent}"));
        match (text(&operation["op"]), last) {
            ("add", "-") => parent.as_array_mut().expect("a list").push(value),
            ("add", key) => {
                let fields = parent.as_object_mut().expect("an object");
                assert_eq!(
                    fields.insert(key.to_owned(), value),
                    None,
                    "{path} was there"
                );
            }
            ("replace", key) => *parent.get_mut(key).expect("a field") = value,
            (other, _) => panic!("{other}"),
        }
    }
    object
}

#[test]
fn web_auth_brings_the_right_to_ask_about_tokens_and_no_other() {
    let objects = documents("manifests/components/web-auth/rbac.yaml");
    let [role, binding] = &objects[..] else {
        panic!("{objects:?}")
    };
    let rule = json!([{
        "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"],
    }]);
    assert_eq!(role["rules"], rule);
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    let ours = applied();
    let base = ours
        .iter()
        .find(|object| object["kind"] == "ClusterRoleBinding");
    assert_eq!(
        base.map(|base| &base["subjects"]),
        Some(&binding["subjects"])
    );
    for object in &objects {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "nodefall");
    }
    // The base asks for no such right.
    assert!(!read("manifests/rbac.yaml").contains("tokenreviews"));
}

#[test]
fn web_auth_fits_the_deployment_and_the_program() {
    let deployment = patched("deployment.yaml", one("Deployment"));
    let typed: Deployment = serde_json::from_value(deployment.clone()).expect("a Deployment");
    assert_eq!(serde_json::to_value(typed).expect("JSON"), deployment);
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let arguments = texts(&container["args"]);
    let words = ["nodefall"].into_iter().chain(arguments).map(Into::into);
    let Ok(nodefall::cli::Command::Run(options)) = nodefall::cli::parse(words) else {
        panic!("the arguments are wrong")
    };
    // What the pod mounts is where the program looks.
    let config = options.web_config.expect("a web configuration");
    let mount = &container["volumeMounts"][0];
    assert_eq!(config.parent(), Some(Path::new(text(&mount["mountPath"]))));
    assert_eq!(mount["name"], pod["volumes"][0]["name"]);
    let sources = array(&pod["volumes"][0]["projected"]["sources"]);
    let kustomization = yaml("manifests/components/web-auth/kustomization.yaml");
    let secret = &kustomization["secretGenerator"][0];
    assert_eq!(secret["name"], sources[0]["secret"]["name"]);
    assert_eq!(secret["files"], json!(["web.yml"]));
    // Probes ask the listener of their own.
    let health: Vec<_> = options
        .health_listen
        .iter()
        .map(ToString::to_string)
        .collect();
    let port = array(&container["ports"])
        .iter()
        .find(|port| port["name"] == "health");
    let port = port.expect("a port for probes")["containerPort"].clone();
    assert_eq!(health, [format!(":{port}")]);
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "health");
    }
    // The program takes the file as it is shipped, with the certificate where the pod has it.
    let scratch = Scratch::new();
    let config = scratch.write("web.yml", &read("manifests/components/web-auth/web.yml"));
    fs::create_dir(scratch.path("tls")).expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = ["nodefall.monitoring.svc".to_owned()];
    let params = rcgen::CertificateParams::new(names).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    for item in array(&sources[1]["secret"]["items"]) {
        let content = match text(&item["key"]) {
            "tls.crt" => certificate.clone(),
            "tls.key" => key.serialize_pem(),
            other => panic!("{other}"),
        };
        scratch.write(text(&item["path"]), &content);
    }
    nodefall::serve::WebConfig::read(&config).expect("the program takes it");
    let file = yaml("manifests/components/web-auth/web.yml");
    let accounts = &file["nodefall"]["webhook"]["service_accounts"];
    assert_eq!(accounts["allowed"], json!(["monitoring/alertmanager-main"]));
    // Alertmanager asks for a token of that audience, and Prometheus speaks TLS then.
    let readme = read("alertmanager/README.md");
    assert!(readme.contains(&format!("{{audience: {},", text(&accounts["audience"]))));
    let monitor = yaml("manifests/components/prometheus-operator/servicemonitor.yaml");
    let endpoint = patched("servicemonitor.yaml", monitor)["spec"]["endpoints"][0].clone();
    assert_eq!(endpoint["scheme"], "https");
    assert_eq!(
        endpoint["tlsConfig"]["ca"]["secret"]["name"],
        sources[1]["secret"]["name"]
    );
}
