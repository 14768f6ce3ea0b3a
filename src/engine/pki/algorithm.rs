//! The names of algorithms and curves that there is no cryptography for here.

/// The name of a signature algorithm or of a kind of key, from its object identifier.
pub(super) fn name_of(identifier: &str) -> String {
    named(ALGORITHMS, identifier)
}

/// "ECDSA with secp256k1".
pub(super) fn curve_name(identifier: &str) -> String {
    format!("ECDSA with {}", named(CURVES, identifier))
}

fn named(table: &[(&str, &str)], identifier: &str) -> String {
    let found = table.iter().find(|(known, _)| *known == identifier);
    found.map_or_else(
        || format!("something unknown ({identifier})"),
        |(_, name)| (*name).to_owned(),
    )
}

const ALGORITHMS: &[(&str, &str)] = &[
    ("1.2.156.10197.1.501", "SM2 with SM3"),
    ("1.2.643.7.1.1.1.1", "GOST R 34.10-2012"),
    ("1.2.643.7.1.1.1.2", "GOST R 34.10-2012"),
    ("1.2.643.7.1.1.3.2", "GOST R 34.10-2012"),
    ("1.2.643.7.1.1.3.3", "GOST R 34.10-2012"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.10040.4.3", "DSA with SHA-1"),
    ("1.2.840.113549.1.1.2", "RSA with MD2"),
    ("1.2.840.113549.1.1.3", "RSA with MD4"),
    ("1.2.840.113549.1.1.4", "RSA with MD5"),
    ("1.2.840.113549.1.1.15", "RSA with SHA-512/224"),
    ("1.2.840.113549.1.1.16", "RSA with SHA-512/256"),
    ("1.3.36.3.3.1.2", "RSA with RIPEMD-160"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("2.16.840.1.101.3.4.3.1", "DSA with SHA-224"),
    ("2.16.840.1.101.3.4.3.2", "DSA with SHA-256"),
    ("2.16.840.1.101.3.4.3.9", "ECDSA with SHA3-224"),
    ("2.16.840.1.101.3.4.3.10", "ECDSA with SHA3-256"),
    ("2.16.840.1.101.3.4.3.11", "ECDSA with SHA3-384"),
    ("2.16.840.1.101.3.4.3.12", "ECDSA with SHA3-512"),
    ("2.16.840.1.101.3.4.3.13", "RSA with SHA3-224"),
    ("2.16.840.1.101.3.4.3.14", "RSA with SHA3-256"),
    ("2.16.840.1.101.3.4.3.15", "RSA with SHA3-384"),
    ("2.16.840.1.101.3.4.3.16", "RSA with SHA3-512"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];

const CURVES: &[(&str, &str)] = &[
    ("1.2.156.10197.1.301", "SM2"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.9", "brainpoolP320r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];
