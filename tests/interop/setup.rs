//! What a server and a profile say: a plain pair that a row changes.

use super::namespace::{SERVER_V4, SERVER_V6};
use super::release::Release;

/// The lines of both sides.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    tcp: bool,
    remote: &'static str,
    /// Name of the server's certificate and key.
    identity: String,
    /// What the server says about the network inside.
    network: String,
    exit_notify: u8,
    keepalive: &'static str,
    /// Whom the profile trusts, and as whom it comes.
    trust: String,
    login: String,
    server: String,
    profile: String,
}

impl Setup {
    /// UDP over IPv4, no wrapping, certificates, both families inside.
    pub(crate) fn new() -> Self {
        Self {
            tcp: false,
            remote: SERVER_V4,
            identity: "server".into(),
            network: "server 10.9.0.0 255.255.255.0\nserver-ipv6 fd09::/64\ntopology subnet\n"
                .into(),
            exit_notify: 1,
            keepalive: "keepalive 5 20",
            trust: "ca ca.crt\nremote-cert-tls server\n".into(),
            login: "cert client.crt\nkey client.key\n".into(),
            server: String::new(),
            profile: String::new(),
        }
    }

    /// Over TCP.
    pub(crate) fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Over IPv6.
    pub(crate) fn over_v6(mut self) -> Self {
        self.remote = SERVER_V6;
        self
    }

    /// To another address of the server's host.
    pub(crate) fn to(mut self, remote: &'static str) -> Self {
        self.remote = remote;
        self
    }

    /// The server shows this certificate.
    pub(crate) fn identity(mut self, name: &str) -> Self {
        self.identity = name.to_owned();
        self
    }

    /// Lines of the server instead of `server`, `server-ipv6` and `topology`.
    pub(crate) fn network(mut self, lines: &str) -> Self {
        self.network = format!("{lines}\n");
        self
    }

    /// What `explicit-exit-notify` is on the server; 1 otherwise.
    pub(crate) fn exit_notify(mut self, how: u8) -> Self {
        self.exit_notify = how;
        self
    }

    /// The server's line about pings; every 5 s otherwise, and 20 s are too long a silence.
    pub(crate) fn keepalive(mut self, line: &'static str) -> Self {
        self.keepalive = line;
        self
    }

    /// Lines of the profile instead of `ca` and `remote-cert-tls`.
    pub(crate) fn trust(mut self, lines: &str) -> Self {
        self.trust = format!("{lines}\n");
        self
    }

    /// Lines of the profile instead of `cert` and `key`.
    pub(crate) fn login(mut self, lines: &str) -> Self {
        self.login = format!("{lines}\n");
        self
    }

    /// Logs in with a user name and a password, which the server checks; without certificates.
    pub(crate) fn password(self) -> Self {
        self.login("auth-user-pass right.txt")
            .server("verify-client-cert none\nusername-as-common-name\nscript-security 2")
            .server("auth-user-pass-verify /srv/check-password via-file")
    }

    /// More lines of the server.
    pub(crate) fn server(mut self, lines: &str) -> Self {
        self.server += lines;
        self.server.push('\n');
        self
    }

    /// More lines of the profile.
    pub(crate) fn client(mut self, lines: &str) -> Self {
        self.profile += lines;
        self.profile.push('\n');
        self
    }

    /// The same lines on both sides.
    pub(crate) fn both(self, lines: &str) -> Self {
        self.server(lines).client(lines)
    }

    /// All that the server says.
    pub(crate) fn server_config(&self, release: Release) -> String {
        let proto = if self.tcp { "tcp6-server" } else { "udp6" };
        let mut lines = format!(
            "dev tun0\nproto {proto}\nport 1194\nca ca.crt\ncert {0}.crt\nkey {0}.key\nverb 4\nsuppress-timestamps\n\
             management /mnt/management unix\n{1}{2}{3}\n",
            self.identity, self.network, self.server, self.keepalive
        );
        if !self.tcp {
            lines += &format!("explicit-exit-notify {}\n", self.exit_notify);
        }
        if !self.server.contains("dh ") {
            lines += "dh none\n";
        }
        if release.version() >= (2, 6) {
            lines += "disable-dco\n";
        }
        lines
    }

    /// All that the profile says.
    pub(crate) fn client_config(&self) -> String {
        let proto = match (self.tcp, self.remote.contains(':')) {
            (false, false) => "udp4",
            (false, true) => "udp6",
            (true, false) => "tcp4-client",
            (true, true) => "tcp6-client",
        };
        format!(
            "client\ndev tun\nproto {proto}\nremote {} 1194\nnobind\nverb 4\nconnect-retry 1 1\n{}{}{}",
            self.remote, self.trust, self.login, self.profile
        )
    }
}
