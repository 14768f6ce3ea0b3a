//! What only the whole profile shows: what is missing, what contradicts what.

use super::{Examined, Interpreter};
use crate::crypto::cipher::Cipher;
use crate::profile::error::{Note, Place, ProfileError};
use crate::profile::model::{Profile, Remote};
use crate::profile::proxy::Proxy;
use crate::profile::value::{BadValue, choice};
use crate::settings::Transport;

impl Interpreter<'_, '_> {
    /// Checks the whole and hands it out.
    pub(super) fn finish(mut self) -> Examined {
        self.check_role();
        self.check_trust();
        self.check_identity();
        self.check_dns();
        self.settle_ciphers();
        let digest = self.tls.auth_digest.unwrap_or(self.profile.data.digest);
        let had_remote = !self.entries.is_empty();
        let remotes = self.remotes(digest);
        self.profile.remotes = remotes;
        self.settle_remotes(had_remote);
        self.profile.peer_info.auto_session =
            self.profile.meta.autologin || self.profile.login.is_none();
        self.notes.sort_by(|a, b| a.place.cmp(&b.place));
        self.errors.sort_by_key(|error| order(&error.place));
        Examined {
            profile: self.profile,
            notes: self.notes,
            errors: self.errors,
        }
    }

    fn check_role(&mut self) {
        match (self.role.pull, self.role.tls_client) {
            (true, true) => {}
            (false, true) => self.whole_error(
                "client",
                "tls-client without pull takes no options from the server, which is not supported",
                "client",
            ),
            (_, false) if self.blamed(&["mode", "secret", "tls-server"]) => {}
            (_, false) => self.whole_error("client", "this is not a client's profile", "client"),
        }
    }

    fn check_trust(&mut self) {
        let tls = &self.profile.tls;
        let nobody = tls.ca.is_empty() && tls.fingerprints.is_empty() && tls.pkcs12.is_none();
        if nobody && !self.blamed(&["ca", "capath", "peer-fingerprint", "pkcs12", "secret"]) {
            let reason = "nothing says which server to trust";
            self.whole_error("ca", reason, "ca, peer-fingerprint or pkcs12");
        }
        let (min, max) = (self.profile.tls.version_min, self.profile.tls.version_max);
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            let reason = "the highest TLS version is below the lowest";
            self.whole_error("tls-version-max", reason, "at least tls-version-min");
        }
    }

    fn check_identity(&mut self) {
        if self.blamed(IDENTITY) {
            return;
        }
        let profile = &self.profile;
        let tls = &profile.tls;
        match (&tls.cert, &tls.key, &tls.pkcs12) {
            (Some(_), Some(_), Some(_)) => {
                self.whole_error("pkcs12", "cert and key are there too", "one or the other");
            }
            (Some(_), None, None) => {
                self.whole_error(
                    "key",
                    "the certificate has no private key",
                    "key, beside cert",
                );
            }
            (None, Some(_), None) => {
                self.whole_error(
                    "cert",
                    "the private key has no certificate",
                    "cert, beside key",
                );
            }
            (None, None, None) if profile.meta.external_pki && !tls.no_certificate => {
                let reason = "the profile leaves certificate and key to another program";
                self.whole_error("cert", reason, "cert and key within the profile, or pkcs12");
            }
            (None, None, None) if profile.login.is_none() && !tls.no_certificate => {
                let reason = "nothing says who we are";
                self.whole_error("cert", reason, "cert and key, pkcs12 or auth-user-pass");
            }
            _ => {}
        }
        if self.profile.static_challenge.is_some() && self.profile.login.is_none() {
            let reason = "the answer goes with a password, and none is asked for";
            self.whole_error("static-challenge", reason, "auth-user-pass too");
        }
    }

    fn check_dns(&mut self) {
        let lacking: Vec<i8> = self.profile.tunnel.dns.without_address().collect();
        if self.blamed(&["dns"]) {
            return;
        }
        for priority in lacking {
            let reason = format!("server {priority} has no address");
            let right = format!("dns server {priority} address ADDRESS");
            self.whole_error("dns", &reason, &right);
        }
    }

    /// `cipher` is offered last, and is the fallback where no other is named; `data-ciphers` without it excludes it.
    fn settle_ciphers(&mut self) {
        let mut cipher = self.tls.cipher;
        let ciphers = if let Some(named) = self.tls.ciphers.take() {
            if let Some(excluded) = cipher.filter(|cipher| !named.contains(cipher)) {
                cipher = None;
                let text = format!(
                    "{excluded} is not used, since data-ciphers does not name it; where the server cannot negotiate, \
                     data-ciphers-fallback {excluded} would be right"
                );
                self.whole_note("cipher", &text);
            }
            named
        } else {
            let mut ciphers = Cipher::DEFAULT.to_vec();
            ciphers.extend(cipher.filter(|cipher| !Cipher::DEFAULT.contains(cipher)));
            ciphers
        };
        let data = &mut self.profile.data;
        data.ciphers = ciphers;
        data.fallback = self.tls.fallback.or(cipher);
    }

    fn settle_remotes(&mut self, had_remote: bool) {
        if !had_remote && self.blamed(&["connection", "remote", "server"]) {
            return;
        }
        if !had_remote {
            return self.whole_error("remote", "no server is named", "remote HOST [PORT [PROTO]]");
        }
        if let Some(transport) = self.forced {
            self.profile
                .remotes
                .retain(|remote| remote.transport == transport);
            if self.profile.remotes.is_empty() && self.errors.is_empty() {
                let reason = "no remote has the protocol that is demanded";
                return self.whole_error("proto-force", reason, "a remote with that protocol");
            }
        }
        if let Err(why) = self.profile.drop_unreachable() {
            self.whole_error("http-proxy", why, "a remote with proto tcp");
        }
        let over_tcp = |remote: &Remote| {
            remote.transport == Transport::Tcp && remote.options.fragment.is_some()
        };
        if self.profile.remotes.iter().any(over_tcp) {
            self.whole_note("fragment", "it has no effect over TCP");
        }
    }

    pub(super) fn force_protocol(&mut self, args: &[&str]) -> Result<(), BadValue> {
        const WORDS: &[(&str, Transport)] = &[("udp", Transport::Udp), ("tcp", Transport::Tcp)];
        self.forced = Some(choice(args, 0, WORDS)?);
        Ok(())
    }

    /// Whether an error has been found at one of these options, so that what it should have said is not missing too.
    fn blamed(&self, options: &[&str]) -> bool {
        let mut errors = self.errors.iter();
        errors.any(|error| options.contains(&error.directive.as_str()))
    }

    /// The place of what is said about the profile as a whole.
    fn whole(&self) -> Place {
        Place {
            file: self.file.to_owned(),
            line: 0,
            column: 0,
        }
    }

    /// A note about the profile as a whole.
    pub(super) fn whole_note(&mut self, directive: &str, text: &str) {
        self.notes.push(Note {
            place: self.whole(),
            directive: directive.to_owned(),
            text: text.to_owned(),
            minor: false,
        });
    }

    /// An error about the profile as a whole.
    pub(super) fn whole_error(&mut self, directive: &str, reason: &str, right: &str) {
        self.errors.push(ProfileError {
            place: self.whole(),
            directive: directive.to_owned(),
            reason: reason.to_owned(),
            right: right.to_owned(),
        });
    }
}

/// What could have said who we are.
const IDENTITY: &[&str] = &[
    "auth-user-pass",
    "cert",
    "cryptoapicert",
    "key",
    "management-external-cert",
    "management-external-key",
    "pkcs11-id",
    "pkcs11-providers",
    "pkcs12",
    "secret",
];

impl Profile {
    /// Leaves out the UDP remotes that would go through an HTTP proxy.
    pub(in crate::profile) fn drop_unreachable(&mut self) -> Result<(), &'static str> {
        let reachable = |remote: &Remote| {
            remote.transport == Transport::Tcp
                || !matches!(remote.options.proxy, Some(Proxy::Http(_)))
        };
        if !self.remotes.is_empty() && !self.remotes.iter().any(reachable) {
            return Err("an HTTP proxy carries TCP only, and no remote uses it");
        }
        self.remotes.retain(reachable);
        Ok(())
    }
}

/// Errors about the whole come last.
fn order(place: &Place) -> (bool, usize, usize) {
    (place.line == 0, place.line, place.column)
}
