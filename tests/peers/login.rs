//! Logins by the stock command: passwords, challenges, locked keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::Once;

use crate::common::pki;
use crate::front::FrontEnd;

/// Lets alice in by her password, and asks her for a code when she gives `ask me`.
const SCRIPT: &str = "#!/bin/sh
user=$(sed -n 1p \"$1\"); password=$(sed -n 2p \"$1\")
[ \"$user\" = alice ] || exit 1
case $password in
    'open sesame') exit 0 ;;
    SCRV1:b3BlbiBzZXNhbWU=:MTIzNDU2) exit 0 ;;
    CRV1::state1::654321) exit 0 ;;
    'ask me') printf 'CRV1:R,E:state1:YWxpY2U=:Which code' >\"$auth_failed_reason_file\" ;;
esac
exit 1
";

/// Where logins are asked for.
pub(crate) const PORT: u16 = 1196;

/// A server that wants logins, and knows alice.
pub(crate) fn serve(front: &FrontEnd<'_>) -> crate::common::process::Process {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        let script = pki::folder().join("check-answers");
        fs::write(&script, SCRIPT).expect("a script can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    });
    front.serve(
        PORT,
        21,
        "--script-security 2 --auth-user-pass-verify ./check-answers via-file",
    )
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn right_wrong_and_empty_answers(front: &FrontEnd<'_>) {
    let _server = serve(front);
    let right = front.asks("session-start --config login", "alice\\nopen sesame\\n");
    assert!(text(&right).contains("Connected"), "{}", text(&right));
    front.disconnect("login");

    let wrong = front.asks("session-start --config login", "alice\\nopen barley\\n");
    let said = text(&wrong);
    assert!(said.contains("User authentication failed"), "{said}");
    front.assert_nothing_is_left();

    // T18: the question stays open.
    let empty = front.asks(
        "session-start --config login",
        "\\n\\nalice\\nopen sesame\\n",
    );
    let said = text(&empty);
    assert!(
        said.contains("Empty input not allowed") && said.contains("Connected"),
        "{said}"
    );
    front.disconnect("login");
    let journal = front.machine.journal();
    assert!(
        !journal.contains("sesame") && !journal.contains("barley"),
        "{journal}"
    );
}

pub(crate) fn a_static_challenge(front: &FrontEnd<'_>) {
    let _server = serve(front);
    front.import(
        "static",
        PORT,
        "auth-user-pass\nstatic-challenge \"Your PIN\" 1\n",
    );
    let asked = front.asks(
        "session-start --config static",
        "alice\\nopen sesame\\n123456\\n",
    );
    let said = text(&asked);
    assert!(
        said.contains("Your PIN") && said.contains("Connected"),
        "{said}"
    );
    front.disconnect("static");
}

pub(crate) fn a_dynamic_challenge(front: &FrontEnd<'_>) {
    let _server = serve(front);
    // T17: the server's handle is never asked for.
    let asked = front.asks("session-start --config login", "alice\\nask me\\n654321\\n");
    let said = text(&asked);
    assert!(
        said.contains("Which code") && said.contains("Connected"),
        "{said}\n{}",
        front.machine.journal()
    );
    front.disconnect("login");
}

pub(crate) fn a_locked_key(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.import("locked", 1194, "askpass-later\n");
    let right = front.asks("session-start --config locked", "barley\\n");
    assert!(text(&right).contains("Connected"), "{}", text(&right));
    front.disconnect("locked");
    let wrong = front.asks("session-start --config locked", "wheat\\n");
    let said = text(&wrong);
    assert!(!said.contains("Connected"), "{said}");
    // The session manager of 27.1 removes the session before the command reads why.
    if front.openvpn3("version").contains(" v24.") {
        assert!(said.contains("Incorrect Private Key passphrase"), "{said}");
    }
    let journal = front.machine.journal();
    assert!(
        journal.contains("passphrase") && !journal.contains("wheat"),
        "{journal}"
    );
    front
        .machine
        .try_sh("openvpn3 session-manage --config locked --disconnect");
    front.assert_nothing_is_left();
}
