//! Two network namespaces joined by a cable.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// One network namespace, removed when dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with a name that nobody else uses, its loopback up.
    pub(crate) fn new(role: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static FIRST_MAKES_THE_MOUNT: Mutex<()> = Mutex::new(());
        let name = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!(
                "{}-{}-{number}-{role}",
                env!("CARGO_CRATE_NAME"),
                std::process::id()
            );
            // A process of the same number may have been killed and have left its own.
            if !Path::new("/run/netns").join(&name).exists() {
                break name;
            }
        };
        {
            let _held = FIRST_MAKES_THE_MOUNT
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            run("ip", &["netns", "add", &name]);
        }
        let this = Self { name };
        this.ip("link set lo up");
        this
    }

    /// Its name, as `ip netns` knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `ip` inside, with words separated by spaces; gives what it printed.
    pub(crate) fn ip(&self, words: &str) -> String {
        let output = self.try_ip(words);
        assert!(
            output.status.success(),
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until packets to this address stay here, and the cable has all the routes that the kernel gives it.
    fn wait_until_local(&self, address: &str) {
        let local = format!("local {address} ");
        let multicast = "multicast ff00::/8 dev cable ";
        let routes = || self.ip("-6 route show table local");
        let are_there = |routes: String| routes.contains(&local) && routes.contains(multicast);
        assert!(
            (0..MOST_LOOKS).any(|_| are_there(routes())),
            "{address} is not in use: {}",
            routes()
        );
    }

    /// The number of an interface.
    pub(crate) fn index_of(&self, interface: &str) -> u32 {
        let line = self.ip(&format!("-o link show {interface}"));
        let (index, _) = line.split_once(':').expect("an index in front");
        index.parse().expect("a number")
    }

    /// Runs `ip` inside, whatever comes of it.
    pub(crate) fn try_ip(&self, words: &str) -> Output {
        Command::new("ip")
            .args(["-netns", &self.name])
            .args(words.split_whitespace())
            .output()
            .expect("ip is installed")
    }

    /// Runs a function on a thread that is inside.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace =
            File::open(format!("/run/netns/{}", self.name)).expect("the namespace exists");
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                        .expect("root may enter a namespace");
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _done = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

/// A client's host and a server's host with a cable between them, and the world behind the server.
#[derive(Debug)]
pub(crate) struct World {
    /// Where the client runs; its default routes lead to the server's host.
    pub(crate) client: Namespace,
    /// Where the server runs.
    pub(crate) server: Namespace,
}

/// The server's addresses on the cable.
pub(crate) const SERVER_V4: &str = "10.77.0.1";
/// The same in IPv6.
pub(crate) const SERVER_V6: &str = "fd77::1";
/// The client's addresses on the cable.
pub(crate) const CLIENT_V4: &str = "10.77.0.2";
/// The same in IPv6.
pub(crate) const CLIENT_V6: &str = "fd77::2";
/// An address of the wide world: it lives on the server's host.
pub(crate) const FAR_V4: &str = "198.51.100.1";
/// The same in IPv6.
pub(crate) const FAR_V6: &str = "2001:db8:ffff::1";

/// The server's addresses inside the tunnel.
pub(crate) const INSIDE_V4: &str = "10.9.0.1";
/// The same in IPv6.
pub(crate) const INSIDE_V6: &str = "fd09::1";

impl World {
    /// Makes both hosts and joins them.
    pub(crate) fn new() -> Self {
        let this = Self {
            client: Namespace::new("c"),
            server: Namespace::new("s"),
        };
        this.client.ip(&format!(
            "link add name cable type veth peer name cable netns {}",
            this.server.name()
        ));
        this.plug(&this.server, SERVER_V4, SERVER_V6);
        this.plug(&this.client, CLIENT_V4, CLIENT_V6);
        // The kernel takes an IPv6 address in use a moment after the cable is plugged in at both ends.
        this.client.wait_until_local(CLIENT_V6);
        this.server.wait_until_local(SERVER_V6);
        this.client
            .ip(&format!("route add default via {SERVER_V4}"));
        this.client
            .ip(&format!("-6 route add default via {SERVER_V6}"));
        this.server.ip(&format!("addr add {FAR_V4}/32 dev lo"));
        this.server
            .ip(&format!("addr add {FAR_V6}/128 dev lo nodad"));
        this
    }

    #[expect(
        clippy::unused_self,
        reason = "it is a world's cable that is plugged in"
    )]
    fn plug(&self, host: &Namespace, v4: &str, v6: &str) {
        host.ip("link set cable addrgenmode none");
        host.ip(&format!("addr add {v4}/24 dev cable"));
        host.ip(&format!("addr add {v6}/64 dev cable nodad"));
        host.ip("link set cable up");
    }
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program)
        .args(words)
        .output()
        .expect("the program is installed");
    assert!(
        output.status.success(),
        "{program} {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Each look takes milliseconds.
const MOST_LOOKS: u32 = 2000;
