//! Why it ended, as an exit status that units can act on.

use std::process::ExitCode;

use openvpn_engine::session::ExitClass;

/// One exit status and what it means.
#[derive(Debug)]
pub struct ExitStatus {
    /// The status.
    pub code: u8,
    /// What it means, for `--help` and the manual.
    pub meaning: &'static str,
}

/// The status of a class. The numbers are stable.
#[must_use]
pub const fn status_of(class: ExitClass) -> &'static ExitStatus {
    match class {
        ExitClass::AsAsked => &DONE,
        ExitClass::Internal => &INTERNAL,
        ExitClass::ProfileUnusable => &PROFILE,
        ExitClass::AuthenticationFailed => &AUTHENTICATION,
        ExitClass::CertificateRefused => &CERTIFICATE,
        ExitClass::ServerUnreachable => &UNREACHABLE,
        ExitClass::NetworkSetupFailed => &NETWORK,
        ExitClass::PrivilegeMissing => &PRIVILEGE,
        ExitClass::Incompatible => &INCOMPATIBLE,
        ExitClass::EndedByServer => &ENDED,
    }
}

/// The status of a class, as `main` returns it.
#[must_use]
pub fn exit_code(class: ExitClass) -> ExitCode {
    ExitCode::from(status_of(class).code)
}

/// The table of all statuses, for people.
#[must_use]
pub fn table() -> String {
    ALL.iter()
        .map(|status| format!("  {:3}  {}\n", status.code, status.meaning))
        .collect()
}

/// All statuses, by number.
pub static ALL: &[&ExitStatus] = &[
    &DONE,
    &INTERNAL,
    &USAGE,
    &PROFILE,
    &AUTHENTICATION,
    &CERTIFICATE,
    &UNREACHABLE,
    &NETWORK,
    &PRIVILEGE,
    &INCOMPATIBLE,
    &ENDED,
];

static DONE: ExitStatus = ExitStatus {
    code: 0,
    meaning: "done, or stopped as asked",
};
static INTERNAL: ExitStatus = ExitStatus {
    code: 1,
    meaning: "internal error; for `check`: the profile has errors",
};
static USAGE: ExitStatus = ExitStatus {
    code: 2,
    meaning: "the command line is wrong",
};
static PROFILE: ExitStatus = ExitStatus {
    code: 10,
    meaning: "the profile cannot be read or used",
};
static AUTHENTICATION: ExitStatus = ExitStatus {
    code: 11,
    meaning: "authentication failed, or credentials are missing and nobody can be asked",
};
static CERTIFICATE: ExitStatus = ExitStatus {
    code: 12,
    meaning: "a certificate was refused, the server's or ours",
};
static UNREACHABLE: ExitStatus = ExitStatus {
    code: 13,
    meaning: "no server could be reached in as many rounds as connect-retry-max allows",
};
static NETWORK: ExitStatus = ExitStatus {
    code: 14,
    meaning: "the network could not be set up",
};
static PRIVILEGE: ExitStatus = ExitStatus {
    code: 15,
    meaning: "a privilege or a device is missing (CAP_NET_ADMIN, /dev/net/tun)",
};
static INCOMPATIBLE: ExitStatus = ExitStatus {
    code: 16,
    meaning: "the server is incompatible, or pushed what the profile rejects",
};
static ENDED: ExitStatus = ExitStatus {
    code: 17,
    meaning: "the server ended the session, or a limit of time or inactivity did",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_in_the_table_once_and_in_order() {
        let codes: Vec<u8> = ALL.iter().map(|status| status.code).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        for class in [
            ExitClass::AsAsked,
            ExitClass::AuthenticationFailed,
            ExitClass::CertificateRefused,
            ExitClass::EndedByServer,
            ExitClass::Incompatible,
            ExitClass::Internal,
            ExitClass::NetworkSetupFailed,
            ExitClass::PrivilegeMissing,
            ExitClass::ProfileUnusable,
            ExitClass::ServerUnreachable,
        ] {
            assert!(codes.contains(&status_of(class).code), "{class:?}");
        }
    }
}
