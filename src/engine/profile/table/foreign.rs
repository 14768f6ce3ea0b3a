//! Rows: what a client cannot do or must not, and why.

use super::{OptionRow, refuse};

pub(super) static ROWS: &[OptionRow] = &[
    refuse(
        "auth-federate",
        "this login is known to the client of AWS alone",
    ),
    refuse(
        "auth-gen-token",
        "this is a client; the option is for servers",
    ),
    refuse(
        "auth-gen-token-secret",
        "this is a client; the option is for servers",
    ),
    refuse(
        "auth-user-pass-optional",
        "this is a client; the option is for servers",
    ),
    refuse(
        "auth-user-pass-verify",
        "this is a client; the option is for servers",
    ),
    refuse(
        "bcast-buffers",
        "this is a client; the option is for servers",
    ),
    refuse("capath", "give the certificates with ca"),
    refuse(
        "ccd-exclusive",
        "this is a client; the option is for servers",
    ),
    refuse(
        "client-config-dir",
        "this is a client; the option is for servers",
    ),
    refuse(
        "client-connect",
        "this is a client; the option is for servers",
    ),
    refuse(
        "client-crresponse",
        "this is a client; the option is for servers",
    ),
    refuse(
        "client-disconnect",
        "this is a client; the option is for servers",
    ),
    refuse(
        "client-nat",
        "addresses inside of the tunnel are not translated",
    ),
    refuse(
        "client-to-client",
        "this is a client; the option is for servers",
    ),
    refuse("compat-names", "OpenVPN has removed it"),
    refuse(
        "config",
        "profiles are not included into each other; write all into one",
    ),
    refuse(
        "connect-freq",
        "this is a client; the option is for servers",
    ),
    refuse(
        "connect-freq-initial",
        "this is a client; the option is for servers",
    ),
    refuse(
        "cryptoapicert",
        "the certificate store of Windows is not here; use cert and key",
    ),
    refuse("disable", "this is a client; the option is for servers"),
    refuse(
        "duplicate-cn",
        "this is a client; the option is for servers",
    ),
    refuse(
        "force-tls-key-material-export",
        "this is a client; the option is for servers",
    ),
    refuse(
        "genkey",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse("hash-size", "this is a client; the option is for servers"),
    refuse(
        "help",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse("http-proxy-override", "name the proxy by http-proxy"),
    refuse(
        "ifconfig-ipv6-pool",
        "this is a client; the option is for servers",
    ),
    refuse(
        "ifconfig-ipv6-push",
        "this is a client; the option is for servers",
    ),
    refuse(
        "ifconfig-pool",
        "this is a client; the option is for servers",
    ),
    refuse(
        "ifconfig-pool-linear",
        "this is a client; the option is for servers",
    ),
    refuse(
        "ifconfig-pool-persist",
        "this is a client; the option is for servers",
    ),
    refuse(
        "ifconfig-push",
        "this is a client; the option is for servers",
    ),
    refuse(
        "ifconfig-push-constraint",
        "this is a client; the option is for servers",
    ),
    refuse("iroute", "this is a client; the option is for servers"),
    refuse("iroute-ipv6", "this is a client; the option is for servers"),
    refuse("max-clients", "this is a client; the option is for servers"),
    refuse(
        "max-routes-per-client",
        "this is a client; the option is for servers",
    ),
    refuse(
        "mktun",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse("mtu-dynamic", "OpenVPN has removed it"),
    refuse("no-iv", "OpenVPN has removed it"),
    refuse("no-name-remapping", "OpenVPN has removed it"),
    refuse("no-replay", "OpenVPN has removed it"),
    refuse(
        "override-username",
        "this is a client; the option is for servers",
    ),
    refuse(
        "pkcs11-cert-private",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse(
        "pkcs11-id",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse(
        "pkcs11-id-management",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse("pkcs11-id-type", "OpenVPN has removed it"),
    refuse(
        "pkcs11-pin-cache",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse(
        "pkcs11-private-mode",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse(
        "pkcs11-protected-authentication",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse(
        "pkcs11-providers",
        "keys on smart cards are not supported; use key or pkcs12",
    ),
    refuse("pkcs11-sign-mode", "OpenVPN has removed it"),
    refuse("pkcs11-slot", "OpenVPN has removed it"),
    refuse("pkcs11-slot-type", "OpenVPN has removed it"),
    refuse("port-share", "this is a client; the option is for servers"),
    refuse("push", "this is a client; the option is for servers"),
    refuse("push-remove", "this is a client; the option is for servers"),
    refuse("push-reset", "this is a client; the option is for servers"),
    refuse("relay-extra-ca", "relays are not supported"),
    refuse("relay-mode", "relays are not supported"),
    refuse("relay-tls-auth", "relays are not supported"),
    refuse(
        "rmtun",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse("scramble", "no server of OpenVPN speaks it"),
    refuse("secret", "a static key has no forward secrecy; use TLS"),
    refuse("server", "this is a client; the option is for servers"),
    refuse(
        "server-bridge",
        "this is a client; the option is for servers",
    ),
    refuse("server-ipv6", "this is a client; the option is for servers"),
    refuse(
        "show-ciphers",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-curves",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-digests",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-engines",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-gateway",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-groups",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-net",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "show-pkcs11-ids",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse("show-pkcs11-objects", "OpenVPN has removed it"),
    refuse("show-pkcs11-slots", "OpenVPN has removed it"),
    refuse(
        "show-tls",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "stale-routes-check",
        "this is a client; the option is for servers",
    ),
    refuse("static-key", "a static key has no forward secrecy; use TLS"),
    refuse(
        "test-crypto",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse(
        "tls-crypt-v2-max-age",
        "this is a client; the option is for servers",
    ),
    refuse(
        "tls-crypt-v2-verify",
        "this is a client; the option is for servers",
    ),
    refuse("tls-server", "this is a client; the option is for servers"),
    refuse(
        "username-as-common-name",
        "this is a client; the option is for servers",
    ),
    refuse(
        "verify-client-cert",
        "this is a client; the option is for servers",
    ),
    refuse(
        "version",
        "it is a mode of its own, not an option of a profile",
    ),
    refuse("vlan-accept", "this is a client; the option is for servers"),
    refuse("vlan-pvid", "this is a client; the option is for servers"),
    refuse(
        "vlan-tagging",
        "this is a client; the option is for servers",
    ),
    refuse("xormethod", "no server of OpenVPN speaks it"),
];
