//! Chains and checks against the fixtures; the clock stands at the year 2030.

mod signatures;

use super::*;
use crate::config::{CertType, HashCheck, NameCheck};
use crate::pki::fixtures::{fixture, fixture_bytes};
use crate::pki::{certificates, revocation_list_from_der};

const IN_2030: i64 = 1_893_456_000;
const IN_2020: i64 = 1_577_836_800;
const IN_2200: i64 = 7_258_118_400;

/// What one test asks for.
struct Case {
    verifier: Verifier,
    now: i64,
}

impl Case {
    fn with_ca(ca: &str) -> Self {
        Self {
            verifier: Verifier {
                trust: Trust::from_pem(Some(ca), None, Vec::new()).unwrap(),
                checks: PeerChecks::default(),
                strength: Strength::LEGACY,
            },
            now: IN_2030,
        }
    }

    fn crl(mut self, crl: &str) -> Self {
        let ca = self.verifier.trust.anchors;
        self.verifier.trust = Trust::from_pem(None, Some(crl), vec![[0; 32]]).unwrap();
        self.verifier.trust.anchors = ca;
        self.verifier.trust.fingerprints.clear();
        self
    }

    fn at(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    fn strength(mut self, strength: Strength) -> Self {
        self.verifier.strength = strength;
        self
    }

    fn fingerprints(mut self, fingerprints: Vec<[u8; 32]>) -> Self {
        self.verifier.trust.fingerprints = fingerprints;
        self
    }

    fn checks(mut self, change: impl FnOnce(&mut PeerChecks)) -> Self {
        change(&mut self.verifier.checks);
        self
    }

    fn judge(&self, leaf: &str, sent: &str) -> Result<(), String> {
        let leaf = certificates(leaf).unwrap().remove(0);
        let sent = certificates(sent).unwrap();
        let verdict = self.verifier.judge(&leaf, &sent, self.now);
        verdict.map_err(|refusal| refusal.to_string())
    }

    #[track_caller]
    fn accepts(&self, leaf: &str, sent: &str) {
        assert_eq!(self.judge(leaf, sent), Ok(()));
    }

    #[track_caller]
    fn refuses(&self, leaf: &str, sent: &str, why: &str) {
        let said = self.judge(leaf, sent).expect_err(why);
        assert!(said.contains(why), "{said:?} does not say {why:?}");
        assert!(said.contains("subject: "), "{said:?} shows no subject");
    }
}

fn test_ca() -> Case {
    Case::with_ca(fixture!("ca.crt"))
}

fn fingerprint(certificate: &str) -> [u8; 32] {
    let der = certificates(certificate).unwrap().remove(0);
    digest(&SHA256, &der).as_ref().try_into().unwrap()
}

#[test]
fn a_leaf_of_the_ca_is_accepted_whatever_its_extensions() {
    test_ca().accepts(fixture!("server.crt"), "");
    test_ca().accepts(fixture!("server-bare.crt"), "");
    test_ca().accepts(fixture!("server-nsserver.crt"), "");
    test_ca().accepts(fixture!("server-email.crt"), "");
    test_ca().accepts(fixture!("server-ed.crt"), "");
    test_ca().accepts(fixture!("server.crt"), fixture!("ca.crt"));
}

#[test]
fn old_certificate_authorities_are_accepted_as_anchors() {
    let v1 = Case::with_ca(fixture!("ca-v1.crt"));
    v1.accepts(fixture!("server-by-v1.crt"), "");
    v1.accepts(fixture!("server-by-v1-leaf.crt"), "");
    Case::with_ca(fixture!("ca-bare.crt")).accepts(fixture!("server-by-bare.crt"), "");
}

#[test]
fn keys_of_every_kind_verify_certificates() {
    let curve = Case::with_ca(fixture!("ca-ec.crt"));
    curve.accepts(fixture!("server-by-ec.crt"), "");
    curve.accepts(fixture!("server-ec.crt"), "");
    Case::with_ca(fixture!("ca-ed.crt")).accepts(fixture!("server-by-ed.crt"), "");
    Case::with_ca(fixture!("ca-p521.crt")).accepts(fixture!("server-by-p521.crt"), "");
    test_ca().accepts(fixture!("server-p521.crt"), "");
    test_ca().accepts(fixture!("server-pss.crt"), "");
}

#[test]
fn what_cannot_be_verified_is_named() {
    test_ca().refuses(fixture!("server-md5.crt"), "", "RSA with MD5");
    test_ca().refuses(
        fixture!("server-critical.crt"),
        "",
        "cannot be understood (1.2.3.4)",
    );
}

#[test]
fn intermediates_come_from_the_server_or_from_ca() {
    let leaf = fixture!("server-by-int.crt");
    test_ca().accepts(leaf, fixture!("int.crt"));
    let both = [fixture!("int.crt"), fixture!("ca.crt")].concat();
    Case::with_ca(&both).accepts(leaf, "");
    // A partial chain: the anchor is not a root.
    Case::with_ca(fixture!("int.crt")).accepts(leaf, "");
    test_ca().refuses(leaf, "", "issuer is not in ca (O=Test, CN=Intermediate)");
}

#[test]
fn a_leaf_that_is_in_ca_is_its_own_anchor() {
    Case::with_ca(fixture!("server.crt")).accepts(fixture!("server.crt"), "");
}

#[test]
fn another_certificate_authority_is_refused() {
    let other = Case::with_ca(fixture!("ca-other.crt"));
    other.refuses(
        fixture!("server.crt"),
        "",
        "issuer is not in ca (O=Test, CN=Test CA); subject: O=Test, CN=server",
    );
    // The right root from the server makes it no better.
    other.refuses(
        fixture!("server.crt"),
        fixture!("ca.crt"),
        "signs itself and is not in ca",
    );
    // The same name, another key.
    let twin = Case::with_ca(fixture!("ca-twin.crt"));
    twin.refuses(
        fixture!("server.crt"),
        "",
        "does not match the CA certificate",
    );
}

#[test]
fn of_two_authorities_with_one_name_the_right_one_counts() {
    let both = [fixture!("ca-twin.crt"), fixture!("ca.crt")].concat();
    Case::with_ca(&both).accepts(fixture!("server.crt"), "");
    Case::with_ca(&both).accepts(fixture!("server-by-twin.crt"), "");
    Case::with_ca(&both).accepts(fixture!("server-by-int.crt"), fixture!("int.crt"));
}

#[test]
fn who_is_no_certificate_authority_cannot_sign() {
    let by_leaf = fixture!("server-by-leaf.crt");
    test_ca().refuses(by_leaf, fixture!("server.crt"), "is no CA");
    // No basic constraints at all: only the user can say that it is a CA.
    test_ca().refuses(by_leaf, fixture!("server-bare.crt"), "is no CA");
    let nosign = Case::with_ca(fixture!("ca-nosign.crt"));
    nosign.refuses(
        fixture!("server-by-nosign.crt"),
        "",
        "does not allow it to sign",
    );
}

#[test]
fn the_path_length_of_a_ca_holds() {
    let sent = [fixture!("int2.crt"), fixture!("int.crt")].concat();
    test_ca().refuses(
        fixture!("server-by-int2.crt"),
        &sent,
        "allows fewer CAs below it; subject: O=Test, CN=Intermediate",
    );
}

#[test]
fn purposes_hold_for_leaf_and_ca() {
    test_ca().refuses(
        fixture!("server-client-eku.crt"),
        "",
        "TLS server authentication",
    );
    test_ca().refuses(
        fixture!("server-sign-only.crt"),
        "",
        "key usage allows neither",
    );
    test_ca().refuses(fixture!("server-nsclient.crt"), "", "Netscape");
    test_ca().refuses(
        fixture!("server-by-client-ca.crt"),
        fixture!("int-client.crt"),
        "TLS server authentication; subject: O=Test, CN=Client CA",
    );
}

#[test]
fn the_clock_is_the_one_given() {
    test_ca()
        .at(IN_2020)
        .refuses(fixture!("server.crt"), "", "not valid before");
    test_ca()
        .at(IN_2200)
        .refuses(fixture!("server.crt"), "", "expired on");
}

#[test]
fn sha1_is_for_legacy_and_insecure_profiles() {
    let leaf = fixture!("server-sha1.crt");
    test_ca().strength(Strength::INSECURE).accepts(leaf, "");
    test_ca().strength(Strength::LEGACY).accepts(leaf, "");
    let preferred = test_ca().strength(Strength::PREFERRED);
    preferred.refuses(leaf, "", "does not allow signatures by RSA with SHA-1");
    preferred.accepts(fixture!("server.crt"), "");
}

#[test]
fn short_rsa_keys_are_for_insecure_profiles_only() {
    let (leaf, by_short) = (fixture!("server-1024.crt"), fixture!("server-by-1024.crt"));
    for (ca, leaf, why) in [
        (fixture!("ca.crt"), leaf, "RSA with 1024 bits"),
        (fixture!("ca-1024.crt"), by_short, "CN=Small CA"),
    ] {
        let with = |strength| Case::with_ca(ca).strength(strength);
        with(Strength::INSECURE).accepts(leaf, "");
        with(Strength::LEGACY).refuses(leaf, "", why);
        with(Strength::LEGACY).refuses(leaf, "", "tls-cert-profile insecure allows");
        with(Strength::PREFERRED).refuses(leaf, "", why);
    }
}

#[test]
fn suite_b_wants_curves() {
    let curve = Case::with_ca(fixture!("ca-ec.crt")).strength(Strength::SUITE_B);
    curve.accepts(fixture!("server-ec.crt"), "");
    curve.refuses(fixture!("server-by-ec.crt"), "", "too weak");
    test_ca()
        .strength(Strength::SUITE_B)
        .refuses(fixture!("server.crt"), "", "too weak");
}

#[test]
fn revoked_certificates_are_refused() {
    let leaf = fixture!("server.crt");
    test_ca().crl(fixture!("empty.crl")).accepts(leaf, "");
    test_ca()
        .crl(fixture!("server.crl"))
        .refuses(leaf, "", "has been revoked");
    test_ca()
        .crl(fixture!("server.crl"))
        .accepts(fixture!("server-bare.crt"), "");
    let by_int = fixture!("server-by-int.crt");
    let both = [fixture!("empty.crl"), fixture!("by-int.crl")].concat();
    test_ca()
        .crl(&both)
        .refuses(by_int, fixture!("int.crt"), "revoked");
    let revoked_ca = [fixture!("int.crl"), fixture!("by-int-empty.crl")].concat();
    test_ca().crl(&revoked_ca).refuses(
        by_int,
        fixture!("int.crt"),
        "revoked (crl-verify); subject: O=Test, CN=Intermediate",
    );
}

#[test]
fn a_revoked_intermediate_is_refused_although_it_is_in_ca() {
    let ca = [fixture!("int.crt"), fixture!("ca.crt")].concat();
    let case = Case::with_ca(&ca).crl(fixture!("int.crl"));
    case.refuses(fixture!("server-by-int.crt"), "", "revoked");
}

#[test]
fn an_issuer_without_revocation_list_is_let_through() {
    test_ca()
        .crl(fixture!("empty.crl"))
        .accepts(fixture!("server-by-int.crt"), fixture!("int.crt"));
    test_ca()
        .crl(fixture!("by-int.crl"))
        .accepts(fixture!("server.crt"), "");
}

#[test]
fn a_revocation_list_must_be_of_its_time_and_of_its_issuer() {
    let leaf = fixture!("server.crt");
    test_ca()
        .crl(fixture!("expired.crl"))
        .refuses(leaf, "", "(crl-verify) expired on");
    test_ca()
        .crl(fixture!("early.crl"))
        .refuses(leaf, "", "(crl-verify) is not valid before");
    test_ca()
        .crl(fixture!("twin.crl"))
        .refuses(leaf, "", "cannot be trusted");
    // A list that counts stands in for one that does not.
    let renewed = [fixture!("expired.crl"), fixture!("empty.crl")].concat();
    test_ca().crl(&renewed).accepts(leaf, "");
}

#[test]
fn crl_verify_without_a_list_refuses_everything() {
    test_ca()
        .crl("")
        .refuses(fixture!("server.crt"), "", "there is no revocation list");
}

#[test]
fn a_list_as_der_counts_too() {
    let mut case = test_ca();
    let list = revocation_list_from_der(fixture_bytes!("empty.crl.der")).unwrap();
    case.verifier.trust.revocation_lists = Some(vec![list]);
    case.accepts(fixture!("server.crt"), "");
}

#[test]
fn a_fingerprint_alone_is_enough() {
    let leaf = fixture!("server-by-p521.crt");
    let mut case = test_ca().fingerprints(vec![[7; 32], fingerprint(leaf)]);
    case.verifier.trust.anchors.clear();
    case.accepts(leaf, "");
    case.at(IN_2200).accepts(leaf, "");
}

#[test]
fn a_fingerprint_of_another_is_refused() {
    let mut case = test_ca().fingerprints(vec![[7; 32]]);
    case.verifier.trust.anchors.clear();
    case.refuses(
        fixture!("server.crt"),
        "",
        "peer-fingerprint: the certificate's fingerprint ",
    );
}

#[test]
fn with_ca_and_fingerprint_both_must_hold() {
    let leaf = fixture!("server.crt");
    test_ca()
        .fingerprints(vec![fingerprint(leaf)])
        .accepts(leaf, "");
    test_ca()
        .fingerprints(vec![[7; 32]])
        .refuses(leaf, "", "peer-fingerprint");
    let other = Case::with_ca(fixture!("ca-other.crt")).fingerprints(vec![fingerprint(leaf)]);
    other.refuses(leaf, "", "not in ca");
}

#[test]
fn without_any_trust_everything_is_refused() {
    let mut case = test_ca();
    case.verifier.trust = Trust::default();
    case.refuses(fixture!("server.crt"), fixture!("ca.crt"), "not in ca");
}

#[test]
fn remote_cert_tls_wants_both_extensions() {
    let server = || test_ca().checks(|checks| checks.cert_type = Some(CertType::Server));
    server().accepts(fixture!("server.crt"), "");
    server().refuses(
        fixture!("server-bare.crt"),
        "",
        "remote-cert-tls server: the certificate has no key usage; subject: O=Test, CN=server",
    );
    server().refuses(fixture!("server-email.crt"), "", "no key usage");
    let client = test_ca().checks(|checks| checks.cert_type = Some(CertType::Client));
    client.refuses(
        fixture!("server.crt"),
        "",
        "lacks TLS Web Client Authentication",
    );
}

#[test]
fn remote_cert_ku_compares_bits_as_openvpn_counts_them() {
    let with = |values: &[u8]| {
        let values = values.to_vec();
        test_ca().checks(|checks| checks.key_usage = Some(values))
    };
    for good in [&[0xa0][..], &[0x80], &[0x88, 0x20], &[]] {
        with(good).accepts(fixture!("server.crt"), "");
    }
    with(&[0x88, 0x04]).refuses(fixture!("server.crt"), "", "key usage is a0");
    with(&[]).refuses(fixture!("server-bare.crt"), "", "no key usage");
}

#[test]
fn remote_cert_eku_knows_names_and_numbers() {
    let with = |usage: &str| {
        let usage = usage.to_owned();
        test_ca().checks(|checks| checks.extended_key_usage = Some(usage))
    };
    let leaf = fixture!("server-email.crt");
    with("TLS Web Server Authentication").accepts(leaf, "");
    with("1.3.6.1.5.5.7.3.1").accepts(leaf, "");
    with("1.2.3.4.5").accepts(leaf, "");
    with("Code Signing").refuses(leaf, "", "remote-cert-eku Code Signing");
    with("1.3.6.1.5.5.7.3.1").refuses(fixture!("server-bare.crt"), "", "no extended key usage");
}

#[test]
fn ns_cert_type_goes_by_purpose_or_by_netscape() {
    let server = || test_ca().checks(|checks| checks.netscape_type = Some(CertType::Server));
    server().accepts(fixture!("server.crt"), "");
    server().accepts(fixture!("server-nsserver.crt"), "");
    let client = test_ca().checks(|checks| checks.netscape_type = Some(CertType::Client));
    client.refuses(fixture!("server.crt"), "", "ns-cert-type client");
    client.refuses(fixture!("server-nsserver.crt"), "", "ns-cert-type client");
}

#[test]
fn verify_x509_name_has_three_forms() {
    let with = |name| test_ca().checks(|checks| checks.name = Some(name));
    let leaf = fixture!("server.crt");
    with(NameCheck::Name("server".into())).accepts(leaf, "");
    with(NameCheck::NamePrefix("ser".into())).accepts(leaf, "");
    with(NameCheck::Subject("O=Test, CN=server".into())).accepts(leaf, "");
    with(NameCheck::OldSubject("/O=Test/CN=server".into())).accepts(leaf, "");
    with(NameCheck::OldSubject("/CN=server".into())).refuses(leaf, "", "subject is not");
    with(NameCheck::Name("Server".into())).refuses(
        leaf,
        "",
        "verify-x509-name: the certificate's name is not",
    );
    with(NameCheck::Name("serve".into())).refuses(leaf, "", "name is not");
    with(NameCheck::NamePrefix("erver".into())).refuses(leaf, "", "does not begin with");
    with(NameCheck::Subject("CN=server".into())).refuses(leaf, "", "subject is not");
    let mail = test_ca().checks(|checks| {
        checks.name = Some(NameCheck::Name("me@example.org".into()));
        checks.username_field = Some("ext:subjectAltName".into());
    });
    mail.accepts(fixture!("server-email.crt"), "");
    mail.refuses(leaf, "", "no such name");
}

#[test]
fn verify_hash_looks_at_its_depth() {
    let with = |certificate: &str, depth| {
        let fingerprints = vec![fingerprint(certificate).to_vec()];
        test_ca().checks(|checks| {
            checks.hash = Some(HashCheck {
                fingerprints,
                depth,
            });
        })
    };
    let leaf = fixture!("server.crt");
    with(fixture!("ca.crt"), 1).accepts(leaf, "");
    with(leaf, 0).accepts(leaf, "");
    with(leaf, 1).refuses(leaf, "", "verify-hash");
    with(fixture!("ca.crt"), 2).refuses(leaf, "", "no certificate at depth 2");
}

#[test]
fn a_changed_certificate_is_refused_and_never_panics() {
    let leaf = certificates(fixture!("server-email.crt"))
        .unwrap()
        .remove(0);
    let case = test_ca();
    for place in 0..leaf.len() {
        for bit in 0..8 {
            let mut changed = leaf.to_vec();
            changed[place] ^= 1 << bit;
            let verdict = case
                .verifier
                .judge(&CertificateDer::from(changed), &[], IN_2030);
            // Around the signature lie a few bytes that nobody signs, but nobody reads them either.
            let is_signed = (4..leaf.len() - 300).contains(&place);
            assert!(verdict.is_err() || !is_signed, "byte {place}, bit {bit}");
        }
    }
}
