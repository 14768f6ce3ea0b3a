//! Digest: a login that shows the password to nobody on the way (RFC 2617, MD5).

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::challenge::Challenge;

/// What the proxy demands to be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// The algorithm, as the proxy writes it.
    algorithm: Option<String>,
    /// Whether counter and client's nonce are hashed too.
    protected: bool,
    /// The answer before was right, but hashed with a nonce that is too old.
    pub(super) stale: bool,
}

impl Digest {
    /// Understands a challenge. `None`: it is none, or none that we can meet.
    pub(super) fn new(challenge: &Challenge) -> Option<Self> {
        let text = |name| challenge.parameter(name).map(str::to_owned);
        let algorithm = text("algorithm");
        let known = algorithm.as_deref().is_none_or(|name| {
            name.eq_ignore_ascii_case("MD5") || name.eq_ignore_ascii_case(SESSION)
        });
        let protected = match challenge.parameter("qop") {
            None => false,
            Some(list) => {
                let mut offered = list.split(',').map(str::trim);
                if !offered.any(|one| one.eq_ignore_ascii_case("auth")) {
                    return None;
                }
                true
            }
        };
        (challenge.scheme == "digest" && known).then_some(Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            protected,
            stale: challenge
                .parameter("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// What stands behind `Proxy-Authorization:`. `target` is what the request connects to.
    pub(super) fn authorization(
        &self,
        (username, password): (&str, &str),
        target: &str,
        client_nonce: &str,
    ) -> String {
        let response = self.response((username, password), target, client_nonce);
        let [username, realm, nonce] = [username, &self.realm, &self.nonce].map(escaped);
        let mut text = format!(
            "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\""
        );
        if self.protected {
            text.push_str(&format!(
                ", qop=auth, nc={COUNT}, cnonce=\"{client_nonce}\""
            ));
        }
        text.push_str(&format!(", response=\"{response}\""));
        if let Some(algorithm) = &self.algorithm {
            text.push_str(&format!(", algorithm={algorithm}"));
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(&format!(", opaque=\"{}\"", escaped(opaque)));
        }
        text
    }

    fn response(
        &self,
        (username, password): (&str, &str),
        target: &str,
        client_nonce: &str,
    ) -> String {
        let mut secret = Zeroizing::new(hashed(&[username, &self.realm, password]));
        let session = self.algorithm.as_deref();
        if session.is_some_and(|name| name.eq_ignore_ascii_case(SESSION)) {
            // The hash goes in as bytes, not as digits: so do OpenVPN 2.6 and OpenVPN 3.
            let mut hash = Md5::new();
            hash.update(*secret);
            hash.update(format!(":{}:{client_nonce}", self.nonce));
            *secret = hash.finalize().into();
        }
        let secret = Zeroizing::new(hex(&*secret));
        let request = hex(&hashed(&["CONNECT", target]));
        hex(&if self.protected {
            hashed(&[&secret, &self.nonce, COUNT, client_nonce, "auth", &request])
        } else {
            hashed(&[&secret, &self.nonce, &request])
        })
    }
}

/// The hash of some texts with colons between them.
fn hashed(texts: &[&str]) -> [u8; 16] {
    let mut hash = Md5::new();
    for (position, text) in texts.iter().enumerate() {
        if position > 0 {
            hash.update(b":");
        }
        hash.update(text);
    }
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As it stands between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Each nonce is used once.
const COUNT: &str = "00000001";
const SESSION: &str = "MD5-sess";

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(parameters: &str) -> Option<Digest> {
        let header = format!("Digest realm=\"proxy realm\", nonce=\"abcdef\", {parameters}");
        Digest::new(&Challenge::parse(&header)[0])
    }

    fn response(parameters: &str) -> String {
        digest(parameters).unwrap().response(
            ("user", "pass"),
            "vpn.example.com:1194",
            "0123456789abcdef",
        )
    }

    #[test]
    fn the_known_answers_are_met() {
        assert_eq!(response("qop=\"auth\""), "44f651044d3f4ae3c55183d5dad44c85");
        assert_eq!(
            response("qop=\"auth-int, auth\", algorithm=MD5"),
            "44f651044d3f4ae3c55183d5dad44c85"
        );
        assert_eq!(
            response("qop=auth, algorithm=MD5-sess"),
            "2fb6cfc60854824bb6d9d20fa8678158"
        );
    }

    #[test]
    fn a_proxy_without_protection_gets_the_older_hash() {
        let text = digest("opaque=\"o\"").unwrap().authorization(
            ("us\"er", "pass"),
            "h:1",
            "0123456789abcdef",
        );
        assert!(text.starts_with(
            "Digest username=\"us\\\"er\", realm=\"proxy realm\", nonce=\"abcdef\", uri=\"h:1\", response=\""
        ));
        assert!(text.ends_with("\", opaque=\"o\""));
    }

    #[test]
    fn what_we_cannot_hash_is_none() {
        assert!(digest("algorithm=SHA-256").is_none());
        assert!(digest("qop=\"auth-int\"").is_none());
        assert!(Digest::new(&Challenge::parse("Digest realm=x")[0]).is_none());
        assert!(Digest::new(&Challenge::parse("Basic realm=x, nonce=y")[0]).is_none());
    }

    #[test]
    fn a_stale_nonce_is_no_refusal() {
        assert!(digest("stale=TRUE").unwrap().stale);
        assert!(!digest("stale=false").unwrap().stale);
    }
}
