//! Scenes with a proxy between us and the server.

use std::net::SocketAddr;

use super::scene::{Scene, address};
use crate::error::{ConnectionError, ProxyKind};
use crate::profile::proxy::Proxy;
use crate::secret::SecretText;
use crate::session::effect::Effect;
use crate::session::exit_class::ExitClass;
use crate::session::network::Step;
use crate::session::request::{Answer, Request};
use crate::session::tunnel::{Attempt, TunnelOrder, TunnelReport};

const HTTP: &str = "proto tcp\nhttp-proxy proxy.example 3128\n";
const SOCKS: &str = "proto udp4\nsocks-proxy proxy.example\n";

fn looked_up(scene: &Scene) -> Vec<String> {
    let names = scene.said.iter().filter_map(|effect| match effect {
        Effect::Resolve(lookup) => Some(format!("{}:{}", lookup.host, lookup.port)),
        _ => None,
    });
    names.collect()
}

fn attempt(scene: &Scene) -> &Attempt {
    let last = scene.said.iter().rev().find_map(|effect| match effect {
        Effect::Tunnel(TunnelOrder::Begin(attempt)) => Some(&**attempt),
        _ => None,
    });
    last.expect("an attempt was begun")
}

fn login(attempt: &Attempt) -> Option<(&str, &str)> {
    let proxy_setup = attempt.proxy_setup.as_ref().expect("by a proxy");
    let login = match &proxy_setup.proxy {
        Proxy::Http(http) => http.login.as_ref()?,
        Proxy::Socks(socks) => socks.login.as_ref()?,
    };
    Some((
        login.username.as_deref()?,
        login.password.as_ref()?.expose(),
    ))
}

fn answer(scene: &mut Scene, number: u32, value: &str) {
    let answer = Answer {
        kind: 1,
        group: 2,
        number,
        value: SecretText::from(value),
    };
    let taken = scene.request(Request::ProvideInput(answer));
    assert!(taken.is_ok(), "{taken:?}");
}

#[test]
fn the_proxy_is_looked_up_and_the_server_is_the_proxys_business() {
    let mut scene = Scene::with(HTTP);
    assert_eq!(looked_up(&scene), ["proxy.example:3128"]);
    scene.resolve();
    let attempt = attempt(&scene);
    assert_eq!(attempt.config.endpoint.address, address(1));
    assert_eq!(attempt.config.endpoint.host, "vpn.example");
    assert!(attempt.server_lookup.is_none());
    let proxy_setup = attempt.proxy_setup.as_ref().expect("by a proxy");
    assert_eq!(
        (proxy_setup.host.as_str(), proxy_setup.port),
        ("vpn.example", 1194)
    );
}

#[test]
fn a_proxy_that_wants_a_login_has_the_user_asked_until_it_is_content() {
    let mut scene = Scene::with(HTTP);
    scene.resolve();
    assert_eq!(login(attempt(&scene)), None);
    for (refused, number, password) in [(false, 0, "wrong"), (true, 2, "right")] {
        scene.fail(ConnectionError::ProxyCredentials {
            kind: ProxyKind::Http,
            refused,
        });
        assert_eq!(scene.session.questions().type_groups(), [(1, 2)]);
        scene.said.clear();
        answer(&mut scene, number, "alice");
        assert!(!scene.has_connected_to_server());
        answer(&mut scene, number + 1, password);
        assert_eq!(login(attempt(&scene)), Some(("alice", password)));
    }
}

#[test]
fn a_socks_proxy_that_wants_a_login_has_the_user_asked_too() {
    let mut scene = Scene::with(SOCKS);
    scene.resolve();
    assert_eq!(login(attempt(&scene)), None);
    scene.fail(ConnectionError::ProxyCredentials {
        kind: ProxyKind::Socks,
        refused: false,
    });
    let asked: Vec<_> = scene
        .session
        .questions()
        .open_questions()
        .map(|question| question.description.clone())
        .collect();
    assert_eq!(asked, ["SOCKS proxy username", "SOCKS proxy password"]);
    answer(&mut scene, 0, "alice");
    answer(&mut scene, 1, "open sesame");
    assert_eq!(login(attempt(&scene)), Some(("alice", "open sesame")));
}

#[test]
fn a_proxy_that_refuses_is_asked_as_often_as_the_profile_allows() {
    let mut scene = Scene::with(HTTP);
    for _ in 0..3 {
        assert_eq!(scene.exit_class(), None);
        scene.resolve();
        let refusal = ConnectionError::ProxyRefused("403".to_owned());
        scene.fail(refusal);
        if scene.exit_class().is_none() {
            scene.wait();
        }
    }
    assert_eq!(scene.exit_class(), Some(ExitClass::ServerUnreachable));
}

#[test]
fn a_socks_proxy_is_told_the_servers_address_and_its_relay_stays_outside_of_the_tunnel() {
    let mut scene = Scene::with(SOCKS);
    assert_eq!(looked_up(&scene), ["proxy.example:1080"]);
    scene.resolve();
    let lookup = attempt(&scene).server_lookup.as_ref();
    let lookup = lookup.expect("the server is to be looked up too");
    assert_eq!((lookup.host.as_str(), lookup.port), ("vpn.example", 1194));
    let relay = SocketAddr::from(([192, 0, 2, 99], 4000));
    scene.tunnel(TunnelReport::Opened {
        local: SocketAddr::from(([10, 0, 0, 2], 5000)),
        peer: relay,
    });
    scene.push(1500);
    let Some(Step::Apply(plan)) = scene.steps().pop() else {
        panic!("the network is set up");
    };
    assert!(plan.bypass.contains(&relay.ip()), "{:?}", plan.bypass);
}
