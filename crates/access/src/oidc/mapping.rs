//! What the claims of a token make of its bearer.

use std::collections::BTreeMap;

use sampan_api::request::User;
use sampan_cel::{Budget, Program, Value as Cel};
use serde_json::{Value, json};

/// How claims become a user, and which tokens and users are let in at all.
pub(super) struct Mapping {
    pub(super) username: Source,
    pub(super) groups: Option<Source>,
    pub(super) uid: Option<Source>,
    /// Key and the expression of its values.
    pub(super) extra: Vec<(String, Program)>,
    pub(super) claim_rules: Vec<ClaimRule>,
    pub(super) user_rules: Vec<Rule>,
}

/// Where a part of a user comes from.
pub(super) enum Source {
    Claim { name: String, prefix: String },
    Expression(Program),
}

/// What must hold of the claims.
pub(super) enum ClaimRule {
    Equals { claim: String, value: String },
    Holds(Rule),
}

/// An expression that must be true.
pub(super) struct Rule {
    pub(super) expression: Program,
    /// Told otherwise.
    pub(super) message: String,
}

impl Mapping {
    /// The user of a verified token.
    ///
    /// # Errors
    /// Why it is nobody.
    pub(super) fn user(&self, claims: &Value) -> Result<User, String> {
        let name = self.name(claims)?;
        for rule in &self.claim_rules {
            rule.check(claims)?;
        }
        let groups = match &self.groups {
            Some(source) => source.values(claims).map_err(|why| format!("parse groups claim: {why}"))?,
            None => Vec::new(),
        };
        let mut user = User { name, groups, ..User::default() };
        if let Some(source) = &self.uid {
            user.uid = source.one(claims).map_err(|why| format!("parse uid claim: {why}"))?;
        }
        for (key, expression) in &self.extra {
            let values = texts(&evaluated(expression, "claims", claims)?)?;
            if !values.is_empty() {
                user.extra.insert(key.clone(), values);
            }
        }
        self.check_user(&user)?;
        Ok(user)
    }

    fn name(&self, claims: &Value) -> Result<String, String> {
        if let Source::Claim { name, .. } = &self.username
            && name == "email"
            && let Some(verified) = claims.get("email_verified")
            && verified != &Value::Bool(true)
        {
            return Err("email not verified".to_owned());
        }
        let name = self.username.one(claims).map_err(|why| format!("parse username claim: {why}"))?;
        if name.is_empty() { Err("username claim value is empty".to_owned()) } else { Ok(name) }
    }

    fn check_user(&self, user: &User) -> Result<(), String> {
        if self.user_rules.is_empty() {
            return Ok(());
        }
        let extra: BTreeMap<&String, &Vec<String>> = user.extra.iter().collect();
        let shown = json!({ "username": user.name, "uid": user.uid, "groups": user.groups, "extra": extra });
        self.user_rules.iter().try_for_each(|rule| rule.check("user", &shown))
    }
}

impl ClaimRule {
    fn check(&self, claims: &Value) -> Result<(), String> {
        match self {
            Self::Holds(rule) => rule.check("claims", claims),
            Self::Equals { claim, value } => match claims.get(claim) {
                None => Err(format!("required claim {claim} not present in ID token")),
                Some(Value::String(given)) if given == value => Ok(()),
                Some(Value::String(_)) => Err(format!("required claim {claim} value does not match")),
                Some(_) => Err(format!("parse claim {claim}: it is not a string")),
            },
        }
    }
}

impl Rule {
    fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        match evaluated(&self.expression, name, value)? {
            Value::Bool(true) => Ok(()),
            _ => Err(format!("validation expression failed: {}", self.message)),
        }
    }
}

impl Source {
    fn one(&self, claims: &Value) -> Result<String, String> {
        match self {
            Self::Claim { name, prefix } => match claims.get(name) {
                Some(Value::String(value)) => Ok(format!("{prefix}{value}")),
                Some(_) => Err(format!("claim {name} is not a string")),
                None => Err(format!("claim {name} not present")),
            },
            Self::Expression(expression) => match evaluated(expression, "claims", claims)? {
                Value::String(value) => Ok(value),
                other => Err(format!("expression must return a string, but got {other}")),
            },
        }
    }

    fn values(&self, claims: &Value) -> Result<Vec<String>, String> {
        match self {
            Self::Claim { name, prefix } => {
                let values = texts(claims.get(name).unwrap_or(&Value::Null))?;
                Ok(values.into_iter().map(|value| format!("{prefix}{value}")).collect())
            }
            Self::Expression(expression) => texts(&evaluated(expression, "claims", claims)?),
        }
    }
}

fn evaluated(expression: &Program, name: &str, value: &Value) -> Result<Value, String> {
    let found = expression.evaluate(&[(name, Cel::json(value))], &mut Budget::default());
    found.and_then(|found| found.to_json()).map_err(|error| error.to_string())
}

/// One text or several; nothing is none.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || format!("expected a string or a list of strings, but got {value}");
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(one) if one.is_empty() => Ok(Vec::new()),
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}
