//! Logins that nobody answers: systemd credentials, encrypted or not, for every kind of secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::pki;
use crate::common::process::Process;
use crate::login::{self, ONE_TIME_PORT, PASSWORD, USER, WRONG, outcome};
use crate::machine::{Machine, SERVER};
use crate::secrets;

/// From which the one-time passwords are made.
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
/// Of the locked key.
const PASSPHRASE: &str = "barley";

/// How a credential is handed to a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handed {
    /// `LoadCredentialEncrypted=`, encrypted with the key of the machine.
    Encrypted,
    /// `LoadCredential=`, or `ImportCredential=` where systemd has it.
    Plain,
}

pub(crate) fn credentials_answer_for_a_login(machine: &Machine) {
    let unit = "openvpn3-backend@login";
    for handed in [Handed::Encrypted, Handed::Plain] {
        hand(
            machine,
            "login",
            handed,
            &[("username", USER), ("password", PASSWORD)],
        );
        machine.sh(&format!("systemctl start {unit}"));
        assert_eq!(outcome(machine, unit), "active 0 0");
        secrets::are_nowhere(machine, &[PASSWORD]);
        machine.sh(&format!("systemctl stop {unit}"));
        hand(
            machine,
            "login",
            handed,
            &[("username", USER), ("password", WRONG)],
        );
        machine.fails(&format!("systemctl start {unit}"));
        assert_eq!(outcome(machine, unit), "failed 0 11");
    }
    forget(machine, "login");
}

pub(crate) fn a_seed_answers_a_static_challenge(machine: &Machine) {
    let _server = serve_one_time(machine);
    let more = "auth-user-pass\nstatic-challenge \"One-time password\" 0";
    login::write_profile(machine, "token", ONE_TIME_PORT, more, "client.key");
    let unit = "openvpn3-backend@token";
    let answers = [
        ("username", USER),
        ("password", PASSWORD),
        ("otp-seed", SEED),
    ];
    hand(machine, "token", Handed::Encrypted, &answers);
    machine.sh(&format!("systemctl start {unit}"));
    assert_eq!(outcome(machine, unit), "active 0 0");
    secrets::are_nowhere(machine, &[PASSWORD, SEED]);
    machine.sh(&format!("systemctl stop {unit}"));
    forget(machine, "token");
}

pub(crate) fn a_passphrase_opens_a_locked_key(machine: &Machine) {
    login::write_profile(
        machine,
        "locked",
        login::PORT,
        "auth-user-pass",
        "client-locked.key",
    );
    let unit = "openvpn3-backend@locked";
    let mut answers = [
        ("username", USER),
        ("password", PASSWORD),
        ("passphrase", PASSPHRASE),
    ];
    hand(machine, "locked", Handed::Encrypted, &answers);
    machine.sh(&format!("systemctl start {unit}"));
    assert_eq!(outcome(machine, unit), "active 0 0");
    machine.sh(&format!("systemctl stop {unit}"));
    answers[2].1 = WRONG;
    hand(machine, "locked", Handed::Plain, &answers);
    // A person may know better.
    machine.sh(&format!("systemctl start --no-block {unit}"));
    machine.until("systemd-tty-ask-password-agent --list | grep passphrase");
    let journal = machine.sh(&format!("journalctl -o cat -u {unit}"));
    let refused = "the passphrase does not open the private key";
    assert_eq!(journal.matches(refused).count(), 1, "{journal}");
    machine.sh(&format!("systemctl stop {unit}"));
    forget(machine, "locked");
}

pub(crate) fn key_and_certificate_are_credentials(machine: &Machine) {
    let text =
        |name: &str| fs::read_to_string(pki::folder().join(name)).expect("the file is there");
    machine.write(
        "/etc/openvpn3-backend/bare.ovpn",
        &format!(
            "client\ndev tun\nremote {SERVER} {}\nremote-cert-tls server\nnobind\nauth-user-pass\n<ca>\n{}</ca>\n",
            login::PORT,
            text("ca.crt")
        ),
    );
    let (key, certificate) = (text("client.key"), text("client.crt"));
    let answers = [
        ("username", USER),
        ("password", PASSWORD),
        ("key", key.as_str()),
        ("cert", certificate.as_str()),
    ];
    hand(machine, "bare", Handed::Encrypted, &answers);
    let unit = "openvpn3-backend@bare";
    machine.sh(&format!("systemctl start {unit}"));
    assert_eq!(outcome(machine, unit), "active 0 0");
    let secret = key.lines().nth(1).expect("a key has lines");
    secrets::are_nowhere(machine, &[PASSWORD, secret]);
    machine.sh(&format!("systemctl stop {unit}"));
    forget(machine, "bare");
}

/// Hands credentials to an instance, in place of those that it had.
pub(crate) fn hand(machine: &Machine, instance: &str, handed: Handed, answers: &[(&str, &str)]) {
    let imports = machine.systemd() >= 254;
    let mut drop_in = "[Service]\n".to_owned();
    for (name, value) in answers {
        let name = format!("openvpn3.{name}");
        let plain = format!("/etc/credstore/{name}");
        machine.write(&plain, value);
        drop_in += &match handed {
            Handed::Encrypted => {
                let file = format!("/etc/credstore.encrypted/{instance}.{name}");
                machine.sh(&format!(
                    "mkdir -p /etc/credstore.encrypted; \
                     systemd-creds encrypt --with-key=host --name={name} {plain} {file}; rm {plain}"
                ));
                format!("LoadCredentialEncrypted={name}:{file}\n")
            }
            Handed::Plain if imports => format!("ImportCredential={name}\n"),
            Handed::Plain => format!("LoadCredential={name}:{plain}\n"),
        };
    }
    let folder = format!("/etc/systemd/system/openvpn3-backend@{instance}.service.d");
    machine.write(&format!("{folder}/login.conf"), &drop_in);
    machine.sh(&format!(
        "systemctl daemon-reload; systemctl reset-failed openvpn3-backend@{instance} || true"
    ));
}

pub(crate) fn forget(machine: &Machine, instance: &str) {
    let unit = format!("openvpn3-backend@{instance}");
    machine.sh(&format!(
        "rm -r /etc/systemd/system/{unit}.service.d /etc/credstore.encrypted; rm -f /etc/credstore/*; \
         systemctl daemon-reload; systemctl reset-failed {unit} || true"
    ));
}

/// A server that wants the password and a one-time password.
fn serve_one_time(machine: &Machine) -> Process {
    let script = pki::folder().join(format!("check-totp-{}", std::process::id()));
    let text = CHECK_ONE_TIME
        .replace("SEED", SEED)
        .replace("PASSWORD", PASSWORD)
        .replace("USER", USER);
    fs::write(&script, text).expect("a script can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    machine.server(&format!(
        "--port {ONE_TIME_PORT} --server 10.11.0.0 255.255.255.0 --script-security 2 \
         --auth-user-pass-verify {} via-file",
        script.display()
    ))
}

/// Takes the one-time password of this half minute and of the one before.
const CHECK_ONE_TIME: &str = "#!/usr/bin/env python3
import base64, hashlib, hmac, struct, sys, time
def text(value):
    return base64.b64encode(value.encode()).decode()
def one_time(step):
    mac = hmac.new(base64.b32decode('SEED'), struct.pack('>Q', step), hashlib.sha1).digest()
    at = mac[-1] & 15
    return '%06d' % ((struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000)
step = int(time.time()) // 30
right = ['SCRV1:%s:%s' % (text('PASSWORD'), text(one_time(s))) for s in (step - 1, step)]
name, password = open(sys.argv[1]).read().split('\\n')[:2]
sys.exit(0 if name == 'USER' and password in right else 1)
";
