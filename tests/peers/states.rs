//! Every method in every state that a session manager can bring about, with the stock backend's answers beside ours.

use crate::bus::Answer;
use crate::front::FrontEnd;
use crate::manager::{CONNECTED, Manager, Started, Status};

const PAUSED: (u32, u32) = (2, 14);
const DONE: (u32, u32) = (2, 16);
const CONFIG_OK: (u32, u32) = (2, 2);

/// What was asked, and what came of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transcript(Vec<String>);

pub(crate) fn methods_are_answered_as_by_the_stock_backend(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    let mut manager = Manager::in_place_of_the_stock_one(front);
    let ours = transcript(&mut manager);
    front.to_the_stock_backend();
    let theirs = transcript(&mut manager);
    front.to_our_backend();
    assert_eq!(theirs.0.join("\n"), ours.0.join("\n"));
}

fn transcript(manager: &mut Manager<'_>) -> Transcript {
    let config = manager.config("plain");
    let mut told = Transcript::default();
    let mut session = manager.start();
    for member in ["Connect", "Pause", "Resume", "Restart", "Ping"] {
        told.ask(manager, &session, member);
    }
    let early = manager.bus.call(&session.name, "Pause", &"early");
    told.note("Pause", early);
    told.note(
        "confirmed wrongly",
        manager.confirm_as(&session, "another", &config),
    );
    told.note("confirmed", manager.confirm(&session, &config));
    told.statuses(manager.wait_for(&mut session, CONFIG_OK));
    told.note("confirmed again", manager.confirm(&session, &config));
    for member in ["Ready", "Pause", "Resume"] {
        told.ask(manager, &session, member);
    }
    told.ask(manager, &session, "Connect");
    told.statuses(manager.wait_for(&mut session, CONNECTED));
    // T15, T16.
    for member in ["Connect", "Ready", "Resume", "Ping"] {
        told.ask(manager, &session, member);
    }
    told.questions(manager, &session);
    told.pause(manager, &mut session);
    told.ask(manager, &session, "Restart");
    told.statuses(manager.wait_for(&mut session, CONNECTED));
    told.ask(manager, &session, "Disconnect");
    told.statuses(manager.wait_for(&mut session, DONE));
    manager.bus.wait_until_gone(&session.name);
    let unconfirmed = manager.start();
    told.ask(manager, &unconfirmed, "ForceShutdown");
    manager.bus.wait_until_gone(&unconfirmed.name);
    told
}

impl Transcript {
    fn ask(&mut self, manager: &Manager<'_>, session: &Started, member: &str) {
        self.note(member, manager.call(session, member));
    }

    fn note(&mut self, what: &str, answer: Answer) {
        let line = match answer {
            Answer::Granted(message) => {
                format!(
                    "{what}: ({})",
                    message.body().signature().to_string_no_parens()
                )
            }
            Answer::Refused(name, text) => {
                // T1: the domain is in the text too. What follows it is for people.
                let rest = text.strip_prefix("GDBus.Error:").unwrap_or_default();
                let domain = rest.split_once(": ").map_or("", |(domain, _)| domain);
                format!("{what}: {name} {domain}")
            }
        };
        self.0.push(line);
    }

    fn pause(&mut self, manager: &Manager<'_>, session: &mut Started) {
        let pause = || manager.bus.call(&session.name, "Pause", &"for lunch");
        self.note("Pause", pause());
        let statuses = manager.wait_for(session, PAUSED);
        assert!(
            statuses
                .iter()
                .any(|status| status.2 == "Reason: for lunch"),
            "{statuses:?}"
        );
        self.statuses(statuses);
        let again = manager.bus.call(&session.name, "Pause", &"again");
        self.note("Pause again", again);
        // T15.
        self.ask(manager, session, "Connect");
        self.ask(manager, session, "Resume");
        self.statuses(manager.wait_for(session, CONNECTED));
    }

    /// A queue with nothing in it.
    fn questions(&mut self, manager: &Manager<'_>, session: &Started) {
        let (bus, name) = (&manager.bus, &session.name);
        self.note("groups", bus.call(name, "UserInputQueueGetTypeGroup", &()));
        self.note(
            "slots",
            bus.call(name, "UserInputQueueCheck", &(1_u32, 1_u32)),
        );
        let fetch = bus.call(name, "UserInputQueueFetch", &(1_u32, 1_u32, 0_u32));
        self.note("fetch", fetch);
        let provide = |value| bus.call(name, "UserInputProvide", &(1_u32, 1_u32, 0_u32, value));
        self.note("provide", provide("x"));
        let empty = provide("");
        if let Answer::Refused(_, text) = &empty {
            // T18.
            assert!(text.contains("No value provided for"), "{text}");
        }
        self.note("provide nothing", empty);
    }

    /// The last of each run of the same status counts.
    fn statuses(&mut self, statuses: Vec<Status>) {
        for (major, minor, _) in statuses {
            let line = format!("status {major}, {minor}");
            if self.0.last() != Some(&line) {
                self.0.push(line);
            }
        }
    }
}
