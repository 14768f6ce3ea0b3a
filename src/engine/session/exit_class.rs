//! `ExitClass`: why a session ended, as coarse as who must act on it.

/// Why a session ended, as coarse as who must act on it: the classes have exit statuses of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitClass {
    /// It was asked to.
    AsAsked,
    /// The server refused the credentials, or there were none and nobody to ask.
    AuthenticationFailed,
    /// A certificate was refused, ours or the server's.
    CertificateRefused,
    /// The server ended the session, or a time limit did.
    EndedByServer,
    /// The server and we have no protocol, cipher or option in common.
    Incompatible,
    /// Something that should not happen.
    Internal,
    /// The network could not be set up.
    NetworkSetupFailed,
    /// A capability or a device file is missing.
    PrivilegeMissing,
    /// The profile cannot be used.
    ProfileUnusable,
    /// No server answered in as many tries as the profile allows.
    ServerUnreachable,
}
