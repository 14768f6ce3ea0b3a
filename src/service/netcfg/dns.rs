//! DNS through systemd-resolved.
