//! A real server and a client of it: profiles, processes, and what must hold between them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::namespace::{SERVER_V4, SERVER_V6, World};
use super::process::Process;
use super::{pki, state};

/// A world with a folder for the files of its programs.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) world: World,
    folder: PathBuf,
    before: String,
}

/// The server's addresses inside the tunnel.
pub(crate) const INSIDE_V4: &str = "10.9.0.1";
/// The same in IPv6.
pub(crate) const INSIDE_V6: &str = "fd09::1";

/// UDP or TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// How the control channel is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    None,
    TlsAuth,
    TlsCrypt,
    TlsCryptV2,
}

/// How the client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    Both,
    Certificate,
    Password,
}

/// Which program is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The one that is tested.
    Ours,
    /// OpenVPN 2.x, to compare with and to try the tests themselves.
    Stock,
}

impl Program {
    /// Ours, unless `NETNS_CLIENT=openvpn` is set.
    pub(crate) fn chosen() -> Self {
        if std::env::var_os("NETNS_CLIENT").is_some_and(|name| name == "openvpn") {
            Self::Stock
        } else {
            Self::Ours
        }
    }

    /// Our program: the one built with the tests, or the one that `OPENVPN3_BACKEND` names.
    pub(crate) fn path() -> PathBuf {
        std::env::var_os("OPENVPN3_BACKEND").map_or_else(
            || env!("CARGO_BIN_EXE_openvpn3-backend").into(),
            PathBuf::from,
        )
    }

    /// Whether the program can connect at all.
    pub(crate) fn can_connect(self) -> bool {
        static CAN: OnceLock<bool> = OnceLock::new();
        self == Self::Stock
            || *CAN.get_or_init(|| {
                let help = Command::new(Self::path())
                    .args(["connect", "--help"])
                    .output();
                help.is_ok_and(|output| {
                    output.status.success()
                        && String::from_utf8_lossy(&output.stdout).contains("PROFILE")
                })
            })
    }
}

impl Scene {
    /// A fresh world.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(world.client.name());
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let before = state::of(&world.client);
        Self {
            world,
            folder,
            before,
        }
    }

    /// Writes a file, and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Starts the server and waits until it serves.
    pub(crate) fn serve(&self, lines: &str) -> Process {
        let server = self.serve_later(lines);
        server.wait_for("that it serves", |line| {
            line.contains("Initialization Sequence Completed")
        });
        server
    }

    /// Starts the server.
    pub(crate) fn serve_later(&self, lines: &str) -> Process {
        let config = self.file("server.conf", lines);
        let mut command = self.world.server.command("openvpn");
        command
            .current_dir(pki::folder())
            .arg("--config")
            .arg(config);
        Process::start("the server", &mut command)
    }

    /// Starts the chosen client with a profile.
    pub(crate) fn connect(&self, lines: &str) -> Client {
        self.connect_by(Program::chosen(), lines)
    }

    /// Starts a client with a profile.
    pub(crate) fn connect_by(&self, program: Program, lines: &str) -> Client {
        let profile = self.file("client.ovpn", lines);
        let mut command = match program {
            Program::Ours => {
                let mut command = self
                    .world
                    .client
                    .command(&Program::path().to_string_lossy());
                command.arg("connect").arg(profile);
                command
            }
            Program::Stock => {
                let mut command = self.world.client.command("openvpn");
                command.arg("--config").arg(profile);
                command
            }
        };
        // The bus is not in the namespace: what listens there would set up the host.
        command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
        command.current_dir(pki::folder());
        Client {
            program,
            process: Process::start("the client", &mut command),
        }
    }

    /// Whether the client's host looks as it did at the beginning.
    pub(crate) fn assert_as_before(&self) {
        assert_eq!(
            self.before,
            state::of(&self.world.client),
            "something is left behind"
        );
    }

    /// Both families pass through the tunnel.
    pub(crate) fn assert_passes(&self, client: &Client) {
        self.ping(client, INSIDE_V4, &[]);
        self.ping(client, INSIDE_V6, &[]);
    }

    /// An echo comes back from `address`.
    pub(crate) fn ping(&self, client: &Client, address: &str, words: &[&str]) {
        let output = self
            .world
            .client
            .command("ping")
            .args(["-n", "-q", "-c", "3", "-i", "0.05", "-W", "5", "-w", "8"])
            .args(words)
            .arg(address)
            .output()
            .expect("ping is installed");
        assert!(
            output.status.success(),
            "no echo from {address}: {}\nthe client said:\n{}",
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()),
            client.process.text()
        );
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _gone = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A running client.
#[derive(Debug)]
pub(crate) struct Client {
    program: Program,
    pub(crate) process: Process,
}

impl Client {
    /// Waits until the tunnel is up; gives the line that says so.
    pub(crate) fn wait_connected(&self) -> String {
        self.wait_connected_after(0)
    }

    /// Waits until the tunnel is up once more, after the first `skip` lines.
    pub(crate) fn wait_connected_after(&self, skip: usize) -> String {
        self.process
            .wait_for_from(skip, "that it is connected", |line| match self.program {
                Program::Ours => line.to_lowercase().starts_with("connected"),
                Program::Stock => line.contains("Initialization Sequence Completed"),
            })
    }

    /// Asks it to leave and waits until it has; it must call that a success.
    pub(crate) fn leave(mut self) -> String {
        self.process.signal(rustix::process::Signal::TERM);
        let status = self.process.wait();
        let text = self.process.text();
        assert!(status.success(), "it left with {status}; it said:\n{text}");
        text
    }

    /// Waits for its end, which must not be a success; gives all it said.
    pub(crate) fn fail(mut self, status: u8) -> String {
        let ended = self.process.wait();
        let text = self.process.text();
        match self.program {
            Program::Ours => assert_eq!(ended.code(), Some(i32::from(status)), "it said:\n{text}"),
            Program::Stock => {}
        }
        text
    }
}

/// What most servers say.
pub(crate) fn server(transport: Transport, wrapping: Wrapping, login: Login) -> String {
    let proto = match transport {
        Transport::Tcp => "tcp6-server",
        Transport::Udp => "udp6",
    };
    let wrapping = match wrapping {
        Wrapping::None => "",
        Wrapping::TlsAuth => "tls-auth ta.key 0",
        Wrapping::TlsCrypt => "tls-crypt crypt.key",
        Wrapping::TlsCryptV2 => "tls-crypt-v2 v2-server.key",
    };
    let login = match login {
        Login::Certificate => String::new(),
        Login::Password => format!(
            "verify-client-cert none\nusername-as-common-name\n{}",
            asks_password()
        ),
        Login::Both => asks_password(),
    };
    format!(
        "dev tun0\nproto {proto}\nport 1194\nserver 10.9.0.0 255.255.255.0\nserver-ipv6 fd09::/64\ntopology subnet\n\
         ca ca.crt\ncert server.crt\nkey server.key\ndh none\nverb 4\nkeepalive 2 10\ndisable-dco\nexplicit-exit-notify 0\n\
         {wrapping}\n{login}\n"
    )
    .replace(
        "explicit-exit-notify 0\n",
        if transport == Transport::Udp { "explicit-exit-notify 1\n" } else { "" },
    )
}

/// What most profiles say; `remote` is an address of the server's host.
pub(crate) fn profile(
    transport: Transport,
    wrapping: Wrapping,
    login: Login,
    remote: &str,
) -> String {
    let family = if remote.contains(':') { "6" } else { "4" };
    let proto = match transport {
        Transport::Tcp => format!("tcp{family}-client").replace("tcp4-client", "tcp-client"),
        Transport::Udp => format!("udp{family}").replace("udp4", "udp"),
    };
    let wrapping = match wrapping {
        Wrapping::None => "",
        Wrapping::TlsAuth => "tls-auth ta.key 1",
        Wrapping::TlsCrypt => "tls-crypt crypt.key",
        Wrapping::TlsCryptV2 => "tls-crypt-v2 v2-client.key",
    };
    let login = match login {
        Login::Certificate => "cert client.crt\nkey client.key",
        Login::Password => "auth-user-pass right.txt",
        Login::Both => "cert client.crt\nkey client.key\nauth-user-pass right.txt",
    };
    format!(
        "client\ndev tun\nproto {proto}\nremote {remote} 1194\nnobind\nca ca.crt\nremote-cert-tls server\nverb 4\n\
         {wrapping}\n{login}\n"
    )
}

/// The server's address on the cable that is used for the n-th connection: both families take turns.
pub(crate) fn remote(turn: usize) -> &'static str {
    if turn % 2 == 0 { SERVER_V4 } else { SERVER_V6 }
}

fn asks_password() -> String {
    "script-security 2\nauth-user-pass-verify ./check-password via-file\n".into()
}
