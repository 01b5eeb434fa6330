//! Signatures of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::model::Secret;

const PREFIX: &str = "whsec_";

/// The bytes of a secret as it is configured; `None` if it is none. Receivers' libraries read the standard alphabet alone.
pub(in crate::channels::http) fn key(secret: &Secret) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

/// Signs with one secret, or with two while they change over.
pub(super) struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// `None` if one of the secrets is none.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Option<Self> {
        let mac = |secret| Hmac::new_from_slice(&key(secret)?).ok();
        secrets.into_iter().map(mac).collect::<Option<_>>().map(Self)
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &str) -> String {
        let sign = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            for part in [id, ".", timestamp, ".", body] {
                mac.update(part.as_bytes());
            }
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::{Signer, key};
    use crate::model::Secret;

    #[test]
    fn the_example_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = r#"{"test": 2432232314}"#;
        let sign = |secrets: &[&Secret]| {
            let signer = Signer::new(secrets.iter().copied()).unwrap();
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
        };
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(&[&secret]), expected);
        let other = Secret::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let both = sign(&[&other, &secret]);
        let (first, second) = both.split_once(' ').unwrap();
        assert!(first.starts_with("v1,") && first != expected && second == expected, "{both}");
    }

    #[test]
    fn what_is_no_secret() {
        let is = |text: &str| key(&Secret::new(text)).is_some();
        assert!(is("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        for wrong in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La-_Sw",
            &format!("whsec_{}", "AAAA".repeat(22)),
        ] {
            assert!(!is(wrong), "{wrong}");
        }
    }
}
