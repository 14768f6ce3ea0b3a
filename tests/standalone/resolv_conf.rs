//! Names without systemd-resolved, and without a bus: the resolver file has the tunnel's servers, and comes back, whether
//! we write it or one of the two programs called resolvconf.

use crate::common::root::root;
use crate::machine::{INSIDE, Machine, OFFICE};
use crate::traces::Traces;

/// Where both packages have their files.
const FILES: [&str; 5] = [
    "usr/sbin/resolvconf",
    "usr/lib/resolvconf",
    "usr/share/resolvconf",
    "etc/resolvconf",
    "etc/resolvconf.conf",
];

/// What a package does when it is installed, where it has to.
const PACKAGES: [(&str, &str); 2] = [
    ("openresolv", "true"),
    (
        "resolvconf",
        "mkdir -p /run/resolvconf/interface; resolvconf --enable-updates; \
         ln -sf /run/resolvconf/resolv.conf /etc/resolv.conf",
    ),
];

/// What the helper may write is the resolver's file and the folders of its kind, and it has no capability.
fn the_helper_may_write_little(machine: &Machine) {
    let unit = "openvpn3-backend-dns@1.service";
    assert_eq!(machine.fact(unit, "CapabilityBoundingSet"), "");
    let settings = "systemd-run --quiet --pipe --wait -p ProtectSystem=strict         -p \"ReadWritePaths=$(systemctl show -P ReadWritePaths openvpn3-backend-dns@1.service)\" -p CapabilityBoundingSet=";
    machine.sh(&format!("{settings} sh -c ': >>/etc/resolv.conf'"));
    for other in ["/etc/passwd", "/etc/motd", "/run/systemd/system/x.service"] {
        machine.fails(&format!("{settings} sh -c ': >>{other}'"));
    }
}

/// The last one of its machine: resolver and bus do not come back. `with_programs`: with each resolvconf too.
pub(crate) fn the_resolver_file_names_the_tunnels_servers(machine: &Machine, with_programs: bool) {
    machine.sh(
        "systemctl mask --quiet --runtime --now systemd-resolved; rm /etc/resolv.conf; \
         echo '# as the administrator has it' >/etc/resolv.conf; echo 'nameserver 192.0.2.53' >>/etc/resolv.conf",
    );
    the_helper_may_write_little(machine);
    start_kill_and_stop(machine);
    if with_programs {
        for (package, begin) in PACKAGES {
            resolvconf_is_told(machine, package, begin);
        }
    }
    machine.sh("systemctl mask --quiet --runtime --now dbus.socket dbus.service dbus-broker.service || true");
    machine.fails("busctl list");
    start_kill_and_stop(machine);
}

fn resolvconf_is_told(machine: &Machine, package: &str, begin: &str) {
    let files = root(&format!("resolvconf-{package}")).expect("the package can be unpacked");
    machine.add_from(&files, &FILES);
    machine.sh(&format!(
        "cp -a /etc/resolv.conf /etc/resolv.conf.before; {begin}; \
         echo 'nameserver 192.0.2.53' | resolvconf -a host0.dhclient; grep 192.0.2.53 /etc/resolv.conf"
    ));
    start_kill_and_stop(machine);
    let run = machine.sh("journalctl -o cat -u 'openvpn3-backend-dns@*' -n 20");
    assert!(run.contains("DNS is set (device tun0, program /"), "{run}");
    machine.sh("resolvconf -d host0.dhclient; rm -r /run/resolvconf; mv /etc/resolv.conf.before /etc/resolv.conf");
    for file in FILES {
        machine.sh(&format!("rm -rf /{file}"));
    }
}

fn start_kill_and_stop(machine: &Machine) {
    let before = Traces::of(machine);
    let named =
        format!("grep -m 1 '^nameserver' /etc/resolv.conf | grep -q '^nameserver {INSIDE}$'");
    machine.sh(&format!("systemctl start {OFFICE}"));
    machine.sh(&named);
    machine.sh(&format!("kill -9 $(systemctl show -P MainPID {OFFICE})"));
    machine.until(&format!(
        "[ $(systemctl show -P NRestarts {OFFICE}) = 1 ] && systemctl is-active {OFFICE}"
    ));
    machine.sh(&named);
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    machine.sh(&format!("systemctl stop {OFFICE}"));
    before.assert_those_of(machine);
}
