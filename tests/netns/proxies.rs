//! Servers that only a proxy reaches: squid, tinyproxy and Dante, and an NTLM proxy of our own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use md4::{Digest as _, Md4};
use md5::Md5;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::client::{Client, Program, Streams};
use super::lines::PATIENCE;
use super::namespace::{FAR_V4, FAR_V6, Namespace};
use super::process::Process;
use super::root::root;
use super::scene::{self, INSIDE_V4, Login, Scene, Transport, Wrapping};
use super::traffic::{Direction, transfer};
use super::{skipped, skipped_connecting};

/// Where the server is: an address that the client has no way to.
const HIDDEN: &str = "203.0.113.9";
/// How the proxies know it, and the client does not.
const HIDDEN_NAME: &str = "vpn.test";
/// The documented exit statuses.
const AUTHENTICATION: u8 = 11;
const UNREACHABLE: u8 = 13;
const SOON: &str = "connect-retry 1 1\nserver-poll-timeout 4\n";

/// A server that the client cannot reach by itself. All traffic is to go through its tunnel, but the proxy's.
fn hidden_server(scene: &Scene, transport: Transport) -> Process {
    scene
        .world
        .server
        .ip(&format!("addr add {HIDDEN}/32 dev lo"));
    scene
        .world
        .client
        .ip(&format!("route add unreachable {HIDDEN}"));
    let config = scene::server(transport, Wrapping::TlsCrypt, Login::Certificate);
    let multihome = match transport {
        Transport::Tcp => "",
        Transport::Udp => "multihome\n",
    };
    scene.serve(&format!(
        "{config}{multihome}push \"redirect-gateway def1\"\n"
    ))
}

fn profile(transport: Transport, server: &str) -> String {
    scene::profile(transport, Wrapping::TlsCrypt, Login::Certificate, server) + SOON
}

/// The tunnel carries a good deal in both directions; then the client leaves nothing behind.
fn carries(scene: &Scene, client: Client) {
    client.wait_connected();
    scene.ping(&client, INSIDE_V4, &[]);
    transfer(&scene.world, Direction::Down, 4 << 20);
    transfer(&scene.world, Direction::Up, 4 << 20);
    client.process.assert_running();
    client.leave();
    scene
        .world
        .client
        .ip(&format!("route del unreachable {HIDDEN}"));
    scene.assert_as_before();
}

/// Squid with a way to log in; it knows `alice`, whose password is `open sesame`.
struct Squid {
    _process: Process,
    folder: PathBuf,
}

impl Squid {
    fn start(scene: &Scene, login: &str) -> Self {
        // It runs as a user of its own, who may not look into ours.
        let name = format!("squid-{}", scene.world.server.name());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let file = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("a file can be written");
        };
        file("hosts", &format!("{HIDDEN} {HIDDEN_NAME}\n"));
        file("passwords", &format!("alice:{SESAME}\n"));
        let hash = Md5::digest("alice:tests:open sesame");
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        file("digests", &format!("alice:tests:{hash}\n"));
        let access = if login.is_empty() {
            "http_access allow all"
        } else {
            "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all"
        };
        file(
            "squid.conf",
            &format!(
                "http_port {FAR_V4}:3128\nvisible_hostname tests\npid_filename none\naccess_log none\n\
                 cache deny all\ncache_log /dev/null\nshutdown_lifetime 0 seconds\nhosts_file hosts\n\
                 {login}\n{access}\n"
            ),
        );
        let script = "mount -t tmpfs tmpfs /dev/shm; squid -N -d 1 -f squid.conf";
        let mut command = alone(&scene.world.server, script);
        command.current_dir(&folder);
        let process = Process::start("squid", &mut command);
        process.wait_for("that it listens", |line| line.contains("Accepting HTTP"));
        Self {
            _process: process,
            folder,
        }
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a shell script on a host; when it is killed, so is every process that it has started.
fn alone(host: &Namespace, script: &str) -> Command {
    // The shell stays, as the first process of a namespace: the others do not outlive it.
    let script = format!("{script}; exit");
    let mut command = host.command("unshare");
    command.args(["--pid", "--fork", "--kill-child", "sh", "-ec"]);
    command.arg(script);
    command
}

const BASIC: &str = "auth_param basic program /usr/lib/squid/basic_ncsa_auth passwords\nauth_param basic realm tests";
const DIGEST: &str = "auth_param digest program /usr/lib/squid/digest_file_auth -c digests\nauth_param digest realm tests";
const NTLM: &str = "auth_param ntlm program /usr/lib/squid/ntlm_fake_auth -v";

fn by_squid(login: &str, client_says: &str) {
    if skipped_connecting(&["squid"]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Tcp);
    let _squid = Squid::start(&scene, login);
    let profile = profile(Transport::Tcp, HIDDEN_NAME);
    let client = scene.connect(&format!(
        "{profile}http-proxy {FAR_V4} 3128 {client_says}\n"
    ));
    carries(&scene, client);
}

#[test]
fn squid_without_a_login_leads_to_a_server_whose_name_it_alone_knows() {
    by_squid("", "");
}

#[test]
fn squid_lets_a_basic_login_in() {
    by_squid(BASIC, "right.txt basic");
}

#[test]
fn squid_lets_a_digest_login_in_that_it_has_asked_for() {
    by_squid(
        &format!("{DIGEST}\n{BASIC}"),
        "auto-nct\n<http-proxy-user-pass>\nalice\nopen sesame\n</http-proxy-user-pass>",
    );
}

#[test]
fn squid_is_content_with_the_steps_of_ntlm() {
    by_squid(
        NTLM,
        "auto\n<http-proxy-user-pass>\nTESTS\\alice\nopen sesame\n</http-proxy-user-pass>",
    );
}

#[test]
fn who_is_asked_by_the_proxy_may_be_wrong_once() {
    if skipped_connecting(&["squid"]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Tcp);
    let _squid = Squid::start(&scene, DIGEST);
    let profile = profile(Transport::Tcp, HIDDEN_NAME);
    let profile = format!("{profile}http-proxy {FAR_V4} 3128\n");
    let path = scene.file("client.ovpn", &profile);
    let host = &scene.world.client;
    let client = Client::start(Program::Ours, host, &path, Streams::Terminal, &[]);
    let mut said = 0;
    for password in ["open barley", "open sesame"] {
        for (question, answer) in [("username", "alice"), ("password", password)] {
            client.process.wait_for_from(said, "its question", |line| {
                line.contains(&format!("HTTP proxy {question}"))
            });
            said = client.process.count_lines();
            client.process.enter(answer);
        }
    }
    client.wait_connected();
    let text = client.process.text();
    assert!(text.contains("were not accepted"), "{text}");
    assert!(!text.contains("open sesame"), "{text}");
    carries(&scene, client);
}

#[test]
fn a_login_that_nobody_can_be_asked_for_is_an_authentication_failure() {
    if skipped_connecting(&["squid"]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Tcp);
    let _squid = Squid::start(&scene, BASIC);
    let profile = profile(Transport::Tcp, HIDDEN_NAME);
    let client = scene.connect(&format!("{profile}http-proxy {FAR_V4} 3128\n"));
    let text = client.fail(AUTHENTICATION);
    assert!(text.contains("HTTP proxy"), "{text}");
}

fn tinyproxy(scene: &Scene, login: &str) -> Process {
    let config = scene.file(
        "tinyproxy.conf",
        &format!("Port 8888\nListen {FAR_V4}\nTimeout 600\nConnectPort 1194\n{login}\n"),
    );
    let mut command = scene.world.server.command("tinyproxy");
    command.arg("-d").arg("-c").arg(config);
    let proxy = Process::start("tinyproxy", &mut command);
    wait_until_it_listens(&scene.world.server, 8888);
    proxy
}

/// Waits for a listener on the far address.
fn wait_until_it_listens(host: &Namespace, port: u16) {
    let address: SocketAddr = format!("{FAR_V4}:{port}").parse().expect("an address");
    host.inside(|| {
        let pause = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if TcpStream::connect(address).is_ok() {
                return;
            }
            std::thread::sleep(pause);
        }
        panic!("nobody listens at {address}");
    });
}

#[test]
fn tinyproxy_leads_to_the_server_with_and_without_a_login() {
    if skipped_connecting(&["tinyproxy"]) {
        return;
    }
    for (login, client_says) in [
        ("", ""),
        (
            "BasicAuth alice sesame",
            " auto\n<http-proxy-user-pass>\nalice\nsesame\n</http-proxy-user-pass>",
        ),
    ] {
        let scene = Scene::new();
        let _server = hidden_server(&scene, Transport::Tcp);
        let _proxy = tinyproxy(&scene, login);
        let profile = profile(Transport::Tcp, HIDDEN);
        let client = scene.connect(&format!("{profile}http-proxy {FAR_V4} 8888{client_says}\n"));
        carries(&scene, client);
    }
}

#[test]
fn a_proxy_that_does_not_allow_the_port_is_asked_as_often_as_the_profile_allows() {
    if skipped_connecting(&["tinyproxy"]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Tcp);
    let _proxy = tinyproxy(&scene, "");
    let profile = profile(Transport::Tcp, HIDDEN).replace(" 1194\n", " 1195\n");
    let client = scene.connect(&format!(
        "{profile}http-proxy {FAR_V4} 8888\nconnect-retry-max 2\n"
    ));
    let text = client.fail(UNREACHABLE);
    assert_eq!(text.matches("the attempt ended").count(), 2, "{text}");
    assert!(text.contains("403"), "{text}");
}

/// Dante. A `login` is one of the host's accounts, of which it has one.
fn dante(scene: &Scene, login: bool) -> Process {
    let method = if login { "username" } else { "none" };
    let config = scene.file(
        "danted.conf",
        &format!(
            "logoutput: stderr\ninternal: {FAR_V4} port = 1080\nexternal: {FAR_V4}\nexternal: {FAR_V6}\nclientmethod: none\nsocksmethod: {method}\n\
             user.privileged: root\nuser.unprivileged: root\n\
             client pass {{ from: 0/0 to: 0/0 }}\nsocks pass {{ from: 0/0 to: 0/0 }}\n"
        ),
    );
    scene.file(
        "passwd",
        "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
    );
    scene.file(
        "shadow",
        &format!("root:*:1::::::\nalice:{SESAME}:1::::::\n"),
    );
    let mut command = alone(&scene.world.server, IN_ITS_ROOT);
    let root = root("server-bookworm").expect("the test is skipped without");
    command.arg(root);
    command.arg(config.parent().expect("it is in a folder"));
    let dante = Process::start("Dante", &mut command);
    wait_until_it_listens(&scene.world.server, 1080);
    dante
}

/// `open sesame`, as `openssl passwd -6` has it.
const SESAME: &str = "$6$proxytests$hfsP7jWSG8Z1wBRl0c0e2ODMpw15aXkIr3yHG7Kd5QrkXlLId38T3n6XYjwKsZ84nuagS527r/kb9YGWs3Wpe/";

/// Runs Dante in the root $0; the folder $1 is /mnt there.
const IN_ITS_ROOT: &str = "mount --rbind /dev \"$0/dev\"
    mount -t proc proc \"$0/proc\"
    mount --bind \"$1\" \"$0/mnt\"
    mount --bind \"$1/passwd\" \"$0/etc/passwd\"
    mount --bind \"$1/shadow\" \"$0/etc/shadow\"
    chroot \"$0\" danted -f /mnt/danted.conf";

/// The release of Debian that has Dante is in a root of its own.
fn skipped_dante(more_tools: &[&str]) -> bool {
    if skipped_connecting(more_tools) {
        return true;
    }
    let why = root("server-bookworm").err();
    if let Some(why) = &why {
        println!("skipped: no root with Dante: {why}");
    }
    why.is_some()
}

fn by_dante(transport: Transport, login: bool) {
    if skipped_dante(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, transport);
    let _dante = dante(&scene, login);
    let profile = profile(transport, HIDDEN);
    let file = if login { " right.txt" } else { "" };
    let client = scene.connect(&format!("{profile}socks-proxy {FAR_V4} 1080{file}\n"));
    carries(&scene, client);
}

#[test]
fn dante_leads_a_stream_to_the_server() {
    by_dante(Transport::Tcp, false);
}

#[test]
fn dante_leads_a_stream_to_the_server_after_a_login() {
    by_dante(Transport::Tcp, true);
}

#[test]
fn dante_passes_datagrams_on() {
    by_dante(Transport::Udp, false);
}

#[test]
fn dante_passes_datagrams_on_after_a_login() {
    by_dante(Transport::Udp, true);
}

#[test]
fn a_login_that_dante_wants_is_asked_for() {
    if skipped_dante(&["setsid"]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Udp);
    let _dante = dante(&scene, true);
    let profile = profile(Transport::Udp, HIDDEN);
    let client = scene.connect_on_terminal(&format!("{profile}socks-proxy {FAR_V4} 1080 stdin\n"));
    for (question, answer) in [
        ("SOCKS proxy username: ", "alice"),
        ("SOCKS proxy password: ", "open sesame"),
    ] {
        let process = &client.process;
        process.wait_for(question, |line| line.contains(question));
        process.enter(answer);
    }
    carries(&scene, client);
}

#[test]
fn dante_passes_datagrams_on_to_an_ipv6_address_that_it_is_told_by_ipv4() {
    if skipped_dante(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Udp);
    let _dante = dante(&scene, false);
    scene.world.client.ip("-6 route del default");
    let profile = profile(Transport::Udp, FAR_V6);
    let client = scene.connect(&format!("{profile}socks-proxy {FAR_V4} 1080\n"));
    client.wait_connected();
    scene.ping(&client, INSIDE_V4, &["-s", "1400", "-M", "do"]);
    transfer(&scene.world, Direction::Up, 4 << 20);
    transfer(&scene.world, Direction::Down, 4 << 20);
    client.leave();
}

#[test]
fn a_relay_that_ends_is_noticed_at_once_and_made_again() {
    if skipped_dante(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Udp);
    let mut first = dante(&scene, false);
    let profile = profile(Transport::Udp, HIDDEN);
    let client = scene.connect(&format!("{profile}socks-proxy {FAR_V4} 1080\n"));
    client.wait_connected();
    let said = client.process.count_lines();

    first.signal(rustix::process::Signal::KILL);
    first.wait();
    client
        .process
        .wait_for_from(said, "that it is over", |line| {
            line.contains("the proxy ended the relay")
        });
    let _second = dante(&scene, false);
    client.wait_connected_after(said);

    carries(&scene, client);
}

#[test]
fn an_ntlm_proxy_that_checks_the_proof_lets_us_in() {
    if skipped_connecting(&[]) || skipped(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = hidden_server(&scene, Transport::Tcp);
    let host = &scene.world.server;
    let listener =
        host.inside(|| TcpListener::bind(format!("{FAR_V4}:3128")).expect("the port is free"));
    set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE)).expect("a time-out can be set");
    let profile = profile(Transport::Tcp, HIDDEN_NAME);
    std::thread::scope(|scope| {
        scope.spawn(|| ntlm_proxy(host, &listener));
        let client = scene.connect(&format!(
            "{profile}http-proxy {FAR_V4} 3128 ntlm2\n\
             <http-proxy-user-pass>\nTESTS\\alice\nopen sesame\n</http-proxy-user-pass>\n"
        ));
        carries(&scene, client);
    });
}

/// Serves one client.
fn ntlm_proxy(host: &Namespace, listener: &TcpListener) {
    let (mut client, _) = listener.accept().expect("a client comes");
    let first = request(&mut client);
    assert!(first.contains("NTLM TlRMTVNTUAABAAAAAgIAAA=="), "{first}");
    let info = [[2, 0, 10, 0].as_slice(), &utf16("TESTS"), &[0; 4]].concat();
    let length = u16::try_from(info.len())
        .expect("it is short")
        .to_le_bytes();
    let question = [
        b"NTLMSSP\0".as_slice(),
        &[2, 0, 0, 0],
        &[0, 0, 0, 0, 0x30, 0, 0, 0],
        &[0x02, 0x02, 0x81, 0x00],
        &CHALLENGE,
        &[0; 8],
        &length,
        &length,
        &[0x30, 0, 0, 0],
        &info,
    ]
    .concat();
    let text = STANDARD.encode(question);
    client
        .write_all(
            format!(
                "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM {text}\r\n\
                 Proxy-Connection: keep-alive\r\nContent-Length: 9\r\n\r\n<html/>\r\n"
            )
            .as_bytes(),
        )
        .expect("the client listens");
    let second = request(&mut client);
    let answer = second
        .lines()
        .find_map(|line| line.strip_prefix("Proxy-Authorization: NTLM "))
        .expect("an answer");
    assert!(
        is_right(&STANDARD.decode(answer).expect("base64")),
        "{second}"
    );
    let server =
        host.inside(|| TcpStream::connect(format!("{HIDDEN}:1194")).expect("the server is there"));
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .expect("the client listens");
    join(&client, &server);
}

const CHALLENGE: [u8; 8] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef";

/// Whether a third message proves that the client knows alice's password.
fn is_right(message: &[u8]) -> bool {
    let field = |at: usize| {
        let length = usize::from(u16::from_le_bytes([message[at], message[at + 1]]));
        let offset = usize::from(u16::from_le_bytes([message[at + 4], message[at + 5]]));
        &message[offset..offset + length]
    };
    let hmac = |key: &[u8], parts: &[&[u8]]| {
        let mut mac = Hmac::<Md5>::new_from_slice(key).expect("any length will do");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let (response, domain, user) = (field(0x14), field(0x1c), field(0x24));
    let hash = Md4::digest(utf16("open sesame"));
    let key = hmac(&hash, &[&utf16("ALICETESTS")]);
    let proof = hmac(&key, &[&CHALLENGE, &response[16..]]);
    domain == b"TESTS" && user == b"alice" && proof[..] == response[..16]
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn request(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("a whole request");
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("it is text")
}

/// Copies both ways until both have ended.
fn join(one: &TcpStream, other: &TcpStream) {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _broken = std::io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(one, other));
        copy(other, one);
    });
}
