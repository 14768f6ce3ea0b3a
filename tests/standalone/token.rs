//! Tokens in place of passwords: one among the credentials lets in, and an expired one is not the end.

use std::fs;
use std::process::Command;

use crate::common::pki;
use crate::common::process::Process;
use crate::headless::{Handed, forget, hand};
use crate::login::{self, PASSWORD, USER, outcome};
use crate::machine::Machine;
use crate::secrets;

/// Where the server listens that gives tokens.
pub(crate) const PORT: u16 = 1197;
/// How long a token is worth something, in seconds.
const LIFETIME: u32 = 3600;
const UNIT: &str = "openvpn3-backend@tokens";

pub(crate) fn a_token_lets_in_and_an_expired_one_asks_for_the_password(machine: &Machine) {
    let _server = serve(machine);
    login::write_profile(machine, "tokens", PORT, "auth-user-pass", "client.key");
    let fresh = token(0);
    let expired = token(LIFETIME + 60);

    hand(
        machine,
        "tokens",
        Handed::Encrypted,
        &[("username", USER), ("auth-token", &fresh)],
    );
    machine.sh(&format!("systemctl start {UNIT}"));
    assert_eq!(outcome(machine, UNIT), "active 0 0");
    secrets::are_nowhere(machine, &[&fresh]);
    machine.sh(&format!("systemctl stop {UNIT}"));

    let answers = [
        ("username", USER),
        ("auth-token", expired.as_str()),
        ("password", PASSWORD),
    ];
    hand(machine, "tokens", Handed::Encrypted, &answers);
    machine.sh(&format!("systemctl start {UNIT}"));
    assert_eq!(outcome(machine, UNIT), "active 0 0");
    assert!(last_run(machine).contains(EXPIRED), "{}", last_run(machine));
    machine.sh(&format!("systemctl stop {UNIT}"));

    hand(machine, "tokens", Handed::Plain, &answers[..2]);
    machine.sh(&format!("systemctl start --no-block {UNIT}"));
    machine.until(
        "systemd-tty-ask-password-agent --list | grep 'Password for the OpenVPN session tokens'",
    );
    assert!(last_run(machine).contains(EXPIRED), "{}", last_run(machine));
    let status = machine.fact(UNIT, "StatusText");
    assert!(
        status.starts_with("waiting for an answer since ") && status.contains("Auth Password"),
        "{status}"
    );
    secrets::are_nowhere(machine, &[&expired]);
    machine.sh(&format!("systemctl stop {UNIT}"));
    forget(machine, "tokens");
}

/// What the journal says of the latest run.
fn last_run(machine: &Machine) -> String {
    let run = machine.fact(UNIT, "InvocationID");
    machine.sh(&format!("journalctl -o cat _SYSTEMD_INVOCATION_ID={run}"))
}

/// What the journal says of a token that the server does not take.
const EXPIRED: &str = "the session token has expired";

/// A server that knows the password, gives tokens, and takes those that were made with its key.
fn serve(machine: &Machine) -> Process {
    let key = pki::folder().join(format!("tokens-{}.key", std::process::id()));
    let words = [
        "-----BEGIN OpenVPN auth-token server key-----",
        KEY,
        "-----END OpenVPN auth-token server key-----\n",
    ];
    fs::write(&key, words.join("\n")).expect("a key can be written");
    machine.server(&format!(
        "--port {PORT} --server 10.12.0.0 255.255.255.0 --script-security 2 \
         --auth-user-pass-verify ./check-password via-file --auth-gen-token {LIFETIME} \
         --auth-gen-token-secret {}",
        key.display()
    ))
}

/// A token as that server would have given it so many seconds ago.
fn token(age: u32) -> String {
    let made = Command::new("python3")
        .args(["-c", MAKE_TOKEN, KEY, USER, &age.to_string()])
        .output()
        .expect("python3 is installed");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8_lossy(&made.stdout).trim().to_owned()
}

/// The server's key: 128 bytes.
const KEY: &str = "b3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUg\
b3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUg\
b3BlbiBzZXNhbWUgb3BlbiBzZXNhbWUgb3BlbiBzZXM=";

/// Session id, first and last renewal, and the MAC of these and of the user name by the second half of the key.
const MAKE_TOKEN: &str = "
import base64, hashlib, hmac, os, struct, sys, time
key, user, age = sys.argv[1:]
made = int(time.time()) - int(age)
body = os.urandom(12) + struct.pack('>QQ', made, made)
mac = hmac.new(base64.b64decode(key)[64:96], user.encode() + body, hashlib.sha256).digest()
print('SESS_ID_AT_' + base64.b64encode(body + mac).decode())
";
