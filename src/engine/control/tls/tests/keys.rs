//! Private keys: which can sign, and what is said of the others.

use rustls::SignatureScheme;

use super::*;

fn refused_key(cert: &str, key: &str) -> String {
    let mut profile = profile();
    profile.identity = Some(identity(cert, key));
    TlsFactory::new(&profile, &environment())
        .unwrap_err()
        .to_string()
}

#[test]
fn keys_that_cannot_sign_are_named() {
    let small = refused_key(fixture!("client-1024.crt"), fixture!("client-1024.key"));
    assert!(
        small.contains("a private key of RSA with 1024 bits (usable are"),
        "{small}"
    );
    let ed448 = fixture!("signatures", "client-ed448.key");
    let ed448 = refused_key(fixture!("client.crt"), ed448);
    assert!(ed448.contains("a private key of Ed448 (usable"), "{ed448}");
    let foreign = refused_key(fixture!("client-ec.crt"), fixture!("client.key"));
    assert_eq!(
        foreign,
        "the private key does not belong to the certificate"
    );
    let foreign = refused_key(fixture!("client-ec.crt"), fixture!("client-p521.key"));
    assert!(foreign.contains("does not belong"), "{foreign}");
}

#[test]
fn a_damaged_key_is_called_damaged() {
    for (key, kind) in [
        (
            fixture!("signatures", "damaged-rsa.key"),
            "RSA with 2048 bits",
        ),
        (
            fixture!("signatures", "damaged-p256.key"),
            "ECDSA with P-256",
        ),
    ] {
        assert_eq!(
            refused_key(fixture!("client.crt"), key),
            format!("the private key ({kind}) is damaged: its numbers do not belong together")
        );
    }
}

#[test]
fn our_own_key_can_be_on_p521() {
    for key in [
        fixture!("signatures", "server-p521.key"),
        fixture!("signatures", "server-p521.sec1.key"),
    ] {
        let mut profile = profile();
        let cert = fixture!("signatures", "server-p521.crt");
        profile.identity = Some(identity(cert, key));
        assert!(TlsFactory::new(&profile, &environment()).is_ok());
    }
    let own = identity(fixture!("client-p521.crt"), fixture!("client-p521.key"));
    let key = own.signing_key(&default_provider()).unwrap();
    let offers = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP521_SHA512,
    ];
    assert!(key.choose_scheme(&offers[..1]).is_none());
    let signer = key.choose_scheme(&offers).unwrap();
    assert_eq!(signer.scheme(), SignatureScheme::ECDSA_NISTP521_SHA512);
}

/// A server whose key the library cannot use by itself.
fn p521_server(version: &'static SupportedProtocolVersion) -> ServerConnection {
    let own = identity(fixture!("server-p521.crt"), fixture!("server-p521.key"));
    let key = own.signing_key(&default_provider()).unwrap();
    let certified = CertifiedKey::new(own.chain.clone(), key);
    let config = ServerConfig::builder_with_details(Arc::new(default_provider()), Arc::new(In2030))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    ServerConnection::new(Arc::new(config)).unwrap()
}

#[test]
fn a_server_can_sign_the_handshake_on_p521() {
    for version in [&TLS12, &TLS13] {
        connect(&profile(), p521_server(version)).unwrap();
    }
}
