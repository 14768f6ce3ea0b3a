//! `ProfileIdentity`: whom a profile logs in to and how, as a digest that logins are bound to.

use ring::digest::{Context, SHA256};

use super::model::{Material, Profile, Remote};
use super::proxy::{HttpAuth, Proxy};
use crate::settings::{CertType, NameCheck, PeerChecks};

/// Whom a profile logs in to, and how: a digest of its remotes and proxies, of what proves a server to be the right one,
/// and of its login options. A login that was given for one identity is of no use to another, whatever the name of the
/// profile. No secret is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileIdentity([u8; Self::LEN]);

impl ProfileIdentity {
    /// How many bytes it has.
    pub const LEN: usize = 32;

    /// An identity that was written down.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// To be written down.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl Profile {
    /// Whom this profile logs in to, and how. The order of the remotes does not matter.
    #[must_use]
    pub fn identity(&self) -> ProfileIdentity {
        let mut hash = Hash::new();
        let mut remotes: Vec<_> = self.remotes.iter().map(remote).collect();
        remotes.sort_unstable();
        remotes.dedup();
        hash.list("remote", &remotes);
        self.hash_trust(&mut hash);
        self.hash_login(&mut hash);
        ProfileIdentity(hash.finish())
    }

    /// What proves a server to be the right one.
    fn hash_trust(&self, hash: &mut Hash) {
        let tls = &self.tls;
        let ca: Vec<&[u8]> = tls.ca.iter().map(bytes).collect();
        hash.list("ca", &ca);
        // Without `ca`, the certificates beside our own are the CA.
        if ca.is_empty() {
            hash.optional("pkcs12", tls.pkcs12.as_ref().map(bytes));
        }
        hash.list("peer-fingerprint", &tls.fingerprints);
        hash_checks(hash, &tls.checks);
    }

    /// What is given to the server.
    fn hash_login(&self, hash: &mut Hash) {
        if let Some(login) = &self.login {
            hash.field("auth-user-pass", &[u8::from(login.username_only)]);
            hash.optional("username", login.username.as_ref());
            // The password itself would make the digest worth guessing at.
            hash.field("password", &[u8::from(login.password.is_some())]);
        }
        if let Some(challenge) = &self.static_challenge {
            hash.field("static-challenge", challenge.text.as_bytes());
            hash.field("concat", &[u8::from(challenge.concat)]);
        }
        hash.field("auth-nocache", &[u8::from(self.auth_nocache)]);
    }
}

fn bytes(material: &Material) -> &[u8] {
    material.content.expose()
}

/// The digest of a remote and of the way to it.
fn remote(remote: &Remote) -> [u8; ProfileIdentity::LEN] {
    let mut hash = Hash::new();
    hash.field("host", remote.host.to_ascii_lowercase().as_bytes());
    hash.field("port", &remote.port.to_be_bytes());
    hash.field("transport", remote.transport.to_string().as_bytes());
    let (kind, host, port, login) = match &remote.options.proxy {
        None => return hash.finish(),
        Some(Proxy::Http(proxy)) => {
            let auth = match proxy.auth {
                HttpAuth::Auto => "http auto",
                HttpAuth::AutoNoClearText => "http auto-nct",
                HttpAuth::Basic => "http basic",
                HttpAuth::Digest => "http digest",
                HttpAuth::None => "http none",
                HttpAuth::Ntlm => "http ntlm",
            };
            (auth, &proxy.host, proxy.port, &proxy.login)
        }
        Some(Proxy::Socks(proxy)) => ("socks", &proxy.host, proxy.port, &proxy.login),
    };
    hash.field("proxy", kind.as_bytes());
    hash.field("proxy host", host.to_ascii_lowercase().as_bytes());
    hash.field("proxy port", &port.to_be_bytes());
    let username = login.as_ref().and_then(|login| login.username.as_ref());
    hash.optional("proxy username", username);
    hash.finish()
}

fn hash_checks(hash: &mut Hash, checks: &PeerChecks) {
    let cert_type = |it: CertType| match it {
        CertType::Client => "client",
        CertType::Server => "server",
    };
    hash.optional("remote-cert-tls", checks.cert_type.map(cert_type));
    hash.optional("remote-cert-ku", checks.key_usage.as_ref());
    hash.optional("remote-cert-eku", checks.extended_key_usage.as_ref());
    hash.optional("ns-cert-type", checks.netscape_type.map(cert_type));
    if let Some(check) = &checks.name {
        let (kind, name) = match check {
            NameCheck::Name(name) => ("name", name),
            NameCheck::NamePrefix(name) => ("name-prefix", name),
            NameCheck::OldSubject(name) => ("old subject", name),
            NameCheck::Subject(name) => ("subject", name),
        };
        hash.list("verify-x509-name", &[kind, name]);
    }
    if let Some(check) = &checks.hash {
        hash.list("verify-hash", &check.fingerprints);
        hash.field("depth", check.depth.to_string().as_bytes());
    }
    hash.optional("x509-username-field", checks.username_field.as_ref());
}

/// A digest over named fields, each with its length, so that none can be taken for two or for another.
struct Hash(Context);

impl Hash {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.update(&length.to_be_bytes());
        self.0.update(bytes);
    }

    fn field(&mut self, name: &str, content: &[u8]) {
        self.list(name, &[content]);
    }

    fn optional(&mut self, name: &str, content: Option<impl AsRef<[u8]>>) {
        if let Some(content) = content {
            self.field(name, content.as_ref());
        }
    }

    fn list(&mut self, name: &str, contents: &[impl AsRef<[u8]>]) {
        self.bytes(name.as_bytes());
        let count = u64::try_from(contents.len()).unwrap_or(u64::MAX);
        self.0.update(&count.to_be_bytes());
        for content in contents {
            self.bytes(content.as_ref());
        }
    }

    fn finish(self) -> [u8; ProfileIdentity::LEN] {
        let mut bytes = [0; ProfileIdentity::LEN];
        let digest = self.0.finish();
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const FINGERPRINT: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

    fn identity(lines: &str) -> ProfileIdentity {
        let text = format!("client\nsetenv CLIENT_CERT 0\n{lines}\n");
        let parsed = Profile::parse("p", &text, &mut |file| Err(file.to_owned()));
        let (profile, _notes) = parsed.unwrap_or_else(|error| panic!("{lines}: {error:?}"));
        profile.identity()
    }

    #[test]
    fn whatever_decides_who_gets_the_login_makes_another_identity() {
        let ca = |text: &str| format!("remote a\n<ca>\n{text}\n</ca>");
        let pinned = |lines: &str| format!("peer-fingerprint {FINGERPRINT}\n{lines}");
        let tcp = |lines: &str| pinned(&format!("remote a 443 tcp\n{lines}"));
        let profiles = [
            ca("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            ca("-----BEGIN CERTIFICATE-----\nAAAB\n-----END CERTIFICATE-----"),
            pinned("remote a"),
            pinned("remote b"),
            pinned("remote a\nremote b"),
            pinned("remote a 443"),
            tcp(""),
            tcp("http-proxy p 3128"),
            tcp("http-proxy q 3128"),
            tcp("http-proxy p 3129"),
            tcp("socks-proxy p 3128"),
            pinned("remote a\nremote-cert-tls server"),
            pinned("remote a\nverify-x509-name a name"),
            pinned("remote a\nverify-x509-name a name-prefix"),
            pinned("remote a\nauth-user-pass"),
            pinned("remote a\nauth-user-pass username-only"),
            pinned("remote a\n<auth-user-pass>\nalice\n</auth-user-pass>"),
            pinned("remote a\n<auth-user-pass>\nbob\n</auth-user-pass>"),
            pinned("remote a\n<auth-user-pass>\nbob\nsecret\n</auth-user-pass>"),
            pinned("remote a\nauth-user-pass\nauth-nocache"),
            pinned("remote a\nauth-user-pass\nstatic-challenge PIN 1"),
            pinned("remote a\nauth-user-pass\nstatic-challenge PIN 1 concat"),
        ];
        let mut seen: BTreeMap<_, &String> = BTreeMap::new();
        for lines in &profiles {
            let before = seen.insert(*identity(lines).as_bytes(), lines);
            assert_eq!(before, None, "{lines}");
        }
    }

    #[test]
    fn what_has_no_say_in_the_login_leaves_the_identity_alone() {
        let with = |lines: &str| identity(&format!("peer-fingerprint {FINGERPRINT}\n{lines}"));
        let same = with("remote a\nremote b");
        assert_eq!(with("remote b\nremote a"), same, "the order of remotes");
        assert_eq!(
            with("remote a\nremote b\nremote A"),
            same,
            "one named twice"
        );
        assert_eq!(with("remote a\nremote b\nverb 5\nroute 10.0.0.0"), same);
        assert_eq!(with("remote a\nremote b\nconnect-retry 7"), same);
        let password = |password| {
            with(&format!(
                "remote a\n<auth-user-pass>\nalice\n{password}\n</auth-user-pass>"
            ))
        };
        assert_eq!(password("one"), password("two"));
    }
}
