//! What goes for a while and comes back: the server, and the machine itself, which sleeps.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::capture::Capture;
use crate::common::process::Process;
use crate::login;
use crate::machine::{INSIDE, Machine, OFFICE};
use crate::token;
use crate::trouble::index_of_device;

/// The server is gone, and the session goes on trying.
#[derive(Debug)]
pub(crate) struct Outage {
    began: Instant,
    capture: Capture,
    device: String,
    process: String,
}

impl Outage {
    /// The server dies in silence under a session.
    #[expect(
        clippy::disallowed_methods,
        reason = "the outage is to last in real time"
    )]
    pub(crate) fn begin(machine: &Machine, server: Process) -> Self {
        machine.sh(&format!("systemctl start {OFFICE}"));
        let capture = Capture::start(
            machine,
            &[1194, login::PORT, login::ONE_TIME_PORT, token::PORT],
        );
        let this = Self {
            began: Instant::now(),
            capture,
            device: index_of_device(machine),
            process: machine.fact(OFFICE, "MainPID"),
        };
        drop(server);
        machine.until(&format!(
            "systemctl show -P StatusText {OFFICE} | grep -v '^connected to'"
        ));
        this
    }

    /// The server is back after at least that long; gives it.
    pub(crate) fn end(self, machine: &Machine, lasts: Duration) -> Process {
        machine.until(&format!(
            "journalctl -o cat -u {OFFICE} _PID={} | grep '^trying again'",
            self.process
        ));
        sleep(lasts.saturating_sub(self.began.elapsed()));
        assert!(
            machine.sh("ip route get 198.51.100.9").contains("dev tun0"),
            "the tunnel is closed, not open"
        );
        let server = machine.office();
        machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
        machine.until(&format!(
            "systemctl show -P StatusText {OFFICE} | grep '^connected to'"
        ));
        assert_eq!(
            self.device,
            index_of_device(machine),
            "it is the same device"
        );
        assert_eq!(self.process, machine.fact(OFFICE, "MainPID"));
        self.capture.assert_nothing_leaked();
        machine.sh(&format!("systemctl stop {OFFICE}"));
        server
    }
}

/// Nobody is logind. The server is another one after the sleep, which knows nothing of the session; neither side would
/// notice within minutes. Gives the usual server.
#[expect(clippy::disallowed_methods, reason = "it says how long it took")]
pub(crate) fn it_connects_again_after_a_sleep(machine: &Machine, server: Process) -> Process {
    drop(server);
    let server = machine.patient_office();
    machine.sh(&format!("systemctl restart {OFFICE}"));
    let (device, process) = (index_of_device(machine), machine.fact(OFFICE, "MainPID"));
    let logind = Logind::new(machine);
    // It may not be listening yet.
    let heard = said("the machine is about to sleep", &process);
    let heard = format!("for _ in $(seq 40); do {heard} && exit; sleep 0.05; done; exit 1");
    let told = (0..30).any(|_| {
        logind.prepare_for_sleep(true);
        machine.try_sh(&heard).status.success()
    });
    assert!(told, "{}", machine.journal());
    drop(server);
    let server = machine.patient_office();
    let woke = Instant::now();
    logind.prepare_for_sleep(false);
    machine.until(&said("the machine woke up", &process));
    machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
    println!(
        "traffic passes {:.1} s after it woke up",
        woke.elapsed().as_secs_f32()
    );
    machine.until(&format!(
        "[ $(journalctl -o cat -u {OFFICE} _PID={process} | grep -c '^connected (') = 2 ]"
    ));
    assert_eq!(device, index_of_device(machine), "it is the same device");
    assert_eq!(process, machine.fact(OFFICE, "MainPID"));
    drop(logind);
    machine.sh(&format!(
        "systemctl unmask --quiet --runtime systemd-logind; systemctl stop {OFFICE}"
    ));
    drop(server);
    machine.office()
}

/// That a process of the session has said this.
pub(crate) fn said(line: &str, process: &str) -> String {
    format!("journalctl -o cat -u {OFFICE} _PID={process} | grep -q '{line}'")
}

/// Stands in for logind, whose machines are never really put to sleep here.
#[derive(Debug)]
struct Logind {
    runtime: Runtime,
    bus: zbus::Connection,
}

impl Logind {
    fn new(machine: &Machine) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let bus = runtime.block_on(async {
            zbus::connection::Builder::address(machine.bus_address().as_str())?
                .name("org.freedesktop.login1")?
                .build()
                .await
        });
        let bus = bus.expect("root may be logind");
        Self { runtime, bus }
    }

    fn prepare_for_sleep(&self, begins: bool) {
        let told = self.runtime.block_on(self.bus.emit_signal(
            None::<&str>,
            "/org/freedesktop/login1",
            "org.freedesktop.login1.Manager",
            "PrepareForSleep",
            &(begins,),
        ));
        told.expect("the bus takes signals");
    }
}
