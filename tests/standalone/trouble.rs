//! Sessions that are killed or freeze: nothing leaves outside of the tunnel, and the tunnel comes back.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::process::Process;
use crate::machine::{INSIDE, Machine, SERVER};

const UNIT: &str = "openvpn3-backend@office";

pub(crate) fn a_killed_session_comes_back_on_its_device(machine: &Machine) {
    machine.sh(&format!("systemctl start {UNIT}"));
    let index = machine.sh("cat /sys/class/net/tun0/ifindex");
    let files = big_file(machine);
    // Everything on the cable that is not between the two ends of the tunnel.
    let mut tcpdump = machine.outside.command("tcpdump");
    tcpdump.args([
        "-lnni",
        &machine.cable,
        &format!("ip and not (host 10.77.0.2 and host {SERVER})"),
    ]);
    let capture = Process::start("tcpdump", &mut tcpdump);
    capture.wait_for("tcpdump's readiness", |line| line.contains("listening on"));
    let devices = Process::start(
        "the monitor",
        machine.inside().arg("exec ip -o monitor link dev tun0"),
    );
    let mut download = machine
        .on_network("curl")
        .args([
            "--silent",
            "--show-error",
            "--limit-rate",
            "6M",
            "--max-time",
            "40",
        ])
        .args(["--output", "/dev/null", "--write-out", "%{size_download}"])
        .arg(format!("http://{INSIDE}:8000/big"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    sleep(Duration::from_secs(1));
    assert!(
        download.try_wait().is_ok_and(|ended| ended.is_none()),
        "the download runs"
    );
    machine.sh(&format!("kill -9 $(systemctl show -P MainPID {UNIT})"));
    let output = download.wait_with_output().expect("curl ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        BIG.to_string(),
        "the download completes"
    );
    assert_eq!(
        machine
            .sh(&format!("systemctl show -P NRestarts {UNIT}"))
            .trim(),
        "1"
    );
    machine.sh(&format!("systemctl is-active {UNIT}"));
    assert_eq!(
        index,
        machine.sh("cat /sys/class/net/tun0/ifindex"),
        "it is the same device"
    );
    assert_eq!(
        devices.count(|line| line.contains("Deleted")),
        0,
        "{}",
        devices.text()
    );
    let leaked = capture.count(|line| line.contains(" IP "));
    assert_eq!(leaked, 0, "beside the tunnel: {}", capture.text());
    drop(files);
    machine.sh(&format!("systemctl stop {UNIT}"));
    assert!(
        !machine.try_sh("ip link show tun0").status.success(),
        "a stop removes the device"
    );
}

pub(crate) fn a_frozen_session_is_started_again(machine: &Machine) {
    let drop_in = "/run/systemd/system/openvpn3-backend@.service.d/quick.conf";
    machine.sh(&format!(
        "mkdir -p $(dirname {drop_in}); printf '[Service]\\nWatchdogSec=2s\\n' >{drop_in}; systemctl daemon-reload; \
         systemctl start {UNIT}; kill -STOP $(systemctl show -P MainPID {UNIT})"
    ));
    // The device is looked at all the while.
    let restarted = (0..100).any(|_| {
        machine.sh("ip link show tun0");
        sleep(Duration::from_millis(100));
        let restarts = machine.sh(&format!("systemctl show -P NRestarts {UNIT}"));
        restarts.trim() == "1"
    });
    assert!(restarted, "{}", machine.journal());
    machine.sh(&format!(
        "until systemctl is-active {UNIT}; do sleep 0.1; done"
    ));
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    machine.sh(&format!(
        "systemctl stop {UNIT}; rm {drop_in}; systemctl daemon-reload"
    ));
}

pub(crate) fn what_a_killed_session_left_is_taken_back(machine: &Machine) {
    let before = machine.traces();
    let drop_in = format!("/run/systemd/system/{UNIT}.service.d/once.conf");
    machine.sh(&format!(
        "mkdir -p $(dirname {drop_in}); printf '[Service]\\nRestartSec=1h\\n' >{drop_in}; systemctl daemon-reload; \
         systemctl start {UNIT}"
    ));
    assert_ne!(before, machine.traces());
    // A session that is killed while it is being stopped is not started again. systemd wakes it with its SIGTERM, so that
    // it may have ended by itself before the kill.
    machine.sh(&format!(
        "process=$(systemctl show -P MainPID {UNIT}); kill -STOP $process; systemctl stop --no-block {UNIT}; \
         until [ $(systemctl show -P ActiveState {UNIT}) = deactivating ]; do sleep 0.05; done; kill -9 $process || true; \
         until [ $(systemctl show -P MainPID {UNIT}) = 0 ]; do sleep 0.05; done; \
         while [ $(systemctl show -P ActiveState {UNIT}) = deactivating ]; do sleep 0.05; done; \
         rm {drop_in}; systemctl daemon-reload; systemctl reset-failed {UNIT} || true"
    ));
    assert_eq!(before, machine.traces());
}

const BIG: usize = 16_000_000;

/// Serves one large file inside the tunnel.
fn big_file(machine: &Machine) -> Process {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("standalone-www");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join("big"), vec![7; BIG]).expect("a file can be written");
    let mut command: Command = machine.outside.command("python3");
    command
        .args(["-um", "http.server", "--bind", INSIDE, "8000"])
        .current_dir(folder);
    let server = Process::start("the web server", &mut command);
    server.wait_for("the web server's readiness", |line| {
        line.contains("Serving")
    });
    server
}
