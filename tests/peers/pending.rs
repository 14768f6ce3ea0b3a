//! Logins that the server decides upon later: on a web page, by a question, through a proxy that asks too.

use std::process::Output;

use crate::common::management::Management;
use crate::common::process::Process;
use crate::front::FrontEnd;
use crate::machine::SERVER;

/// Where a manager decides on logins, and where only a proxy leads to.
const PORT: u16 = 1197;
const PROXY: u16 = 8888;
const URL: &str = "https://login.example/?a=1,2";

/// A server whose manager we are.
struct Managed {
    manager: Management,
    _server: Process,
}

impl Managed {
    fn start(front: &FrontEnd<'_>) -> Self {
        let socket = std::env::temp_dir().join(format!("peers-{}", front.machine.outside.name()));
        let server = front.serve(
            PORT,
            22,
            &format!(
                "--management {} unix --management-client-auth --verify-client-cert none --username-as-common-name",
                socket.display()
            ),
        );
        let manager = Management::connect(&socket);
        drop(std::fs::remove_file(socket));
        front.import("pending", PORT, "auth-user-pass\n");
        Self {
            manager,
            _server: server,
        }
    }

    /// Has a login wait for an answer of this kind; gives client and key, as orders name them.
    fn suspend(&self, kind: &str) -> String {
        let heard = self.manager.count_lines();
        let who = self.manager.wait_for_from(0, ">CLIENT:CONNECT,");
        let who = who.replace(',', " ");
        self.manager.wait_for_from(0, ">CLIENT:ENV,END");
        self.manager
            .order(&format!("client-pending-auth {who} \"{kind}\" 60"));
        self.manager
            .wait_for_from(heard, "SUCCESS: client-pending-auth");
        who
    }

    fn grant(&self, who: &str) {
        self.manager.order(&format!("client-auth-nt {who}"));
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The command with this input, while the server does something.
fn meanwhile<T>(
    front: &FrontEnd<'_>,
    words: &str,
    input: &str,
    server: impl FnOnce() -> T,
) -> (String, T) {
    std::thread::scope(|scope| {
        let command = scope.spawn(|| front.asks(words, input));
        let done = server();
        let output = command
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (text(&output), done)
    })
}

/// The number of the only session that waits for an answer.
fn request(front: &FrontEnd<'_>) -> String {
    let list = front.openvpn3("session-auth");
    let number = list
        .lines()
        .find_map(|line| line.split_once("Auth Request: "));
    number
        .map(|(_, number)| number.trim().to_owned())
        .unwrap_or_else(|| panic!("nothing is waited for: {list}"))
}

fn carries(front: &FrontEnd<'_>) {
    front.wait_for_status("Client connected");
    front.passes("10.22.0.1");
    front.disconnect("pending");
}

/// T20.
pub(crate) fn a_login_on_a_web_page(front: &FrontEnd<'_>) {
    for kind in ["WEB_AUTH::", "OPEN_URL:"] {
        let server = Managed::start(front);
        let (said, who) = meanwhile(
            front,
            "session-start --config pending",
            "alice\\nx\\n",
            || server.suspend(&format!("{kind}{URL}")),
        );
        assert!(said.contains("Web based authentication required"), "{said}");
        assert!(said.contains(URL), "{said}");
        front.wait_for_status("Web authentication required to connect");
        let list = front.openvpn3("session-auth");
        assert!(
            list.contains("On-going web authentication") && list.contains(URL),
            "{list}"
        );
        let again = front.openvpn3(&format!("session-auth --auth-req {}", request(front)));
        assert!(again.contains(URL), "{again}");
        server.grant(&who);
        carries(front);
        front.openvpn3("config-remove --config pending --force");
    }
}

pub(crate) fn a_question_of_the_server(front: &FrontEnd<'_>) {
    // At once, where the login was begun.
    let server = Managed::start(front);
    let (said, ()) = meanwhile(
        front,
        "session-start --config pending",
        "alice\\nx\\ngreen\\n",
        || {
            let who = server.suspend("CR_TEXT:R,E:Which colour?");
            answered(&server, &who);
        },
    );
    assert!(said.contains("Which colour?"), "{said}");
    carries(front);

    // Later, by another command.
    drop(server);
    front.openvpn3("config-remove --config pending --force");
    let server = Managed::start(front);
    let begin = "session-start --config pending --background";
    let (said, who) = meanwhile(front, begin, "alice\\nx\\n", || {
        server.suspend("CR_TEXT:R,E:Which colour?")
    });
    assert!(
        said.contains("Session is running in the background"),
        "{said}"
    );
    front.wait_for_status("Which colour?");
    let answer = format!("session-auth --auth-req {}", request(front));
    let (said, ()) = meanwhile(front, &answer, "green\\n", || answered(&server, &who));
    assert!(said.contains("Connected"), "{said}");
    carries(front);
    front.openvpn3("config-remove --config pending --force");
}

/// Nobody could answer any more.
pub(crate) fn a_session_manager_is_lost_while_a_login_waits(front: &FrontEnd<'_>) {
    let server = Managed::start(front);
    let begin = "session-start --config pending --background";
    meanwhile(front, begin, "alice\\nx\\n", || {
        server.suspend("CR_TEXT:R,E:Which colour?")
    });
    front.wait_for_status("Which colour?");
    front
        .machine
        .sh("pkill -KILL -f [o]penvpn3-service-sessionmgr");
    front.assert_nothing_is_left();
    front.openvpn3("config-remove --config pending --force");
}

/// The answer has come, and it is right.
fn answered(server: &Managed, who: &str) {
    let said = server.manager.wait_for_from(0, ">CLIENT:CR_RESPONSE,");
    assert!(said.ends_with(",Z3JlZW4="), "{said}");
    server.grant(who);
}

pub(crate) fn a_proxy_asks_for_a_login(front: &FrontEnd<'_>) {
    let _server = front.serve(PORT, 22, "--proto tcp-server");
    let config = std::env::temp_dir().join(format!("peers-{}.conf", front.machine.outside.name()));
    std::fs::write(
        &config,
        format!("Port {PROXY}\nListen {SERVER}\nTimeout 600\nConnectPort {PORT}\nBasicAuth alice sesame\n"),
    )
    .expect("a file can be written");
    let mut command = front.machine.outside.command("tinyproxy");
    let proxy = Process::start("tinyproxy", command.arg("-d").arg("-c").arg(&config));
    proxy.wait_for("that it listens", |line| {
        line.contains("Accepting connections")
    });
    drop(std::fs::remove_file(config));
    // As with the stock backend, a proxy that takes TCP alone needs a remote with TCP.
    front.import("proxied", PORT, "proto tcp\n");
    front.openvpn3(&format!(
        "config-manage --config proxied --proxy-host {SERVER} --proxy-port {PROXY} \
         --proxy-auth-cleartext true"
    ));
    let said = text(&front.asks("session-start --config proxied", "alice\\nsesame\\n"));
    for part in ["HTTP proxy username", "HTTP proxy password", "Connected"] {
        assert!(
            said.contains(part),
            "{part}: {said}\n{}",
            front.machine.journal()
        );
    }
    let list = front.openvpn3("sessions-list");
    assert!(list.contains("Connected to: tcp:"), "{list}");
    front.passes("10.22.0.1");
    front.disconnect("proxied");
    let journal = front.machine.journal();
    assert!(!journal.contains("sesame"), "{journal}");
}
