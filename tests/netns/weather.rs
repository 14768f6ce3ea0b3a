//! Weather: a full tunnel under trouble drawn from a seed. Nothing leaves outside of it, and traffic is back soon after
//! each return of the right server. OpenVPN 2.6 goes through the same weather for comparison.
//!
//! `WEATHER_ROUNDS` makes it last longer (a round takes about ten seconds), `WEATHER_SEED` makes it another one.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::{Client, Program, Streams};
use super::namespace::{INSIDE_V4, SERVER_V4};
use super::process::Process;
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::skipped;
use super::trouble_scopes::{GARBAGE, Leaks, false_clock, start, with_certificate};

/// One trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The client's address on the cable is another one from now on.
    AddressChange,
    /// The client's clock is years behind, and the server is started again meanwhile.
    ClockBehind,
    /// The client does not run for a while, as in a sleep.
    Frozen,
    /// What answers in the server's place speaks no OpenVPN.
    Garbage,
    /// A certificate of another authority, in the server's place.
    Impostor,
    /// The cable is out.
    LinkDown,
    /// The server is killed.
    ServerKilled,
    /// The server is stopped, and says so.
    ServerStopped,
    /// A server that refuses our certificate, in the server's place.
    Stranger,
}

const TROUBLES: [Trouble; 9] = [
    Trouble::AddressChange,
    Trouble::ClockBehind,
    Trouble::Frozen,
    Trouble::Garbage,
    Trouble::Impostor,
    Trouble::LinkDown,
    Trouble::ServerKilled,
    Trouble::ServerStopped,
    Trouble::Stranger,
];

/// What a client made of the weather.
#[derive(Debug)]
struct Outcome {
    leaked: u64,
    slowest: Duration,
    slowest_after: Trouble,
    lived: bool,
}

/// Every trouble once before one comes again, in an order that the seed draws.
fn forecast(seed: u64, rounds: usize) -> Vec<(Trouble, Duration)> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut left = Vec::new();
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        if left.is_empty() {
            left = TROUBLES.to_vec();
        }
        let chosen = usize::try_from(draw(left.len() as u64)).expect("it is small");
        let lasts = Duration::from_millis(3000 + draw(3000));
        all.push((left.swap_remove(chosen), lasts));
    }
    all
}

struct Weather<'a> {
    scene: &'a Scene,
    lines: String,
    right: Option<Process>,
    clock: std::path::PathBuf,
    address: u8,
}

impl Weather<'_> {
    fn kill_server(&mut self, signal: rustix::process::Signal) {
        if let Some(mut server) = self.right.take() {
            server.signal(signal);
            server.wait();
        }
    }

    fn serve(&mut self) {
        self.right = Some(self.scene.serve(&self.lines));
    }

    fn in_its_place(&mut self, lasts: Duration, begin: impl FnOnce(&Scene) -> Process) {
        self.kill_server(rustix::process::Signal::KILL);
        let mut other = begin(self.scene);
        sleep(lasts);
        other.signal(rustix::process::Signal::KILL);
        other.wait();
        self.serve();
    }

    /// The trouble, from its beginning to the return of the right server.
    fn happens(&mut self, client: &Client, trouble: Trouble, lasts: Duration) {
        let lines = self.lines.clone();
        match trouble {
            Trouble::AddressChange => self.change_address(),
            Trouble::ClockBehind => {
                self.scene.file("time", "@2019-06-01 00:00:00\n");
                self.kill_server(rustix::process::Signal::KILL);
                self.serve();
                sleep(lasts);
                std::fs::write(&self.clock, "+0\n").expect("it is our file");
            }
            Trouble::Frozen => {
                client.process.signal(rustix::process::Signal::STOP);
                sleep(lasts);
                client.process.signal(rustix::process::Signal::CONT);
            }
            Trouble::Garbage => self.in_its_place(lasts, |scene| {
                let mut python = scene.world.server.command("python3");
                python.args(["-c", GARBAGE]);
                Process::start("garbage", &mut python)
            }),
            Trouble::Impostor => self.in_its_place(lasts, |scene| {
                let lines = with_certificate(&lines, "server-elsewhere");
                start(scene, "wrong.conf", &lines)
            }),
            Trouble::LinkDown => {
                self.scene.world.server.ip("link set cable down");
                sleep(lasts);
                self.scene.world.server.ip("link set cable up");
            }
            Trouble::ServerKilled => {
                self.kill_server(rustix::process::Signal::KILL);
                sleep(lasts);
                self.serve();
            }
            Trouble::ServerStopped => {
                self.kill_server(rustix::process::Signal::TERM);
                sleep(lasts);
                self.serve();
            }
            Trouble::Stranger => self.in_its_place(lasts, |scene| {
                let lines = lines.replace("ca ca.crt", "ca other-ca.crt");
                start(
                    scene,
                    "wrong.conf",
                    &with_certificate(&lines, "server-elsewhere"),
                )
            }),
        }
    }

    fn change_address(&mut self) {
        let host = &self.scene.world.client;
        let before = self.address;
        self.address = if before == 2 { 3 } else { 2 };
        let now = self.address;
        host.ip(&format!("addr del 10.77.0.{before}/24 dev cable"));
        host.ip(&format!("addr add 10.77.0.{now}/24 dev cable"));
        // It went with the address. A DHCP client sets it anew.
        host.ip(&format!("route replace default via {SERVER_V4}"));
    }

    /// How long it takes until the server is reached inside the tunnel. `None`: too long.
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    fn until_back(&self) -> Option<Duration> {
        let returned = Instant::now();
        while returned.elapsed() < GIVEN_UP {
            let mut ping = self.scene.world.client.command("ping");
            ping.args(["-n", "-q", "-c", "1", "-W", "1", INSIDE_V4]);
            if ping.output().expect("ping is installed").status.success() {
                return Some(returned.elapsed());
            }
            sleep(Duration::from_millis(100));
        }
        None
    }
}

fn goes_through(program: Program, forecast: &[(Trouble, Duration)]) -> Outcome {
    let scene = Scene::new();
    let lines = scene::server(Transport::Udp, Wrapping::TlsCrypt, Login::Certificate)
        .replace("keepalive 2 10", "keepalive 1 4")
        + "push \"redirect-gateway def1\"\n";
    let clock = scene.file("time", "+0\n");
    let mut weather = Weather {
        right: Some(scene.serve(&lines)),
        scene: &scene,
        lines,
        clock: clock.clone(),
        address: 2,
    };
    let profile = scene::profile(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
        SERVER_V4,
    );
    let profile = scene.file("client.ovpn", &format!("{profile}{COMPRESSED}"));
    let client = start_client(program, &scene, &profile, &clock);
    client.wait_connected();
    let leaks = Leaks::watch(&scene);
    let mut outcome = Outcome {
        leaked: 0,
        slowest: Duration::ZERO,
        slowest_after: Trouble::ServerStopped,
        lived: true,
    };
    for (trouble, lasts) in forecast {
        weather.happens(&client, *trouble, *lasts);
        let Some(back) = weather.until_back() else {
            println!("{program:?} does not come back after {trouble:?}");
            if program == Program::Ours {
                println!("{}", client.process.text());
            }
            outcome.lived = false;
            break;
        };
        if back > outcome.slowest {
            outcome.slowest = back;
            outcome.slowest_after = *trouble;
        }
    }
    outcome.leaked = leaks.count("leaks");
    leaks.stop();
    outcome
}

fn start_client(program: Program, scene: &Scene, profile: &Path, clock: &Path) -> Client {
    let clock = clock.to_str().expect("it is text");
    let library = false_clock().unwrap_or_default();
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let host = &scene.world.client;
    Client::start_with(program, host, profile, Streams::Pipes, &[], &variables)
}

#[test]
fn a_full_tunnel_lives_through_any_weather_and_keeps_its_traffic_in() {
    if skipped(&["openvpn", "openssl", "ping", "nft", "python3"]) {
        return;
    }
    if false_clock().is_none() {
        println!("skipped: there is no libfaketime");
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("WEATHER_SEED").unwrap_or(1);
    let rounds = number("WEATHER_ROUNDS").unwrap_or(TROUBLES.len() as u64);
    let forecast = forecast(seed, usize::try_from(rounds).expect("it is small"));
    let (ours, stock) = std::thread::scope(|scope| {
        let stock = scope.spawn(|| goes_through(Program::Stock, &forecast));
        let ours = goes_through(Program::Ours, &forecast);
        (ours, stock.join().expect("the control does not panic"))
    });
    println!("seed {seed}, {rounds} rounds\nours:  {ours:?}\nstock: {stock:?}");
    assert!(ours.lived, "{ours:?}");
    assert_eq!(ours.leaked, 0, "{ours:?}");
    assert!(ours.slowest <= BACK_WITHIN, "{ours:?}");
}

/// Timers that make minutes of trouble out of seconds.
const COMPRESSED: &str = "connect-retry 1 3\nserver-poll-timeout 4\nhand-window 8\n";
/// Traffic is back so soon after the right server is.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// What is not back by then does not come back.
const GIVEN_UP: Duration = Duration::from_secs(40);
