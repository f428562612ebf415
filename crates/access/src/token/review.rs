//! Judging tokens.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{Claims, Issuer, Reviewed, bound};
use crate::authn::Unauthorized;

/// More tokens than are in use at once; when it is reached the memory is emptied, which costs time, nothing else.
const MOST_REMEMBERED: usize = 10_000;
/// Longer than any token of ours; what is longer is not worth a look.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Tokens whose signature was found good, by their hash: verifying costs a fifth of a millisecond, and a client shows the same
/// token with every request. Only the signature is remembered; time and bound objects are looked at each time.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<[u8; 32], Arc<Claims>>>);

impl Issuer {
    /// Judges a token: signature, issuer, time, audience, and that all it is bound to is still there.
    ///
    /// `audiences` empty: those of the API.
    pub fn review(&self, token: &str, audiences: &[String]) -> Result<Reviewed, Unauthorized> {
        let claims = self.verified(token)?;
        claims.check_time(self.clock.now()).map_err(Unauthorized::because)?;
        let wanted = if audiences.is_empty() { &self.options.audiences } else { audiences };
        let common: Vec<String> = wanted.iter().filter(|wanted| claims.aud.contains(wanted)).cloned().collect();
        if common.is_empty() {
            let why = format!("token audiences {:?} is invalid for the target audiences {wanted:?}", claims.aud);
            return Err(Unauthorized::because(why));
        }
        bound::check(self.lister.as_ref(), &claims.kubernetes, self.clock.now()).map_err(Unauthorized::because)?;
        Ok(Reviewed { user: claims.user(), audiences: common })
    }

    /// The claims of a token that this issuer has signed.
    fn verified(&self, token: &str) -> Result<Arc<Claims>, Unauthorized> {
        if token.len() > LONGEST_TOKEN {
            return Err(Unauthorized::because("the token is too long to be one of this cluster's"));
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.remembered.0.lock().get(&hash) {
            return Ok(claims.clone());
        }
        let claims = Arc::new(self.decode(token)?);
        let mut remembered = self.remembered.0.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(hash, claims.clone());
        Ok(claims)
    }

    fn decode(&self, token: &str) -> Result<Claims, Unauthorized> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.options.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // The library would ask the system's clock; time and audience are judged by the caller.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation);
        decoded
            .map(|decoded| decoded.claims)
            .map_err(|error| Unauthorized::because(format!("invalid bearer token: {error}")))
    }
}
