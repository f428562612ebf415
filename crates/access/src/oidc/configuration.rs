//! `AuthenticationConfiguration` of `apiserver.config.k8s.io`, and kube-apiserver's flags as one. Upstream:
//! `apiserver/pkg/apis/apiserver/validation`.

use std::sync::Arc;

use parking_lot::RwLock;
use sampan_cel::{Env, Program, Type};
use serde::Deserialize;

use super::Provider;
use super::keys::{ALGORITHMS, Keys};
use super::mapping::{ClaimRule, Mapping, Rule, Source};
use crate::pki;

const VERSIONS: [&str; 2] = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub struct ConfigurationError {
    field: String,
    why: String,
}

fn wrong(field: impl Into<String>, why: impl Into<String>) -> ConfigurationError {
    ConfigurationError { field: field.into(), why: why.into() }
}

/// kube-apiserver's `--oidc-*`.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--oidc-issuer-url`
    pub issuer_url: String,
    /// `--oidc-client-id`
    pub client_id: String,
    /// `--oidc-username-claim`, `sub` by default.
    pub username_claim: String,
    /// `--oidc-username-prefix`; `-` for none, empty for upstream's rule: the issuer and `#`, but for the claim `email`.
    pub username_prefix: String,
    /// `--oidc-groups-claim`
    pub groups_claim: String,
    /// `--oidc-groups-prefix`
    pub groups_prefix: String,
    /// `--oidc-required-claim`: names and values.
    pub required_claims: Vec<(String, String)>,
    /// What the file of `--oidc-ca-file` says.
    pub authority_pem: String,
    /// `--oidc-signing-algs`, RS256 by default.
    pub algorithms: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    #[serde(default)]
    jwt: Vec<Jwt>,
    anonymous: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Jwt {
    issuer: Issuer,
    #[serde(default)]
    claim_validation_rules: Vec<ClaimValidation>,
    claim_mappings: ClaimMappings,
    #[serde(default)]
    user_validation_rules: Vec<UserValidation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Issuer {
    url: String,
    #[serde(rename = "discoveryURL", default)]
    discovery_url: String,
    #[serde(default)]
    certificate_authority: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    audience_match_policy: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClaimValidation {
    #[serde(default)]
    claim: String,
    #[serde(default)]
    required_value: String,
    #[serde(default)]
    expression: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserValidation {
    expression: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimMappings {
    username: Mapped,
    groups: Option<Mapped>,
    uid: Option<Mapped>,
    #[serde(default)]
    extra: Vec<Extra>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapped {
    #[serde(default)]
    claim: String,
    prefix: Option<String>,
    #[serde(default)]
    expression: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Extra {
    key: String,
    value_expression: String,
}

impl Provider {
    /// The providers of a configuration file.
    ///
    /// # Errors
    /// The field that cannot be used, and why.
    pub fn configured(text: &str) -> Result<Vec<Arc<Self>>, ConfigurationError> {
        let read: Configuration = serde_saphyr::from_str(text).map_err(|error| wrong("file", error.to_string()))?;
        if !VERSIONS.contains(&read.api_version.as_str()) || read.kind != "AuthenticationConfiguration" {
            let why = format!(
                "want AuthenticationConfiguration of {}, got {} of {}",
                VERSIONS[0], read.kind, read.api_version
            );
            return Err(wrong("kind", why));
        }
        if read.anonymous.is_some() {
            return Err(wrong("anonymous", "this server knows no conditions for anonymous requests; leave it out"));
        }
        let mut providers: Vec<Arc<Self>> = Vec::new();
        for (index, jwt) in read.jwt.into_iter().enumerate() {
            let path = format!("jwt[{index}]");
            let provider = jwt.provider(&path, &ALGORITHMS)?;
            if providers.iter().any(|known| known.issuer == provider.issuer) {
                return Err(wrong(format!("{path}.issuer.url"), "duplicate issuer"));
            }
            providers.push(Arc::new(provider));
        }
        Ok(providers)
    }

    /// The provider of the flags.
    ///
    /// # Errors
    /// The flag that cannot be used, and why.
    pub fn flagged(flags: &Flags) -> Result<Arc<Self>, ConfigurationError> {
        let or = |given: &str, default: &str| if given.is_empty() { default.to_owned() } else { given.to_owned() };
        let claim = or(&flags.username_claim, "sub");
        let prefix = match flags.username_prefix.as_str() {
            "-" => String::new(),
            "" if claim == "email" => String::new(),
            "" => format!("{}#", flags.issuer_url),
            given => given.to_owned(),
        };
        let mapped = |claim: String, prefix: String| Mapped { claim, prefix: Some(prefix), expression: String::new() };
        let required = flags.required_claims.iter().map(|(claim, value)| ClaimValidation {
            claim: claim.clone(),
            required_value: value.clone(),
            expression: String::new(),
            message: String::new(),
        });
        let groups =
            (!flags.groups_claim.is_empty()).then(|| mapped(flags.groups_claim.clone(), flags.groups_prefix.clone()));
        let jwt = Jwt {
            issuer: Issuer {
                url: flags.issuer_url.clone(),
                discovery_url: String::new(),
                certificate_authority: flags.authority_pem.clone(),
                audiences: Some(flags.client_id.clone()).filter(|id| !id.is_empty()).into_iter().collect(),
                audience_match_policy: String::new(),
            },
            claim_validation_rules: required.collect(),
            claim_mappings: ClaimMappings { username: mapped(claim, prefix), groups, uid: None, extra: Vec::new() },
            user_validation_rules: Vec::new(),
        };
        let algorithms: Vec<&str> = match flags.algorithms.as_slice() {
            [] => vec!["RS256"],
            given => given.iter().map(String::as_str).collect(),
        };
        if let Some(unknown) = algorithms.iter().find(|algorithm| !ALGORITHMS.contains(algorithm)) {
            return Err(wrong(
                "--oidc-signing-algs",
                format!("{unknown} is not known; choose among {}", ALGORITHMS.join(", ")),
            ));
        }
        jwt.provider("oidc", &algorithms).map(Arc::new)
    }
}

impl Jwt {
    fn provider(self, path: &str, algorithms: &[&str]) -> Result<Provider, ConfigurationError> {
        let Self { issuer, claim_validation_rules, claim_mappings, user_validation_rules } = self;
        let issuer_path = format!("{path}.issuer");
        check_url(&issuer.url, &format!("{issuer_path}.url"))?;
        let discovery = match issuer.discovery_url.as_str() {
            "" => format!("{}/.well-known/openid-configuration", issuer.url.trim_end_matches('/')),
            given => {
                check_url(given, &format!("{issuer_path}.discoveryURL"))?;
                given.to_owned()
            }
        };
        if issuer.audiences.is_empty() {
            return Err(wrong(format!("{issuer_path}.audiences"), "at least one audience (client id) is required"));
        }
        if !matches!((issuer.audiences.len(), issuer.audience_match_policy.as_str()), (1, "") | (_, "MatchAny")) {
            let why = "must be MatchAny where there are several audiences";
            return Err(wrong(format!("{issuer_path}.audienceMatchPolicy"), why));
        }
        let authority = match issuer.certificate_authority.as_str() {
            "" => None,
            pem => {
                let found = pki::certificates(pem).map_err(|error| error.to_string());
                let found = found.and_then(|found| {
                    if found.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(found) }
                });
                Some(found.map_err(|why| wrong(format!("{issuer_path}.certificateAuthority"), why))?)
            }
        };
        Ok(Provider {
            mapping: mapping(claim_mappings, claim_validation_rules, user_validation_rules, path)?,
            issuer: issuer.url,
            discovery,
            audiences: issuer.audiences,
            algorithms: algorithms.iter().map(|algorithm| (*algorithm).to_owned()).collect(),
            authority,
            keys: RwLock::new(Arc::new(Keys::default())),
        })
    }
}

fn check_url(url: &str, path: &str) -> Result<(), ConfigurationError> {
    match url.strip_prefix("https://") {
        None => Err(wrong(path, "URL scheme must be https")),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Err(wrong(path, "it names no host")),
        Some(rest) if rest.contains(['@', '?', '#']) => {
            Err(wrong(path, "it must not have a username, a query or a fragment"))
        }
        Some(_) => Ok(()),
    }
}

fn mapping(
    mappings: ClaimMappings,
    claim_rules: Vec<ClaimValidation>,
    user_rules: Vec<UserValidation>,
    path: &str,
) -> Result<Mapping, ConfigurationError> {
    let below = format!("{path}.claimMappings");
    let optional = |mapped: Option<Mapped>, name: &str, prefixed: bool| match mapped {
        Some(Mapped { claim, expression, .. }) if claim.is_empty() && expression.is_empty() => Ok(None),
        Some(mapped) => source(mapped, &format!("{below}.{name}"), prefixed).map(Some),
        None => Ok(None),
    };
    let mut extra = Vec::new();
    for (index, Extra { key, value_expression }) in mappings.extra.into_iter().enumerate() {
        let path = format!("{below}.extra[{index}]");
        if !key.contains('/')
            || key.to_lowercase() != key
            || key.starts_with("kubernetes.io/")
            || key.contains(".kubernetes.io/")
            || key.contains("k8s.io/")
        {
            return Err(wrong(
                format!("{path}.key"),
                "must be a lower-case path like example.com/name, and none of Kubernetes' own",
            ));
        }
        extra.push((key, compiled(&value_expression, "claims", &format!("{path}.valueExpression"))?));
    }
    let claim_rules = claim_rules.into_iter().enumerate();
    let claim_rules =
        claim_rules.map(|(index, rule)| claim_rule(rule, &format!("{path}.claimValidationRules[{index}]")));
    let user_rules = user_rules.into_iter().enumerate().map(|(index, UserValidation { expression, message })| {
        rule(&expression, message, "user", &format!("{path}.userValidationRules[{index}].expression"))
    });
    Ok(Mapping {
        username: source(mappings.username, &format!("{below}.username"), true)?,
        groups: optional(mappings.groups, "groups", true)?,
        uid: optional(mappings.uid, "uid", false)?,
        extra,
        claim_rules: claim_rules.collect::<Result<_, _>>()?,
        user_rules: user_rules.collect::<Result<_, _>>()?,
    })
}

fn source(mapped: Mapped, path: &str, prefixed: bool) -> Result<Source, ConfigurationError> {
    match (mapped.claim.as_str(), mapped.expression.as_str(), mapped.prefix) {
        ("", "", _) => Err(wrong(path, "claim or expression is required")),
        ("", expression, None) => {
            Ok(Source::Expression(compiled(expression, "claims", &format!("{path}.expression"))?))
        }
        ("", _, Some(_)) => Err(wrong(format!("{path}.prefix"), "must not be set when expression is set")),
        (claim, "", prefix) => match (prefix, prefixed) {
            (None, true) => Err(wrong(
                format!("{path}.prefix"),
                "prefix is required when claim is set. It can be set to an empty string to disable prefixing",
            )),
            (prefix, _) => Ok(Source::Claim { name: claim.to_owned(), prefix: prefix.unwrap_or_default() }),
        },
        _ => Err(wrong(path, "claim and expression can't both be set")),
    }
}

fn claim_rule(given: ClaimValidation, path: &str) -> Result<ClaimRule, ConfigurationError> {
    let ClaimValidation { claim, required_value, expression, message } = given;
    match (claim.as_str(), expression.as_str()) {
        ("", "") => Err(wrong(path, "claim or expression is required")),
        ("", expression) => rule(expression, message, "claims", &format!("{path}.expression")).map(ClaimRule::Holds),
        (_, "") => Ok(ClaimRule::Equals { claim, value: required_value }),
        _ => Err(wrong(path, "claim and expression can't both be set")),
    }
}

fn rule(expression: &str, message: String, variable: &str, path: &str) -> Result<Rule, ConfigurationError> {
    let compiled = compiled(expression, variable, path)?;
    if !compiled.gives(&Type::Bool) {
        return Err(wrong(path, "must evaluate to bool"));
    }
    Ok(Rule { expression: compiled, message })
}

fn compiled(expression: &str, variable: &str, path: &str) -> Result<Program, ConfigurationError> {
    let program = Env::new().variable(variable, Type::Dyn).compile(expression);
    program.map_err(|error| wrong(path, format!("compilation failed: {error}")))
}
