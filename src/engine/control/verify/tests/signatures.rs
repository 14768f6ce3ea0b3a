//! Chains and revocation lists that are signed in every way that authorities have.

use super::super::super::super::pki::revocation_lists;
use super::super::super::super::pki::signature::{Hash, Pss, Scheme, SignatureError};
use super::*;

/// A certificate and its authority, from `tests/data/signatures`.
macro_rules! signed {
    ($authority:literal, $hash:literal) => {
        (
            fixture!("signatures", concat!($authority, ".crt")),
            fixture!("signatures", concat!($authority, "-", $hash, ".crt")),
        )
    };
}

macro_rules! signed_by {
    ($($authority:literal),+) => {
        [$([
            ("SHA-1", signed!($authority, "sha1")),
            ("SHA-224", signed!($authority, "sha224")),
            ("SHA-256", signed!($authority, "sha256")),
            ("SHA-384", signed!($authority, "sha384")),
            ("SHA-512", signed!($authority, "sha512")),
        ]),+]
    };
}

/// The certificate with one bit of its signature changed.
fn spoilt(leaf: &str) -> CertificateDer<'static> {
    let mut der = certificates(leaf).unwrap().remove(0).to_vec();
    *der.last_mut().unwrap() ^= 1;
    CertificateDer::from(der)
}

#[track_caller]
fn accepts_unspoilt(case: &Case, leaf: &str) {
    case.accepts(leaf, "");
    let verdict = case.verifier.judge(&spoilt(leaf), &[], IN_2030);
    let why = verdict.unwrap_err().to_string();
    assert!(
        why.contains("does not hold") || why.contains("cannot be read"),
        "{why}"
    );
}

#[test]
fn every_key_signs_with_every_hash() {
    let all = signed_by!("p256", "p384", "p521", "rsa", "rsa1024");
    for (hash, (authority, leaf)) in all.into_iter().flatten() {
        let case = Case::with_ca(authority).strength(Strength::INSECURE);
        accepts_unspoilt(&case, leaf);
        if hash == "SHA-1" {
            let strict = case.strength(Strength::PREFERRED);
            let said = strict.judge(leaf, "").unwrap_err();
            assert!(said.contains("SHA-1") || said.contains("1024"), "{said}");
        }
    }
}

#[test]
fn a_certificate_of_another_authority_with_the_same_kind_of_key_is_refused() {
    for (_, (_, leaf)) in signed_by!("p521").into_iter().flatten() {
        Case::with_ca(fixture!("signatures", "p384.crt")).refuses(leaf, "", "not in ca");
        let twin = fixture!("ca-p521.crt");
        Case::with_ca(twin).refuses(leaf, "", "not in ca");
    }
}

#[test]
fn pss_has_every_hash_and_every_length_of_salt() {
    let authority = fixture!("signatures", "rsa.crt");
    let case = Case::with_ca(authority).strength(Strength::INSECURE);
    for leaf in [
        fixture!("signatures", "pss-sha1.crt"),
        fixture!("signatures", "pss-sha224.crt"),
        fixture!("signatures", "pss-sha256.crt"),
        fixture!("signatures", "pss-sha384.crt"),
        fixture!("signatures", "pss-sha512.crt"),
        fixture!("signatures", "pss-salt-0.crt"),
        fixture!("signatures", "pss-salt-20.crt"),
        fixture!("signatures", "pss-salt-max.crt"),
        fixture!("signatures", "pss-mgf1-sha1.crt"),
    ] {
        accepts_unspoilt(&case, leaf);
    }
}

#[test]
fn keys_for_pss_only_sign_with_pss_as_they_allow() {
    for (authority, leaf) in [
        signed!("forpss", "sha256"),
        signed!("forpss", "sha512"),
        signed!("strict", "sha256"),
    ] {
        accepts_unspoilt(&Case::with_ca(authority), leaf);
    }
    let strict = certificates(fixture!("signatures", "strict.crt")).unwrap();
    let strict = Certificate::parse(&strict[0]).unwrap();
    let signature = fixture_bytes!("signatures", "strict.sig");
    let verify = |scheme: Scheme| scheme.verify(strict.key(), b"message", signature);
    assert_eq!(verify(Scheme::RsaPss(Pss::of(Hash::Sha256))), Ok(()));
    for scheme in [
        Scheme::RsaPss(Pss::of(Hash::Sha512)),
        Scheme::RsaPss(Pss {
            salt: 20,
            ..Pss::of(Hash::Sha256)
        }),
        Scheme::RsaPkcs1(Hash::Sha256),
    ] {
        assert_eq!(verify(scheme), Err(SignatureError::Invalid), "{scheme}");
    }
}

#[test]
fn keys_without_cryptography_are_told_by_their_names() {
    let ed448 = Case::with_ca(fixture!("signatures", "ed448.crt"));
    ed448.refuses(
        fixture!("signatures", "ed448-leaf.crt"),
        "",
        "signatures by Ed448 are not supported",
    );
    for (leaf, name) in [
        (
            fixture!("signatures", "secp256k1.crt"),
            "ECDSA with secp256k1",
        ),
        (
            fixture!("signatures", "brainpoolP256r1.crt"),
            "ECDSA with brainpoolP256r1",
        ),
        (fixture!("signatures", "secp224r1.crt"), "ECDSA with P-224"),
    ] {
        let said = Case::with_ca(leaf).judge(leaf, "").unwrap_err();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn suite_b_allows_two_curves_and_two_hashes() {
    let suite_b = |authority| Case::with_ca(authority).strength(Strength::SUITE_B);
    for (hash, (authority, leaf)) in signed_by!("p256", "p384").into_iter().flatten() {
        if matches!(hash, "SHA-256" | "SHA-384") {
            suite_b(authority).accepts(leaf, "");
        } else {
            suite_b(authority).refuses(leaf, "", hash);
        }
    }
    let (authority, leaf) = signed!("p521", "sha384");
    suite_b(authority).refuses(leaf, "", "ECDSA with P-521");
}

#[test]
fn revocation_lists_are_read_as_far_as_they_are_used() {
    let (authority, leaf) = signed!("rsa", "sha256");
    let other = fixture!("signatures", "rsa-sha512.crt");
    for list in [
        fixture!("signatures", "zoneless.crl"),
        fixture!("signatures", "version-1.crl"),
        fixture!("signatures", "version-2.crl"),
        fixture!("signatures", "no-end.crl"),
    ] {
        let case = Case::with_ca(authority).crl(list);
        case.refuses(leaf, "", "has been revoked");
        case.accepts(other, "");
    }
    let case = Case::with_ca(authority).crl(fixture!("signatures", "version-1.crl"));
    case.at(IN_2020).refuses(leaf, "", "not valid before");
    let no_end = Case::with_ca(authority).crl(fixture!("signatures", "no-end.crl"));
    no_end.accepts(other, "");
    Case::with_ca(authority)
        .crl(fixture!("signatures", "on-hold.crl"))
        .accepts(leaf, "");
}

#[test]
fn a_revocation_list_that_cannot_be_read_says_which_part() {
    let said = |text| revocation_lists(text).unwrap_err().to_string();
    assert_eq!(
        said(fixture!("signatures", "no-date.crl")),
        "the date of a revocation list cannot be read"
    );
    let cut = fixture!("empty.crl").replace(
        "-----BEGIN X509 CRL-----\nMII",
        "-----BEGIN X509 CRL-----\nMI",
    );
    assert!(said(&cut).contains("cannot be read"));
}

#[test]
fn revocation_lists_are_signed_by_curves_with_long_hashes_too() {
    for ((authority, leaf), revoked, others) in [
        (
            signed!("p256", "sha512"),
            fixture!("signatures", "p256-revoked.crl"),
            fixture!("signatures", "p256-other.crl"),
        ),
        (
            signed!("p384", "sha512"),
            fixture!("signatures", "p384-revoked.crl"),
            fixture!("signatures", "p384-other.crl"),
        ),
        (
            signed!("p521", "sha512"),
            fixture!("signatures", "p521-revoked.crl"),
            fixture!("signatures", "p521-other.crl"),
        ),
    ] {
        let case = || Case::with_ca(authority);
        case().crl(revoked).refuses(leaf, "", "has been revoked");
        case().crl(others).accepts(leaf, "");
        let mut list = revocation_lists(others).unwrap()[0].to_vec();
        *list.last_mut().unwrap() ^= 1;
        let mut spoilt = case().crl(others);
        spoilt.verifier.trust.revocation_lists = Some(vec![list.into()]);
        spoilt.refuses(leaf, "", "cannot be trusted");
    }
}
