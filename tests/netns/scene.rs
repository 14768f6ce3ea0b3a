//! A real server and a client of it: profiles, processes, and what must hold between them.

use std::path::{Path, PathBuf};

use super::client::Streams;
pub(crate) use super::client::{Client, Program};
pub(crate) use super::namespace::{INSIDE_V4, INSIDE_V6};
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

    /// Starts our client on a terminal.
    pub(crate) fn connect_on_terminal(&self, lines: &str) -> Client {
        let profile = self.file("client.ovpn", lines);
        let (program, host) = (Program::Ours, &self.world.client);
        Client::start(program, host, &profile, Streams::Terminal, &[])
    }

    /// Starts a client with a profile.
    pub(crate) fn connect_by(&self, program: Program, lines: &str) -> Client {
        let profile = self.file("client.ovpn", lines);
        Client::start(program, &self.world.client, &profile, Streams::Pipes, &[])
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

    /// Three echoes come back from `address`; more are asked for until they have.
    pub(crate) fn ping(&self, client: &Client, address: &str, words: &[&str]) {
        let output = self
            .world
            .client
            .command("ping")
            .args(["-n", "-q", "-c", "3", "-i", "0.05", "-w", "30"])
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
