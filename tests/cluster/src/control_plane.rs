//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, each of which can be killed,
//! stopped and started again where it was.

use crate::access::Access;
use crate::process::{Process, Scratch};
use crate::profile::Profile;
use crate::tools::repository;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The kube-controller-manager.
    Controllers,
    /// The kube-scheduler.
    Scheduler,
}

impl Part {
    const ALL: [Self; 4] = [
        Self::Etcd,
        Self::ApiServer,
        Self::Controllers,
        Self::Scheduler,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::Controllers => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }
}

/// A control plane.
pub struct ControlPlane {
    /// Who may enter.
    pub access: Access,
    /// The API server's audit log.
    pub audit: PathBuf,
    scratch: Scratch,
    binaries: PathBuf,
    profile: Profile,
    ports: Ports,
    /// In the order of [`Part::ALL`]; dropped in reverse, so that nobody waits for who is gone.
    parts: Vec<Option<Process>>,
    /// Which were started with options of a test.
    altered: Vec<Part>,
    /// How often a part was started: a log of its own for each time.
    starts: usize,
}

/// Ports that were free a moment ago.
struct Ports {
    etcd: u16,
    peers: u16,
    api: u16,
    controllers: u16,
    scheduler: u16,
}

impl ControlPlane {
    /// Starts the store and the API server. The other two want to be started when that answers.
    ///
    /// # Panics
    /// When a program is missing.
    pub fn start(binaries: &Path, profile: Profile) -> Self {
        let scratch = Scratch::new();
        let ports = Ports::free();
        let mut plane = Self {
            access: Access::new(&scratch, ports.api),
            audit: scratch.path("audit.log"),
            scratch,
            binaries: binaries.to_owned(),
            profile,
            ports,
            parts: Part::ALL.map(|_| None).into(),
            altered: Vec::new(),
            starts: 0,
        };
        plane.begin(Part::Etcd);
        plane.begin(Part::ApiServer);
        plane
    }

    /// The folder of its files and logs, gone at the end.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Starts a part (again).
    pub fn begin(&mut self, part: Part) {
        self.begin_with(part, &[]);
    }

    /// The same with options that win over the usual ones.
    pub fn begin_with(&mut self, part: Part, options: &[&str]) {
        let mut command = Command::new(self.binaries.join(part.name()));
        command.args(match part {
            Part::Etcd => self.etcd(),
            Part::ApiServer => self.api_server(),
            Part::Controllers => self.controllers(),
            Part::Scheduler => self.scheduler(),
        });
        command.args(options);
        self.altered.retain(|altered| *altered != part);
        if !options.is_empty() {
            self.altered.push(part);
        }
        self.starts += 1;
        let log = format!("{}-{}", part.name(), self.starts);
        let process = Process::start(&self.scratch, &log, &mut command);
        self.parts[part as usize] = Some(process);
    }

    /// Kills a part (`kill -9`).
    pub fn kill(&mut self, part: Part) {
        self.parts[part as usize] = None;
    }

    /// Sends a signal to a part, by its name without `SIG`.
    ///
    /// # Panics
    /// When the part does not run.
    pub fn signal(&self, part: Part, name: &str) {
        let process = self.parts[part as usize].as_ref();
        process.expect("a part that runs").signal(name);
    }

    /// Starts what was killed or altered, and lets go on what was stopped.
    ///
    /// # Panics
    /// When a program is missing.
    pub fn restore(&mut self) {
        for part in std::mem::take(&mut self.altered) {
            self.kill(part);
        }
        for part in Part::ALL {
            let process = self.parts[part as usize].as_mut();
            match process.map(|process| (process.is_running(), process)) {
                Some((true, process)) => process.signal("CONT"),
                _ => self.begin(part),
            }
        }
    }

    fn etcd(&self) -> Vec<String> {
        let Ports { etcd, peers, .. } = self.ports;
        vec![
            format!("--data-dir={}", self.scratch.path("etcd").display()),
            format!("--listen-client-urls=http://127.0.0.1:{etcd}"),
            format!("--advertise-client-urls=http://127.0.0.1:{etcd}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peers}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peers}"),
            format!("--initial-cluster=default=http://127.0.0.1:{peers}"),
            // It is a test's: nothing of it has to outlive the machine.
            "--unsafe-no-fsync".to_owned(),
        ]
    }

    fn api_server(&self) -> Vec<String> {
        let Ports { etcd, api, .. } = self.ports;
        let Access {
            serving,
            signing,
            tokens,
            ..
        } = &self.access;
        let policy = repository("tests/cluster/audit-policy.yaml");
        let seconds = self.profile.toleration.as_secs();
        vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={api}"),
            format!("--tls-cert-file={}", serving.0.display()),
            format!("--tls-private-key-file={}", serving.1.display()),
            format!("--token-auth-file={}", tokens.display()),
            format!("--service-account-key-file={}", signing.1.display()),
            format!("--service-account-signing-key-file={}", signing.0.display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            // Nothing runs in the pods: none needs a token.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--default-unreachable-toleration-seconds={seconds}"),
            format!("--default-not-ready-toleration-seconds={seconds}"),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", self.audit.display()),
            "--audit-log-mode=blocking".to_owned(),
            // One file, however long it becomes.
            "--audit-log-maxsize=0".to_owned(),
        ]
    }

    fn controllers(&self) -> Vec<String> {
        let Profile {
            grace,
            monitor,
            taint_rate,
            ..
        } = self.profile;
        let (admin, signing) = (&self.access.admin, &self.access.signing);
        vec![
            format!("--kubeconfig={}", admin.display()),
            format!("--service-account-private-key-file={}", signing.0.display()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.ports.controllers),
            "--leader-elect=false".to_owned(),
            "--controllers=*".to_owned(),
            "--use-service-account-credentials=false".to_owned(),
            format!("--node-monitor-grace-period={}ms", grace.as_millis()),
            format!("--node-monitor-period={}ms", monitor.as_millis()),
            format!("--node-eviction-rate={taint_rate}"),
        ]
    }

    fn scheduler(&self) -> Vec<String> {
        let admin = self.access.admin.display();
        vec![
            format!("--kubeconfig={admin}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.ports.scheduler),
            "--leader-elect=false".to_owned(),
        ]
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        while self.parts.pop().is_some() {}
    }
}

impl Ports {
    /// All are held until all are found, so that no two are the same.
    fn free() -> Self {
        let listeners: [_; 5] = std::array::from_fn(|_| {
            let listener = TcpListener::bind(("127.0.0.1", 0));
            listener.expect("a free port on loopback")
        });
        let [etcd, peers, api, controllers, scheduler] = listeners
            .each_ref()
            .map(|l| l.local_addr().expect("an address").port());
        Self {
            etcd,
            peers,
            api,
            controllers,
            scheduler,
        }
    }
}
