//! What a server is told.

use std::path::PathBuf;

use clap::Args;

use super::Data;

#[derive(Args)]
pub(crate) struct Server {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Port of the API on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 6443, value_name = "N")]
    pub(crate) api_port: u16,
    /// Port of the embedded OCI registry on 127.0.0.1; the API's port plus one when not given
    #[arg(long, value_name = "N")]
    pub(crate) registry_port: Option<u16>,
    /// Where objects are stored: `sqlite` (below the data directory), `memory`, or a URL `postgres://…`
    #[arg(long, env = "SAMPAN_STORE", default_value = "sqlite", value_name = "STORE")]
    pub(crate) store: String,
    /// Keys to encrypt Secrets (or more) with in the store, an EncryptionConfiguration; `pki/encryption.yaml` of the data directory,
    /// made at the first start, when not given. Servers that share a store need the same one
    #[arg(long, value_name = "FILE")]
    pub(crate) encryption_provider_config: Option<PathBuf>,
    /// Where to send spans of requests, a TracingConfiguration; when not given, there are none
    #[arg(long, value_name = "FILE")]
    pub(crate) tracing_config_file: Option<PathBuf>,
    /// How pods are scheduled, a KubeSchedulerConfiguration: profiles with their plugins and weights, and plugins of your own
    #[arg(long, value_name = "FILE")]
    pub(crate) scheduler_config: Option<PathBuf>,
    /// Admission plugins beyond those that are always on, as kube-apiserver has them
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["DenyServiceExternalIPs"])]
    pub(crate) enable_admission_plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) audit: AuditLog,
    #[command(flatten)]
    pub(crate) authentication: Authentication,
    #[command(flatten)]
    pub(crate) controllers: ControllerManager,
}

/// What controllers are told. Names and meanings are kube-controller-manager's.
#[derive(Args)]
pub(crate) struct ControllerManager {
    /// Give every node a network for its pods (`spec.podCIDR`), for network plugins that ask for one; pods of loopback mode do not
    #[arg(long, requires = "cluster_cidr")]
    pub(crate) allocate_node_cidrs: bool,
    /// The network those are taken from; two of different families, with a comma, for both
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) cluster_cidr: Vec<String>,
    /// The prefix of a node's network, where there is one family; 24 for IPv4 and 64 for IPv6 when not given
    #[arg(long, value_name = "BITS", conflicts_with_all = ["node_cidr_mask_size_ipv4", "node_cidr_mask_size_ipv6"])]
    pub(crate) node_cidr_mask_size: Option<u8>,
    /// The prefix of a node's IPv4 network
    #[arg(long, value_name = "BITS")]
    pub(crate) node_cidr_mask_size_ipv4: Option<u8>,
    /// The prefix of a node's IPv6 network
    #[arg(long, value_name = "BITS")]
    pub(crate) node_cidr_mask_size_ipv6: Option<u8>,
}

/// Users whom somebody else knows. Names and meanings are kube-apiserver's.
#[derive(Args)]
pub(crate) struct Authentication {
    /// Whose ID tokens are believed and what they make of their bearers, an AuthenticationConfiguration
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_issuer_url")]
    pub(crate) authentication_config: Option<PathBuf>,
    /// The OpenID Connect issuer whose ID tokens are believed, an https URL
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub(crate) oidc_issuer_url: Option<String>,
    /// Whom those tokens have to be for
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    pub(crate) oidc_client_id: Option<String>,
    /// The claim that is the user name
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub(crate) oidc_username_claim: String,
    /// What comes before it; `-` for nothing; the issuer and `#` when not given, unless the claim is `email`
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true, default_value = "")]
    pub(crate) oidc_username_prefix: String,
    /// The claim that is the groups
    #[arg(long, value_name = "CLAIM", default_value = "")]
    pub(crate) oidc_groups_claim: String,
    /// What comes before each group
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) oidc_groups_prefix: String,
    /// A claim the token must have with this value; may be given several times
    #[arg(long, value_name = "CLAIM=VALUE", value_delimiter = ',')]
    pub(crate) oidc_required_claim: Vec<String>,
    /// Who vouches for the issuer's server; whom the machine trusts when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) oidc_ca_file: Option<PathBuf>,
    /// The algorithms tokens may be signed with
    #[arg(long, value_name = "ALG", value_delimiter = ',', default_value = "RS256")]
    pub(crate) oidc_signing_algs: Vec<String>,
}

/// What is logged of the API's requests. Names and meanings are kube-apiserver's.
#[derive(Args)]
pub(crate) struct AuditLog {
    /// What to log, a Policy of audit.k8s.io/v1; when not given, metadata of everything but the cluster's own routine
    #[arg(long, alias = "audit-policy", value_name = "FILE")]
    pub(crate) audit_policy_file: Option<PathBuf>,
    /// Where to log: a file, `-` for standard output, empty for not at all; `audit/audit.log` of the data directory when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log_path: Option<String>,
    /// Megabytes at which the file is put aside
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(crate) audit_log_maxsize: u64,
    /// How many files put aside are kept; 0 keeps all
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) audit_log_maxbackup: usize,
    /// How many days files put aside are kept; 0 keeps them for ever
    #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(0..=36_500))]
    pub(crate) audit_log_maxage: u64,
    /// What a request does when the log does not keep up: `blocking` waits, `batch` goes on and its line is lost
    #[arg(long, default_value = "blocking", value_name = "MODE")]
    pub(crate) audit_log_mode: sampan_apiserver::Mode,
    #[command(flatten)]
    pub(crate) webhook: AuditWebhook,
}

/// Whom the same is told besides. Names, meanings and defaults are kube-apiserver's.
#[derive(Args)]
pub(crate) struct AuditWebhook {
    /// A kubeconfig that says where to send audit events, and as whom
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_webhook_config_file: Option<PathBuf>,
    /// How long to wait before a list that did not arrive is sent again; each further pause is longer
    #[arg(long, default_value = "10s", value_name = "TIME")]
    pub(crate) audit_webhook_initial_backoff: String,
    /// Events that may wait; those that come when it is full are lost, and counted in apiserver_audit_error_total
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(crate) audit_webhook_batch_buffer_size: usize,
    /// Events in a list at most
    #[arg(long, default_value_t = 400, value_name = "N")]
    pub(crate) audit_webhook_batch_max_size: usize,
    /// How long the first event of a list waits for others
    #[arg(long, default_value = "30s", value_name = "TIME")]
    pub(crate) audit_webhook_batch_max_wait: String,
    /// Whether lists are held back when there are too many
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub(crate) audit_webhook_batch_throttle_enable: bool,
    /// Lists a second at most
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    pub(crate) audit_webhook_batch_throttle_qps: f64,
    /// Lists that may go at once after a pause
    #[arg(long, default_value_t = 15, value_name = "N")]
    pub(crate) audit_webhook_batch_throttle_burst: u32,
}
