//! A booted root, and the server at the other end of its cable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::client::Program;
use crate::common::namespace::Namespace;
use crate::common::pki;
use crate::common::process::Process;

/// A booted root with our program installed. Halted when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    /// What `boot` keeps of it.
    pub(crate) state: PathBuf,
    root: PathBuf,
    /// The process that is number 1 inside.
    pub(crate) leader: String,
    /// The other end of the cable.
    pub(crate) outside: Namespace,
    /// The cable's name there.
    pub(crate) cable: String,
}

/// The server's address on the cable.
pub(crate) const SERVER: &str = "10.77.0.1";
/// The server's address inside the tunnel.
pub(crate) const INSIDE: &str = "10.9.0.1";
/// The unit of the office's session.
pub(crate) const OFFICE: &str = "openvpn3-backend@office";

/// The words of the office's server.
const OFFICE_SERVER: &str = "--port 1194 --server 10.9.0.0 255.255.255.0 --tls-crypt crypt.key \
    --push redirect-gateway\\ def1 --push dhcp-option\\ DNS\\ 10.9.0.1";

impl Machine {
    /// Boots with sessions under this account; `more` is a script that goes on with the root (`$1`) before.
    pub(crate) fn boot(root: &str, user: &str, more: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("s{}{}{number}", &root[..1], std::process::id());
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let prepare = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prepare-{name}"));
        let install = here.join("packaging/install");
        let program = Program::path();
        let script = format!(
            "#!/bin/sh\nset -e\nversion=$(find \"$1/usr/lib\" -name 'libsystemd-core-*.so' | sed 's/.*core-\\([0-9]*\\).*/\\1/;q')\n\
             {} --destdir \"$1\" --user {user} --binary {} --systemd-version \"$version\"\n{more}\n",
            install.display(),
            program.display(),
        );
        fs::write(&prepare, script).expect("a script can be written");
        fs::set_permissions(&prepare, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let output = Command::new(here.join("tests/roots/boot"))
            .args([root, &name])
            .env("OPENVPN3_PREPARE", &prepare)
            .output()
            .expect("the script is there");
        drop(fs::remove_file(&prepare));
        assert!(output.status.success(), "{root} does not boot: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().map(ToOwned::to_owned);
        let mut next = || lines.next().expect("three lines");
        let this = Self {
            state: next().into(),
            root: next().into(),
            leader: next(),
            outside: Namespace::new(&root[..1]),
            cable: format!("ve-{name}"),
        };
        this.plug();
        this
    }

    fn plug(&self) {
        let (cable, outside) = (&self.cable, &self.outside);
        let moved = Command::new("ip")
            .args(["link", "set", cable, "netns", outside.name()])
            .status();
        assert!(
            moved.is_ok_and(|status| status.success()),
            "the cable moves"
        );
        outside.ip(&format!("addr add {SERVER}/24 dev {cable}"));
        outside.ip(&format!("link set {cable} up"));
        self.sh(&format!(
            "ip link set host0 addrgenmode none; ip addr add 10.77.0.2/24 dev host0; ip link set host0 up; ip route add default via {SERVER}"
        ));
    }

    /// Runs a script inside; gives what it printed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        assert!(
            output.status.success(),
            "{script}\n{}{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.journal()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a script inside, whatever comes of it.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        self.inside()
            .arg(script)
            .output()
            .expect("nsenter is installed")
    }

    /// Runs a script inside that must fail; gives what it printed, errors too.
    pub(crate) fn fails(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let said =
            [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned());
        assert!(
            !output.status.success(),
            "{script}\n{}\n{}",
            said.concat(),
            self.journal()
        );
        said.concat()
    }

    /// Waits until a condition of the shell holds.
    pub(crate) fn until(&self, condition: &str) {
        self.sh(&format!("until {condition}; do sleep 0.05; done"));
    }

    /// Where its system bus listens, as seen from here.
    pub(crate) fn bus_address(&self) -> String {
        format!(
            "unix:path=/proc/{}/root/run/dbus/system_bus_socket",
            self.leader
        )
    }

    /// The version of systemd.
    pub(crate) fn systemd(&self) -> u32 {
        let said = self.sh("systemctl --version");
        let version = said.split_whitespace().nth(1).and_then(|word| {
            let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        version.expect("a number")
    }

    /// What systemd knows of a unit under this name.
    pub(crate) fn fact(&self, unit: &str, name: &str) -> String {
        self.sh(&format!("systemctl show -P {name} {unit}"))
            .trim()
            .to_owned()
    }

    /// A command that runs the script given as its next argument inside.
    pub(crate) fn inside(&self) -> Command {
        let mut command = self.entering();
        command.args(["timeout", "60", "sh", "-ec"]);
        command
    }

    /// A command that runs the program and arguments that follow inside, on the same terminal.
    pub(crate) fn entering(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-a", "-t", &self.leader]);
        command
    }

    /// A command of the host that runs on the network of the machine.
    pub(crate) fn on_network(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-n", "-t", &self.leader, program]);
        command
    }

    /// What the units have said.
    pub(crate) fn journal(&self) -> String {
        let output = self.try_sh("journalctl --no-pager -o cat -u 'openvpn3-backend@*' -n 60");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes a file inside, for root alone.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let place = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().expect("a file is in a folder"))
            .expect("a folder can be made");
        fs::write(&place, text).expect("a file can be written");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// Adds files of a root to its own, in place of those of the same name.
    pub(crate) fn add_from(&self, root: &Path, paths: &[&str]) {
        for path in paths.iter().filter(|path| root.join(path).exists()) {
            let (from, to) = (root.join(path), self.root.join(path));
            let to = to.parent().expect("a file is in a folder");
            fs::create_dir_all(to).expect("a folder can be made");
            let copied = Command::new("cp")
                .args(["-a", "--remove-destination"])
                .args([&*from, to])
                .status();
            assert!(copied.is_ok_and(|status| status.success()), "{path}");
        }
    }

    /// Starts the office's server, and writes its profile as an administrator of OpenVPN 2 has it.
    pub(crate) fn serve(&self) -> Process {
        let folder = pki::folder();
        for name in ["ca.crt", "client.crt", "client.key", "crypt.key"] {
            let text = fs::read_to_string(folder.join(name)).expect("the key is there");
            self.write(&format!("/etc/openvpn/client/{name}"), &text);
        }
        self.sh("chmod 0750 /etc/openvpn/client");
        self.write(
            "/etc/openvpn/client/office.conf",
            &format!(
                "client\ndev tun\nremote {SERVER}\nremote-cert-tls server\nca ca.crt\ncert client.crt\nkey client.key\n\
                 tls-crypt crypt.key\nnobind\npersist-tun\n"
            ),
        );
        self.office()
    }

    /// Starts the office's server (again).
    pub(crate) fn office(&self) -> Process {
        self.server(OFFICE_SERVER)
    }

    /// Starts the office's server, which lets four minutes of silence pass.
    pub(crate) fn patient_office(&self) -> Process {
        self.server(&format!("{OFFICE_SERVER} --keepalive 60 240"))
    }

    /// Starts a server with these words besides the usual ones.
    pub(crate) fn server(&self, words: &str) -> Process {
        let mut command = self.outside.command("sh");
        let script = format!(
            "exec openvpn --dev tun --topology subnet --keepalive 2 10 --ca ca.crt --cert server.crt --key server.key \
             --dh none {words}"
        );
        command.args(["-ec", &script]).current_dir(pki::folder());
        let server = Process::start("the server", &mut command);
        server.wait_for("the server's readiness", |line| {
            line.contains("Initialization Sequence Completed")
        });
        server
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let halt = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/roots/halt");
        let _done = Command::new(halt).arg(&self.state).output();
    }
}
