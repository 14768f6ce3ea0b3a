//! Callers that may not, and calls that make no sense.

use futures_util::future::join_all;
use serde::Serialize;
use zbus::zvariant::{DynamicType, ObjectPath, OwnedValue, Value};

use crate::bus::{Answer, BACKENDS, Bus, SESSION, answer};
use crate::front::FrontEnd;
use crate::manager::{CONNECTED, Manager, Started};

/// Methods without arguments.
const PLAIN: [&str; 8] = [
    "Connect",
    "Disconnect",
    "ForceShutdown",
    "Ping",
    "Ready",
    "Restart",
    "Resume",
    "UserInputQueueGetTypeGroup",
];
const METHODS: [&str; 13] = [
    "Connect",
    "Disconnect",
    "ForceShutdown",
    "Pause",
    "Ping",
    "Ready",
    "RegistrationConfirmation",
    "Restart",
    "Resume",
    "UserInputProvide",
    "UserInputQueueCheck",
    "UserInputQueueFetch",
    "UserInputQueueGetTypeGroup",
];
/// Properties that only the session manager may read, and the others.
const PRIVATE: [&str; 4] = ["device_name", "last_log_line", "session_name", "statistics"];
const PUBLIC: [&str; 6] = [
    "connection",
    "dco",
    "device_path",
    "log_level",
    "session_path",
    "status",
];
/// The stock services' account: the bus lets it through, the session does not.
const OWN: &str = "_openvpn";
/// So many calls make no sense.
const STRANGE_CALLS: u32 = 10_000;
/// So many of them are under way at once.
const AT_ONCE: u32 = 50;
/// As long as a text may well be.
const HUGE: usize = 300_000;

pub(crate) fn other_accounts_are_refused_everything(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    let name = front.bus_name();
    for account in ["root", "nobody", OWN] {
        let bus = Bus::join(front.machine, account);
        for member in PLAIN {
            assert_refused(account, member, bus.call(&name, member, &()));
        }
        let path = ObjectPath::from_static_str_unchecked("/x");
        let slot = (1_u32, 1_u32, 0_u32);
        let answers = [
            bus.call(&name, "Pause", &"x"),
            bus.call(&name, "RegistrationConfirmation", &("x", &path, &path)),
            bus.call(&name, "UserInputProvide", &(1_u32, 1_u32, 0_u32, "x")),
            bus.call(&name, "UserInputQueueCheck", &(1_u32, 1_u32)),
            bus.call(&name, "UserInputQueueFetch", &slot),
        ];
        for answer in answers {
            assert_refused(account, "a method", answer);
        }
        for property in PRIVATE {
            assert_refused(account, property, bus.get(&name, property));
        }
        for property in PUBLIC {
            let answer = bus.get(&name, property);
            if account == OWN {
                answer.granted(property);
            } else {
                assert_refused(account, property, answer);
            }
        }
        let values = [
            ("dco", Value::from(true)),
            ("log_level", Value::from(1_u32)),
            ("status", Value::from("x")),
        ];
        for (property, value) in values {
            let value = OwnedValue::try_from(value).expect("no descriptor");
            assert_refused(account, property, bus.set(&name, property, value));
        }
        if account != OWN {
            let started = bus.starter("StartClient", &"x");
            assert_refused(account, "StartClient", started);
        }
    }
    front.wait_for_status("Client connected");
    front.disconnect("plain");
}

fn assert_refused(account: &str, what: &str, answer: Answer) {
    let (name, text) = answer.refused(what);
    let denied = name == "org.freedesktop.DBus.Error.AccessDenied"
        || name.contains("_net_2eopenvpn_2egdbuspp.Code36")
            && text.contains("Authorization failed");
    assert!(denied, "{account}, {what}: {name}: {text}");
}

pub(crate) fn ten_thousand_strange_calls_leave_it_serving(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    let mut manager = Manager::in_place_of_the_stock_one(front);
    let config = manager.config("plain");
    let mut session = manager.start();
    // Some before it was registered, most of them while it is connected.
    storm(&manager, &mut session, 0..STRANGE_CALLS / 10);
    manager
        .confirm(&session, &config)
        .granted("the confirmation");
    manager.connect(&mut session);
    storm(&manager, &mut session, STRANGE_CALLS / 10..STRANGE_CALLS);

    let pong = manager.call(&session, "Ping").granted("Ping");
    assert!(pong.body().deserialize::<bool>().expect("(b)"));
    manager.call(&session, "Restart").granted("Restart");
    // Many statuses were told in the storm; the property has the last one.
    let status = || -> (u32, u32, String) {
        let told = manager.bus.get(&session.name, "status").granted("status");
        let told: OwnedValue = told.body().deserialize().expect("a value");
        told.try_into().expect("(uus)")
    };
    front.wait_until("connected", status, |told| (told.0, told.1) == CONNECTED);
    front.passes("10.20.0.1");
    let process = session.name.rsplit("be").next().expect("a number");
    let memory = front.machine.sh(&format!(
        "sed -n 's/^VmRSS:\\s*\\([0-9]*\\) kB/\\1/p' /proc/{process}/status"
    ));
    let memory: u32 = memory.trim().parse().expect("a number");
    assert!(memory < MOST_MEMORY, "{memory} kB");
    manager.disconnect(&session);
    drop(manager);
    front.assert_nothing_is_left();
}

/// Each call is answered, whatever it is.
fn storm(manager: &Manager<'_>, session: &mut Started, numbers: std::ops::Range<u32>) {
    let name = session.name.clone();
    let first: Vec<u32> = numbers.step_by(AT_ONCE as usize).collect();
    for first in first {
        let calls = (first..first + AT_ONCE).map(|number| strange(&manager.bus, &name, number));
        manager.bus.run("a storm", join_all(calls));
        session.forget_signals();
    }
}

/// One call, another one for each number.
async fn strange(bus: &Bus, name: &str, number: u32) {
    // Numbers that look like chance, and are the same every time.
    let chance = number.wrapping_mul(2_654_435_761) >> 8;
    let member = METHODS[chance as usize % METHODS.len()];
    match chance / 16 % 8 {
        0..4 => strange_arguments(bus, name, member, number).await,
        4 => send(bus, name, "Explode", &(chance, "\u{1b}[31m\n\u{2028}")).await,
        5 => strange_properties(bus, name, number).await,
        // Sound by itself, but not now. ExitNotifications are not among them.
        _ if ["Disconnect", "ForceShutdown"].contains(&member) => {
            send(bus, name, "Resume", &()).await;
        }
        _ => send(bus, name, member, &()).await,
    }
}

async fn strange_arguments(bus: &Bus, name: &str, member: &str, number: u32) {
    let path = ObjectPath::from_static_str_unchecked("/net/openvpn/v3/configuration/none");
    match number % 9 {
        0 => send(bus, name, member, &"one text").await,
        1 => send(bus, name, member, &number).await,
        2 => send(bus, name, member, &(number, "x")).await,
        3 => send(bus, name, member, &(1_u32, 1_u32, number, "x")).await,
        4 => send(bus, name, member, &("token", &path, &path)).await,
        5 => send(bus, name, member, &vec![Value::from(number); 20]).await,
        6 => send(bus, name, member, &(u32::MAX, u32::MAX)).await,
        7 if number % 8 == 0 => send(bus, name, member, &"x".repeat(HUGE)).await,
        _ => send(bus, name, member, &(u32::MAX, number, 0_u32)).await,
    }
}

async fn strange_properties(bus: &Bus, name: &str, number: u32) {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    let property = PUBLIC[number as usize % PUBLIC.len()];
    let value = Value::from(u64::from(number));
    elsewhere(bus, name, PROPERTIES, "Set", &(BACKENDS, property, value)).await;
    elsewhere(bus, name, PROPERTIES, "Get", &("Explode", "x")).await;
}

async fn send<B>(bus: &Bus, name: &str, member: &str, body: &B)
where
    B: Serialize + DynamicType,
{
    elsewhere(bus, name, BACKENDS, member, body).await;
}

async fn elsewhere<B>(bus: &Bus, name: &str, interface: &str, member: &str, body: &B)
where
    B: Serialize + DynamicType,
{
    let called = bus
        .connection
        .call_method(Some(name), SESSION, Some(interface), member, body);
    // It panics where there is none.
    drop(answer(called.await));
}

/// In kilobytes.
const MOST_MEMORY: u32 = 64 << 10;
