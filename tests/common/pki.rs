//! Certificates and keys of the tests, made once by the `openssl` and `openvpn` commands.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder with all of them, made when first asked for. Files: `ca.crt`, and for each of [`SUBJECTS`] `NAME.crt` and
/// `NAME.key`; `other-ca.crt`, which has signed `server-elsewhere`; for each of [`AUTHORITIES`] `NAME-ca.crt`, and for each of its
/// hashes `server-NAME-HASH.crt`, which it has signed, with a key of the same kind;
/// `revoked.crl`; `ta.key`, `crypt.key`, `v2-server.key`,
/// `v2-client.key`, and `v2-client-old.key`, whose age cannot be told; `dh.pem`; `client.p12` and `client-locked.key`, whose
/// password is `barley`; the logins `right.txt` and `wrong.txt`, and `check-password`, which knows them apart.
pub(crate) fn folder() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let wanted = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-pki");
        if !wanted.join(LAST_FILE).exists() {
            let beside = wanted.with_extension(std::process::id().to_string());
            std::fs::create_dir_all(&beside).expect("a folder can be made");
            make(&beside);
            if std::fs::rename(&beside, &wanted).is_err() {
                // Another test program was faster, or a folder of an older layout is in the way.
                let old = beside.with_extension("old");
                std::fs::rename(&wanted, &old).expect("the old folder can be moved");
                std::fs::rename(&beside, &wanted).expect("the folder can be moved");
                std::fs::remove_dir_all(&old).expect("the old folder can be removed");
            }
        }
        wanted
    })
}

/// Makes all of them seem to lie in another folder too.
pub(crate) fn offer_in(other: &Path) {
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let file = entry.expect("the folder can be read").file_name();
        let place = other.join(&file);
        if place.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(folder().join(file), place).expect("a link can be made");
        }
    }
}

/// Name, extended key usage, first and last day of validity, and the words for a key.
const SUBJECTS: &[(&str, &str, &str, &str, &str)] = &[
    ("server", "serverAuth", BEGAN, FAR, P256),
    ("client", "clientAuth", BEGAN, FAR, P256),
    (
        "server-expired",
        "serverAuth",
        BEGAN,
        "20200201000000Z",
        P256,
    ),
    ("server-revoked", "serverAuth", BEGAN, FAR, P256),
    ("client-revoked", "clientAuth", BEGAN, FAR, P256),
    ("server-ed25519", "serverAuth", BEGAN, FAR, "ed25519"),
    ("client-ed25519", "clientAuth", BEGAN, FAR, "ed25519"),
    ("server-p384", "serverAuth", BEGAN, FAR, P384),
    ("client-p384", "clientAuth", BEGAN, FAR, P384),
    ("server-p521", "serverAuth", BEGAN, FAR, P521),
    ("client-p521", "clientAuth", BEGAN, FAR, P521),
    (
        "server-pss",
        "serverAuth",
        BEGAN,
        FAR,
        "rsa-pss -pkeyopt rsa_keygen_bits:2048",
    ),
    ("server-ed448", "serverAuth", BEGAN, FAR, "ed448"),
    ("server-elsewhere", "serverAuth", BEGAN, FAR, P256),
    ("server-future", "serverAuth", "20480101000000Z", FAR, P256),
    (
        "client-expired",
        "clientAuth",
        BEGAN,
        "20200201000000Z",
        P256,
    ),
    ("server-rsa", "serverAuth", BEGAN, FAR, "rsa:2048"),
    ("client-rsa", "clientAuth", BEGAN, FAR, "rsa:2048"),
];

/// Authorities, the words for their keys and for those of their servers, and the hashes that they sign with.
pub(crate) const AUTHORITIES: &[(&str, &str, &[&str])] = &[
    ("p256", P256, SHA2),
    ("p384", P384, SHA2),
    ("p521", P521, SHA2),
    ("rsa", "rsa:2048", SHA2),
    ("ed25519", "ed25519", &["null"]),
];

const SHA2: &[&str] = &["sha256", "sha384", "sha512"];
const BEGAN: &str = "20200101000000Z";
const FAR: &str = "20491231000000Z";
const P256: &str = "ec -pkeyopt ec_paramgen_curve:prime256v1";
const P384: &str = "ec -pkeyopt ec_paramgen_curve:secp384r1";
const P521: &str = "ec -pkeyopt ec_paramgen_curve:secp521r1";

/// The layout's mark: it changes when the layout does.
const LAST_FILE: &str = "complete-8";

const CA_CONFIG: &str = "
[ca]
default_ca = tests
[tests]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
default_days = 9000
default_crl_days = 9000
policy = any
unique_subject = no
[any]
commonName = supplied
[serverAuth]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
[clientAuth]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
";

fn make(folder: &Path) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("a file can be written");
    };
    write("ca.conf", CA_CONFIG);
    write("index.txt", "");
    write("serial", "1000\n");
    make_authority(folder, "ca", P256);
    make_authority(folder, "other-ca", P256);
    for (name, usage, first, last, key) in SUBJECTS {
        let ca = if name.ends_with("-elsewhere") {
            "other-ca"
        } else {
            "ca"
        };
        make_request(folder, name, key);
        sign(
            folder,
            name,
            ca,
            &format!("-extensions {usage} -startdate {first} -enddate {last}"),
        );
    }
    for (authority, key, hashes) in AUTHORITIES {
        let ca = format!("{authority}-ca");
        make_authority(folder, &ca, key);
        for hash in *hashes {
            let name = format!("server-{authority}-{hash}");
            make_request(folder, &name, key);
            sign(
                folder,
                &name,
                &ca,
                &format!("-extensions serverAuth -md {hash} -startdate {BEGAN} -enddate {FAR}"),
            );
        }
    }
    for name in ["server-revoked", "client-revoked"] {
        openssl(
            folder,
            &format!("ca -config ca.conf -cert ca.crt -keyfile ca.key -revoke {name}.crt"),
        );
    }
    openssl(
        folder,
        "ca -config ca.conf -cert ca.crt -keyfile ca.key -gencrl -out revoked.crl",
    );
    make_keys(folder);
    write("pass.txt", "barley\n");
    write("right.txt", "alice\nopen sesame\n");
    write("wrong.txt", "alice\nopen barley\n");
    write(
        "check-password",
        "#!/bin/sh\nexec cmp -s \"$1\" right.txt\n",
    );
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("check-password"), executable).expect("it is our file");
    write(LAST_FILE, "");
}

fn make_authority(folder: &Path, name: &str, key: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey {key} -nodes -days 9000 -subj /CN={name} \
             -addext keyUsage=critical,keyCertSign,cRLSign -keyout {name}.key -out {name}.crt"
        ),
    );
}

fn make_request(folder: &Path, name: &str, key: &str) {
    openssl(
        folder,
        &format!("req -newkey {key} -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"),
    );
}

fn sign(folder: &Path, name: &str, ca: &str, words: &str) {
    openssl(
        folder,
        &format!(
            "ca -batch -notext -config ca.conf -cert {ca}.crt -keyfile {ca}.key -in {name}.csr -out {name}.crt {words}"
        ),
    );
}

fn make_keys(folder: &Path) {
    openssl(
        folder,
        "genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem",
    );
    openssl(
        folder,
        "pkcs12 -export -inkey client.key -in client.crt -certfile ca.crt -passout pass:barley -out client.p12",
    );
    openssl(
        folder,
        "pkcs8 -topk8 -v2 aes-256-cbc -in client.key -passout pass:barley -out client-locked.key",
    );
    run(folder, "openvpn", "--genkey secret ta.key");
    run(folder, "openvpn", "--genkey secret crypt.key");
    run(
        folder,
        "openvpn",
        "--genkey tls-crypt-v2-server v2-server.key",
    );
    run(
        folder,
        "openvpn",
        "--tls-crypt-v2 v2-server.key --genkey tls-crypt-v2-client v2-client.key",
    );
    // Its metadata is not a time, so nobody can tell how old it is.
    run(
        folder,
        "openvpn",
        "--tls-crypt-v2 v2-server.key --genkey tls-crypt-v2-client v2-client-old.key YWdlbGVzcw==",
    );
}

fn openssl(folder: &Path, words: &str) {
    run(folder, "openssl", words);
}

fn run(folder: &Path, program: &str, words: &str) {
    let output = Command::new(program)
        .current_dir(folder)
        .args(words.split_whitespace())
        .output()
        .expect("the program is installed");
    assert!(
        output.status.success(),
        "{program} {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
