//! Where secrets must not be, while a session runs on them.

use crate::machine::Machine;

/// What anybody or an administrator can read: the journal with all fields, what systemd tells of units, the
/// environment and the arguments of every process.
const OPEN: &str = "journalctl --no-pager --all -o json; systemctl show --all '*'; \
    cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'";

/// Asserts that these are nowhere to be read.
pub(crate) fn are_nowhere(machine: &Machine, secrets: &[&str]) {
    let open = machine.try_sh(OPEN).stdout;
    let open = String::from_utf8_lossy(&open);
    assert!(open.contains("openvpn3-backend") && open.len() > 10_000);
    for secret in secrets {
        let line = open.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the open");
    }
}
