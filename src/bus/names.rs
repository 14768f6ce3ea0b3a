//! Bus names, object paths, interfaces: each once.

/// The starter's bus name, and the prefix of every backend's.
pub const BACKENDS: &str = "net.openvpn.v3.backends";
/// The interface of the starter's object and of the session's object: one name for two contracts.
pub const BACKENDS_INTERFACE: &str = "net.openvpn.v3.backends";
/// The starter's object.
pub const STARTER_PATH: &str = "/net/openvpn/v3/backends";
/// The session's object.
pub const SESSION_PATH: &str = "/net/openvpn/v3/backends/session";
/// What `session_path` and `device_path` say before there is one.
pub const NO_SESSION_PATH: &str = "/__unknown";

/// The session manager.
pub const SESSIONS: &str = "net.openvpn.v3.sessions";
/// The interface under which the log service also listens to a backend.
pub const SESSIONS_INTERFACE: &str = "net.openvpn.v3.sessions";

/// The configuration manager; also its interface.
pub const CONFIGURATION: &str = "net.openvpn.v3.configuration";

/// The log service; also its interface.
pub const LOG: &str = "net.openvpn.v3.log";
/// The log service's object.
pub const LOG_PATH: &str = "/net/openvpn/v3/log";

/// The network configuration service; also its interface.
pub const NETCFG: &str = "net.openvpn.v3.netcfg";
/// Its object.
pub const NETCFG_PATH: &str = "/net/openvpn/v3/netcfg";

/// systemd's manager.
pub const SYSTEMD: &str = "org.freedesktop.systemd1";
/// Its object.
pub const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";
/// Its interface.
pub const SYSTEMD_MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The interface of a service unit.
pub const SYSTEMD_SERVICE: &str = "org.freedesktop.systemd1.Service";

/// The bus itself; also its interface.
pub const BUS: &str = "org.freedesktop.DBus";
/// Its object.
pub const BUS_PATH: &str = "/org/freedesktop/DBus";
/// The standard interface of properties.
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The standard interface that every connection answers at every path.
pub const PEER: &str = "org.freedesktop.DBus.Peer";
/// The standard interface that describes objects.
pub const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";

/// The bus name of the backend with this process id.
#[must_use]
pub fn backend_name(process_id: u32) -> String {
    format!("{BACKENDS}.be{process_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_named_after_its_process() {
        assert_eq!(backend_name(554), "net.openvpn.v3.backends.be554");
    }
}
