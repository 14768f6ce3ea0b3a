//! A session manager of our own in place of the stock one: it can ask for what that one never asks for, and has a watch.

use std::time::{Duration, Instant};

use zbus::zvariant::ObjectPath;

use crate::bus::{Answer, BACKENDS, Bus, SESSION, STARTER, Signals, answer};
use crate::front::FrontEnd;

/// The stock session manager's name.
const SESSIONS: &str = "net.openvpn.v3.sessions";

/// It has the name of the stock session manager until it is dropped.
#[derive(Debug)]
pub(crate) struct Manager<'a> {
    pub(crate) bus: Bus,
    pub(crate) front: &'a FrontEnd<'a>,
    /// So many sessions were started.
    started: u32,
}

/// A session that has asked to be registered.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its name on the bus.
    pub(crate) name: String,
    pub(crate) token: String,
    /// From the call to the starter to the session's request.
    pub(crate) took: Duration,
    /// Its connection to the bus.
    sender: String,
    /// The signals of all sessions.
    signals: Signals,
    number: u32,
}

/// Major, minor and text of a status.
pub(crate) type Status = (u32, u32, String);

/// Connection, connected.
pub(crate) const CONNECTED: (u32, u32) = (2, 7);

impl Started {
    /// Forgets what sessions have told so far.
    pub(crate) fn forget_signals(&mut self) {
        self.signals.forget();
    }
}

impl<'a> Manager<'a> {
    /// Ends the stock session manager and takes its place.
    pub(crate) fn in_place_of_the_stock_one(front: &'a FrontEnd<'a>) -> Self {
        let bus = Bus::join(front.machine, "_openvpn");
        front
            .machine
            .sh("pkill -9 -f [o]penvpn3-service-sessionmgr || true");
        bus.take(SESSIONS);
        Self {
            bus,
            front,
            started: 0,
        }
    }

    /// Has a session started.
    pub(crate) fn start(&mut self) -> Started {
        self.started += 1;
        let number = self.started;
        let token = format!("{number:08x}t0000t4000t8000t{:012x}", std::process::id());
        let mut signals = self.bus.signals();
        self.bus.probe(BACKENDS, STARTER);
        let began = Instant::now();
        let starting = async {
            let called = self.bus.connection.call_method(
                Some(BACKENDS),
                STARTER,
                Some(BACKENDS),
                "StartClient",
                &token,
            );
            // The request may come before the answer.
            let asked = async {
                let request = signals.next(&["RegistrationRequest"]).await;
                (request, began.elapsed())
            };
            let (called, asked) = tokio::join!(called, asked);
            answer(called).granted("StartClient");
            asked
        };
        let (request, took) = self.bus.run("StartClient", starting);
        // T5: the number is signed, and it is that of the name.
        let (name, said, process): (String, String, i32) =
            request.body().deserialize().expect("(ssi)");
        assert_eq!(said, token);
        let sender = request
            .header()
            .sender()
            .expect("the bus says it")
            .to_string();
        assert_eq!(name, format!("net.openvpn.v3.backends.be{process}"));
        // The stock session of 24.1 asks before its object is there.
        self.bus.probe(&name, SESSION);
        Started {
            name,
            token,
            took,
            sender,
            signals,
            number,
        }
    }

    /// Takes a session on, with this profile.
    pub(crate) fn confirm(&self, session: &Started, config: &str) -> Answer {
        self.confirm_as(session, &session.token, config)
    }

    /// Takes a session on by some token.
    pub(crate) fn confirm_as(&self, session: &Started, token: &str, config: &str) -> Answer {
        let path = format!(
            "/net/openvpn/v3/sessions/{:08}s{}",
            session.number,
            std::process::id()
        );
        let path = ObjectPath::try_from(path).expect("a path");
        let config = ObjectPath::try_from(config).expect("a path");
        let body = (token, path, config);
        self.bus
            .call(&session.name, "RegistrationConfirmation", &body)
    }

    /// Calls a method without arguments.
    pub(crate) fn call(&self, session: &Started, member: &str) -> Answer {
        self.bus.call(&session.name, member, &())
    }

    /// Waits for a status; gives all up to it.
    pub(crate) fn wait_for(&self, session: &mut Started, wanted: (u32, u32)) -> Vec<Status> {
        let mut seen = Vec::new();
        let waiting = async {
            loop {
                let message = session.signals.next(&["StatusChange"]).await;
                let header = message.header();
                let sender = header.sender().expect("the bus says it");
                if sender.as_str() != session.sender {
                    continue;
                }
                let status: Status = message.body().deserialize().expect("(uus)");
                let (major, minor) = (status.0, status.1);
                seen.push(status);
                if (major, minor) == wanted {
                    return;
                }
            }
        };
        self.bus.run(&format!("{wanted:?}"), waiting);
        seen
    }

    /// Connects a session that was registered; gives how long it took.
    pub(crate) fn connect(&self, session: &mut Started) -> Duration {
        let began = Instant::now();
        self.call(session, "Connect").granted("Connect");
        self.wait_for(session, CONNECTED);
        began.elapsed()
    }

    /// Ends a session.
    pub(crate) fn disconnect(&self, session: &Started) {
        self.call(session, "Disconnect").granted("Disconnect");
        self.bus.wait_until_gone(&session.name);
    }

    /// The path of a profile of this name.
    pub(crate) fn config(&self, name: &str) -> String {
        let found = self.front.machine.sh(&format!(
            "busctl call net.openvpn.v3.configuration /net/openvpn/v3/configuration net.openvpn.v3.configuration \
             LookupConfigName s {name}"
        ));
        let path = found.split('"').nth(1).expect("a path");
        path.to_owned()
    }
}
