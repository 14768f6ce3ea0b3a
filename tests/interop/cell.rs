//! One cell of the table: a world, a server of one release, clients, and what is found out about them.

use std::path::{Path, PathBuf};

use super::client::{Client, Program, Streams};
use super::management::Management;
use super::namespace::{INSIDE_V4, INSIDE_V6, World};
use super::process::Process;
use super::release::Release;
use super::setup::Setup;
use super::{pki, state};

/// Where a feature is tried.
#[derive(Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) release: Release,
    pub(crate) world: &'a World,
    folder: PathBuf,
    before: String,
}

impl<'a> Cell<'a> {
    /// A cell with an empty folder in a world without a server.
    pub(crate) fn new(release: Release, world: &'a World) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(world.client.name());
        let _none_left = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Self {
            release,
            world,
            folder,
            before: state::of(&world.client),
        }
    }

    /// Writes a file that both sides can read; the server finds it in `/mnt`.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Writes a script for the server, which finds it in `/mnt`.
    pub(crate) fn script(&self, name: &str, lines: &str) {
        let path = self.file(name, &format!("#!/bin/sh\n{lines}\n"));
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, executable).expect("it is our file");
    }

    /// What a program has left in a file of the cell.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Starts the server and waits until it serves.
    pub(crate) fn serve(&self, setup: &Setup) -> Process {
        let server = self.serve_later(setup);
        server.wait_for("that it serves", |line| {
            line.contains("Initialization Sequence Completed")
        });
        server
    }

    /// Starts the server.
    pub(crate) fn serve_later(&self, setup: &Setup) -> Process {
        let _none_left = std::fs::remove_file(self.folder.join("management"));
        self.file("server.conf", &setup.server_config(self.release));
        let mut command = self.world.server.command("sh");
        command
            .args(["-ec", IN_ITS_ROOT])
            .args([self.release.root(), pki::folder(), &self.folder]);
        Process::start("the server", &mut command)
    }

    /// The management interface of the server.
    pub(crate) fn management(&self) -> Management {
        Management::connect(&self.folder.join("management"))
    }

    /// Starts the client.
    pub(crate) fn connect(&self, setup: &Setup) -> Client {
        self.start(setup, "client", Streams::Pipes)
    }

    /// Starts the client on a terminal.
    pub(crate) fn connect_on_terminal(&self, setup: &Setup) -> Client {
        self.start(setup, "client", Streams::Terminal)
    }

    /// Starts one more client; its files are in a folder of this name.
    pub(crate) fn connect_another(&self, setup: &Setup, name: &str) -> Client {
        self.start(setup, name, Streams::Pipes)
    }

    fn start(&self, setup: &Setup, name: &str, streams: Streams) -> Client {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let profile = folder.join("profile.ovpn");
        std::fs::write(&profile, setup.client_config()).expect("a file can be written");
        Client::start(
            Program::chosen(),
            &self.world.client,
            &profile,
            streams,
            &[],
        )
    }

    /// Both families pass through the tunnel.
    pub(crate) fn assert_passes(&self, client: &Client) {
        self.ping(client, INSIDE_V4);
        self.ping(client, INSIDE_V6);
    }

    /// Two echoes come back from `address`; more are asked for until they have.
    pub(crate) fn ping(&self, client: &Client, address: &str) {
        let output = self
            .world
            .client
            .command("ping")
            .args(["-n", "-q", "-c", "2", "-i", "0.05", "-w", "30"])
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

    /// The client leaves, and its host is as before.
    pub(crate) fn leave(&self, client: Client) -> String {
        let said = client.leave();
        self.assert_as_before();
        said
    }

    /// The client ends with `status`, having said one of `words`, and its host is as before.
    pub(crate) fn assert_refused(&self, client: Client, status: u8, words: &[&str]) -> String {
        let said = client.fail(status);
        let low = said.to_lowercase();
        assert!(
            words.iter().any(|word| low.contains(word)),
            "none of {words:?} is said:\n{said}"
        );
        self.assert_as_before();
        said
    }

    /// Whether the client's host looks as it did at the beginning.
    pub(crate) fn assert_as_before(&self) {
        assert_eq!(
            self.before,
            state::of(&self.world.client),
            "something is left behind"
        );
    }

    /// The whole of a plain trial: it connects, both families pass, it leaves without a trace. Gives all that the server
    /// said.
    pub(crate) fn assert_connects(&self, setup: &Setup) -> String {
        let server = self.serve(setup);
        let client = self.connect(setup);
        client.wait_connected();
        self.assert_passes(&client);
        self.leave(client);
        server.text()
    }

    /// The whole of a plain refusal. Gives all that the client said.
    pub(crate) fn assert_refuses(&self, setup: &Setup, status: u8, words: &[&str]) -> String {
        let _server = self.serve(setup);
        let tries = if status == UNREACHABLE {
            ENDS_SOON
        } else {
            TRIES_ONCE
        };
        let client = self.connect(&setup.clone().client(tries));
        self.assert_refused(client, status, words)
    }

    /// Runs a command on the client's host; gives what it printed.
    pub(crate) fn on_client(&self, program: &str, words: &str) -> String {
        let output = self
            .world
            .client
            .command(program)
            .args(words.split_whitespace())
            .output()
            .expect("the program is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Cell<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _gone = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Lines of a profile that make it end when it is refused; who refuses on a busy machine may do so late.
const TRIES_ONCE: &str = "connect-retry-max 1\nserver-poll-timeout 60\nhand-window 60";
/// Lines of a profile that make it end soon when nothing is said.
const ENDS_SOON: &str = "connect-retry-max 1\nserver-poll-timeout 4\nhand-window 6";

/// Exit statuses, as documented.
pub(crate) const PROFILE: u8 = 10;
/// The server does not let us in.
pub(crate) const AUTHENTICATION: u8 = 11;
/// A certificate was refused.
pub(crate) const CERTIFICATE: u8 = 12;
/// No answer.
pub(crate) const UNREACHABLE: u8 = 13;
/// No way to work with each other.
pub(crate) const INCOMPATIBLE: u8 = 16;
/// The server ended it, or a limit did.
pub(crate) const ENDED: u8 = 17;

/// Runs a server in the root $0: the keys are in /srv there, the cell's folder in /mnt.
const IN_ITS_ROOT: &str = "mount --rbind /dev \"$0/dev\"
    mount -t proc proc \"$0/proc\"
    mount --bind \"$1\" \"$0/srv\"
    mount --bind \"$2\" \"$0/mnt\"
    exec chroot \"$0\" sh -c 'cd /srv && exec openvpn --config /mnt/server.conf'";
