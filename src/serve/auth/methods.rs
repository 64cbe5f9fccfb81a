//! What a page asks of whoever calls it: any one of the credentials that are configured, and besides,
//! where that is asked for, a certificate that was verified.

use super::memory::{Digest, Memory, Seal};
use crate::decide::{check_subdomain, quoted};
use bcrypt::HashParts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many good credentials are remembered: more than there are callers.
const REMEMBERED: usize = 256;

/// The lowest cost of a hash that bcrypt knows.
const MIN_COST: u32 = 4;

/// The highest cost of a hash: a check takes 2.4 s then, each step doubles it, and Alertmanager's
/// peers wait 15 s for an answer.
const MAX_COST: u32 = 15;

/// The ways in. It is no secret's business to be printed.
pub(in crate::serve) struct Methods {
    /// Users and the bcrypt hashes of their passwords.
    pub(super) users: BTreeMap<String, Arc<str>>,
    /// The hash that takes longest to check, and its cost.
    pub(super) costliest: Option<(u32, Arc<str>)>,
    /// Static tokens.
    pub(super) tokens: Vec<Digest>,
    pub(super) accounts: Option<Accounts>,
    /// None: none is needed. Else one that was verified, and with one of these names where there are
    /// any.
    pub(super) certificate: Option<Vec<String>>,
    pub(super) seal: Seal,
    /// Good passwords, so that a scrape does not cost a check each time. It goes with the
    /// configuration.
    pub(super) good: Memory<()>,
}

/// Whose ServiceAccount tokens are taken.
#[derive(Clone)]
pub(in crate::serve) struct Accounts {
    pub(super) audience: String,
    /// As the API server names them: `system:serviceaccount:NAMESPACE:NAME`.
    pub(super) allowed: BTreeSet<String>,
}

impl Accounts {
    /// Checks what the file says.
    ///
    /// # Errors
    /// One line that names the field.
    pub(in crate::serve) fn new(
        audience: Option<&str>,
        allowed: &[String],
    ) -> Result<Self, String> {
        let audience = audience.unwrap_or("nodefall");
        let visible = !audience.is_empty() && audience.bytes().all(|b| b.is_ascii_graphic());
        if !visible || audience.len() > 253 {
            return Err(format!("audience: {} is not valid", quoted(audience)));
        }
        if audience.contains("kubernetes.default.svc") {
            return Err(format!(
                "audience: {} is the API server's own: who sees such a token can use it there; give \
                 one of its own, such as nodefall",
                quoted(audience)
            ));
        }
        if allowed.is_empty() {
            return Err("allowed: no ServiceAccount is named; give NAMESPACE/NAME".to_owned());
        }
        let name = |text: &String| {
            let (namespace, name) = text.split_once('/')?;
            let good = check_subdomain(namespace).is_ok()
                && !namespace.contains('.')
                && check_subdomain(name).is_ok();
            good.then(|| format!("system:serviceaccount:{namespace}:{name}"))
        };
        let named = |text| {
            name(text).ok_or_else(|| {
                format!(
                    "allowed: {} is not valid, expected NAMESPACE/NAME",
                    quoted(text)
                )
            })
        };
        Ok(Self {
            audience: audience.to_owned(),
            allowed: allowed.iter().map(named).collect::<Result<_, _>>()?,
        })
    }
}

impl Methods {
    /// No way in is needed.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(in crate::serve) fn none() -> Result<Self, String> {
        Ok(Self {
            users: BTreeMap::new(),
            costliest: None,
            tokens: Vec::new(),
            accounts: None,
            certificate: None,
            seal: Seal::new()?,
            good: Memory::new(REMEMBERED),
        })
    }

    /// Lets these users in.
    ///
    /// # Errors
    /// One line that names the user, and never shows the hash.
    pub(in crate::serve) fn users(
        &mut self,
        users: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        for (user, hash) in users {
            let refuse = |why: &str| Err(format!("basic_auth_users: {}: {why}", quoted(user)));
            if user.contains(':') || user.contains(char::is_control) {
                return refuse("no user can be called so: a colon ends the name");
            }
            let Ok(parts) = hash.parse::<HashParts>() else {
                return refuse("this is no bcrypt hash; htpasswd -nBC 10 '' makes one");
            };
            let cost = parts.get_cost();
            if cost < MIN_COST {
                return refuse(&format!(
                    "the cost of its hash is below {MIN_COST}, which bcrypt does not know; \
                     htpasswd -nBC 10 '' makes one"
                ));
            }
            if cost > MAX_COST {
                return refuse(&format!(
                    "the cost of its hash is above {MAX_COST}: a check would take longer than callers \
                     wait; htpasswd -nBC 10 '' makes one"
                ));
            }
            let hash: Arc<str> = hash.as_str().into();
            if self.costliest.as_ref().is_none_or(|(most, _)| cost > *most) {
                self.costliest = Some((cost, hash.clone()));
            }
            self.users.insert(user.clone(), hash);
        }
        Ok(())
    }

    /// Lets bearers of the token in, which is what a file holds but for blanks around it.
    ///
    /// # Errors
    /// One line that does not show it.
    pub(in crate::serve) fn token(&mut self, content: &[u8]) -> Result<(), String> {
        let token = content.trim_ascii();
        if token.is_empty() {
            return Err("there is no token in it".to_owned());
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err("this is no token: more than one word, or signs that none has".to_owned());
        }
        self.tokens.push(self.seal.digest(&[token]));
        Ok(())
    }

    /// Needs the same credentials as those.
    pub(in crate::serve) fn need_as(&mut self, others: &Self) {
        self.users.clone_from(&others.users);
        self.costliest.clone_from(&others.costliest);
        self.tokens.clone_from(&others.tokens);
        self.accounts.clone_from(&others.accounts);
        // Its digests are those of the tokens.
        self.seal.clone_from(&others.seal);
    }

    /// Lets ServiceAccounts in.
    pub(in crate::serve) fn accounts(&mut self, accounts: Accounts) {
        self.accounts = Some(accounts);
    }

    /// Wants a verified certificate besides, with one of these names where there are any.
    pub(in crate::serve) fn certificate(&mut self, names: Vec<String>) {
        self.certificate = Some(names);
    }

    /// True where an `Authorization` header is needed.
    pub(in crate::serve) fn want_credentials(&self) -> bool {
        self.wants_basic() || self.wants_bearer()
    }

    /// True where whoever calls must show who it is.
    pub(in crate::serve) fn want_anything(&self) -> bool {
        self.want_credentials() || self.certificate.is_some()
    }

    pub(super) fn wants_basic(&self) -> bool {
        !self.users.is_empty()
    }

    pub(super) fn wants_bearer(&self) -> bool {
        !self.tokens.is_empty() || self.accounts.is_some()
    }
}
