//! Bearer keys: who calls.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::http::problem::Problem;
use crate::model::Secret;
use crate::model::error::{self, ErrorEntry};

/// The keys of one HTTP surface. Only their SHA-256 hashes are kept.
#[derive(Clone)]
pub struct BearerKeys {
    keys: Arc<[(Arc<str>, [u8; 32])]>,
}

impl fmt::Debug for BearerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(name, _)| name)).finish()
    }
}

impl BearerKeys {
    /// Keys by name. Without any key every request is refused.
    pub fn new<N: Into<Arc<str>>>(keys: impl IntoIterator<Item = (N, Secret)>) -> Self {
        let keys = keys.into_iter().map(|(name, key)| (name.into(), hash(key.expose()))).collect();
        Self { keys }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The name of the key in `Authorization: Bearer <key>`.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate`, when there is no key, more than one, or an unknown one.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<str>, Problem> {
        let Some(token) = bearer(headers) else {
            return Err(challenge(error::UNAUTHORIZED, "Bearer realm=\"caigunn-bridge\"")
                .detail("There is no `Authorization: Bearer <key>` header."));
        };
        let given = hash(token);
        // Every key is compared, and the index chosen without a branch: the time tells nothing about which matched.
        let (mut index, mut found) = (0_u32, Choice::from(0));
        for (n, (_, known)) in (0_u32..).zip(self.keys.iter()) {
            let equal = known.ct_eq(&given);
            index.conditional_assign(&n, equal);
            found |= equal;
        }
        let name = self.keys.get(index as usize).filter(|_| bool::from(found)).map(|(name, _)| Arc::clone(name));
        name.ok_or_else(unknown_key)
    }
}

/// 401: there is a key, and it is none of ours.
pub fn unknown_key() -> Problem {
    refused(error::UNAUTHORIZED).detail("The key is not known.")
}

/// 401 for a bearer that was read and is not taken.
pub fn refused(entry: ErrorEntry) -> Problem {
    challenge(entry, "Bearer realm=\"caigunn-bridge\", error=\"invalid_token\"")
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The token of the one `Authorization` header; two headers are as good as none, as a proxy may read the other one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// RFC 9110, 15.5.2: every 401 says what is asked for.
fn challenge(entry: ErrorEntry, challenge: &'static str) -> Problem {
    Problem::new(entry).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> BearerKeys {
        BearerKeys::new([("shop", Secret::new("k-shop")), ("app", Secret::new("k-app"))])
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn each_key_has_its_name_and_the_scheme_has_no_case() {
        assert_eq!(&*keys().authenticate(&headers(&["Bearer k-shop"])).unwrap(), "shop");
        assert_eq!(&*keys().authenticate(&headers(&["bearer  k-app "])).unwrap(), "app");
    }

    #[test]
    fn everything_else_is_refused_with_a_challenge() {
        for given in
            [&[][..], &["Basic k-app"], &["Bearer"], &["Bearer "], &["Bearer k-ap"], &["Bearer k-app", "Bearer k-app"]]
        {
            let problem = keys().authenticate(&headers(given)).unwrap_err();
            assert_eq!(problem.status, 401, "{given:?}");
            assert!(problem.headers.unwrap().contains_key(header::WWW_AUTHENTICATE));
        }
        let none = BearerKeys::new::<&str>([]);
        assert!(none.is_empty());
        assert!(none.authenticate(&headers(&["Bearer k-app"])).is_err());
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", keys()), r#"["shop", "app"]"#);
    }
}
