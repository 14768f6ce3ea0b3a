//! A web server behind the tunnel, and what is fetched from it.

use std::process::{Child, Command, Stdio};

use crate::common::process::Process;
use crate::machine::{INSIDE, Machine};

/// Its port.
pub(crate) const PORT: u16 = 8000;
/// The size of its file `big`.
const BIG: usize = 16_000_000;

/// Serves a file at every address of the server's host, those that come and go included.
pub(crate) fn serve(machine: &Machine) -> Process {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("standalone-www-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join("big"), vec![7; BIG]).expect("a file can be written");
    let mut command: Command = machine.outside.command("python3");
    command
        .args(["-um", "http.server", &PORT.to_string()])
        .current_dir(folder);
    let server = Process::start("the web server", &mut command);
    server.wait_for("the web server's readiness", |line| {
        line.contains("Serving")
    });
    server
}

/// A download of the file through the tunnel.
#[derive(Debug)]
pub(crate) struct Download {
    curl: Child,
}

impl Download {
    /// Begins it, slowly enough to be disturbed, and waits until it is under way.
    pub(crate) fn start(machine: &Machine) -> Self {
        let curl = machine
            .on_network("curl")
            .args(["--silent", "--show-error", "--limit-rate", "5M"])
            .args(["--max-time", "60", "--output", "/dev/null"])
            .args(["--write-out", "%{size_download}"])
            .arg(format!("http://{INSIDE}:{PORT}/big"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is installed");
        let mut this = Self { curl };
        machine.until("[ $(cat /sys/class/net/tun0/statistics/rx_bytes) -gt 4000000 ]");
        let ended = this.curl.try_wait();
        assert!(ended.is_ok_and(|ended| ended.is_none()), "it runs");
        this
    }

    /// Waits for its end; all must have come.
    pub(crate) fn finish(self) {
        let output = self.curl.wait_with_output().expect("curl ends");
        let size = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(size, BIG.to_string(), "the download completes");
    }
}
