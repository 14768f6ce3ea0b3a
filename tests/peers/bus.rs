//! A connection to the bus inside a root, under any of its accounts.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::runtime::{Handle, Runtime};
use zbus::message::Type;
use zbus::zvariant::{DynamicType, OwnedValue};
use zbus::{Connection, Error, MatchRule, Message, MessageStream};

use crate::machine::Machine;

/// The path of a session's object.
pub(crate) const SESSION: &str = "/net/openvpn/v3/backends/session";
/// The path of whoever starts sessions.
pub(crate) const STARTER: &str = "/net/openvpn/v3/backends";
/// The interface of sessions, and of their starter.
pub(crate) const BACKENDS: &str = "net.openvpn.v3.backends";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A member of the bus. It goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Bus {
    runtime: Runtime,
    pub(crate) connection: Connection,
    bridge: Child,
}

/// Signals of sessions.
#[derive(Debug)]
pub(crate) struct Signals {
    stream: Option<MessageStream>,
    /// Where the stream can be dropped.
    runtime: Handle,
}

/// How a call was answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Granted(Message),
    /// The error's name and text.
    Refused(String, String),
}

impl Bus {
    /// Joins the bus of a machine under this account.
    pub(crate) fn join(machine: &Machine, account: &str) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("sockets can be made");
        let end = || Stdio::from(OwnedFd::from(theirs.try_clone().expect("it can be copied")));
        let bridge = Command::new("nsenter")
            .args(["-a", "-t", &machine.leader, "setpriv"])
            .args(["--reuid", account, "--clear-groups", "systemd-stdio-bridge"])
            .stdin(end())
            .stdout(end())
            .spawn()
            .expect("nsenter is installed");
        drop(theirs);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let connection = runtime.block_on(async {
            ours.set_nonblocking(true).expect("it is ours");
            let stream = tokio::net::UnixStream::from_std(ours).expect("a socket");
            zbus::connection::Builder::unix_stream(stream)
                .max_queued(QUEUE)
                .method_timeout(PATIENCE)
                .build()
                .await
        });
        Self {
            connection: connection.expect("the bus lets us in"),
            runtime,
            bridge,
        }
    }

    /// Runs something that talks to the bus, but not for ever.
    pub(crate) fn run<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(PATIENCE, work).await };
        self.runtime
            .block_on(limited)
            .unwrap_or_else(|_| panic!("{what} takes too long"))
    }

    /// Calls a method of a session.
    pub(crate) fn call<B>(&self, name: &str, member: &str, body: &B) -> Answer
    where
        B: Serialize + DynamicType,
    {
        let called = self
            .connection
            .call_method(Some(name), SESSION, Some(BACKENDS), member, body);
        answer(self.run(member, called))
    }

    /// Calls a method of whoever starts sessions.
    pub(crate) fn starter<B>(&self, member: &str, body: &B) -> Answer
    where
        B: Serialize + DynamicType,
    {
        let called =
            self.connection
                .call_method(Some(BACKENDS), STARTER, Some(BACKENDS), member, body);
        answer(self.run(member, called))
    }

    /// Reads a property of a session.
    pub(crate) fn get(&self, name: &str, property: &str) -> Answer {
        let body = (BACKENDS, property);
        let called =
            self.connection
                .call_method(Some(name), SESSION, Some(PROPERTIES), "Get", &body);
        answer(self.run(property, called))
    }

    /// Sets a property of a session.
    pub(crate) fn set(&self, name: &str, property: &str, value: OwnedValue) -> Answer {
        let body = (BACKENDS, property, value);
        let called =
            self.connection
                .call_method(Some(name), SESSION, Some(PROPERTIES), "Set", &body);
        answer(self.run(property, called))
    }

    /// The signals of sessions that reach us from now on.
    pub(crate) fn signals(&self) -> Signals {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(BACKENDS)
            .expect("an interface")
            .build();
        let stream = MessageStream::for_match_rule(rule, &self.connection, Some(QUEUE));
        let stream = self.run("a subscription", stream);
        Signals {
            stream: Some(stream.expect("the bus takes our request")),
            runtime: self.runtime.handle().clone(),
        }
    }

    /// Has somebody activated, and waits until the object is there: the stock starter has its name before.
    pub(crate) fn probe(&self, name: &str, path: &str) {
        let probing = async {
            loop {
                let called = self.connection.call_method(
                    Some(name),
                    path,
                    Some(PROPERTIES),
                    "GetAll",
                    &BACKENDS,
                );
                if called.await.is_ok() {
                    return;
                }
                tokio::time::sleep(BETWEEN).await;
            }
        };
        self.run(name, probing);
    }

    /// Waits until nobody owns the name.
    pub(crate) fn wait_until_gone(&self, name: &str) {
        let waiting = async {
            while self.owns(name).await {
                tokio::time::sleep(BETWEEN).await;
            }
        };
        self.run(&format!("the end of {name}"), waiting);
    }

    async fn owns(&self, name: &str) -> bool {
        let called = self.connection.call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "NameHasOwner",
            &name,
        );
        let answer = called.await.expect("the bus answers");
        answer.body().deserialize().expect("yes or no")
    }

    /// Takes a name as soon as it is free.
    pub(crate) fn take(&self, name: &str) {
        const DO_NOT_QUEUE: u32 = 4;
        const OWNER: u32 = 1;
        let body = (name, DO_NOT_QUEUE);
        let taking = async {
            loop {
                let called = self.connection.call_method(
                    Some("org.freedesktop.DBus"),
                    "/org/freedesktop/DBus",
                    Some("org.freedesktop.DBus"),
                    "RequestName",
                    &body,
                );
                let answer = called.await.expect("the bus lets us have it");
                if answer.body().deserialize::<u32>().expect("a number") == OWNER {
                    return;
                }
                tokio::time::sleep(BETWEEN).await;
            }
        };
        self.run(name, taking);
    }
}

impl Signals {
    /// The next of these members.
    pub(crate) async fn next(&mut self, members: &[&str]) -> Message {
        let stream = self.stream.as_mut().expect("there until the end");
        loop {
            let message = stream.next().await.expect("the bus is there");
            let message = message.expect("a message");
            let header = message.header();
            let member = header.member().expect("signals have one");
            if members.contains(&member.as_str()) {
                return message;
            }
        }
    }

    /// Forgets those that have come: where too many wait, the bus is not heard any more.
    pub(crate) fn forget(&mut self) {
        let stream = self.stream.as_mut().expect("there until the end");
        while let Some(Some(_signal)) = stream.next().now_or_never() {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.stream = None;
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _gone_already = self.bridge.kill();
        let _status = self.bridge.wait();
    }
}

impl Answer {
    /// What was granted.
    pub(crate) fn granted(self, what: &str) -> Message {
        match self {
            Self::Granted(message) => message,
            Self::Refused(name, text) => panic!("{what} is refused: {name}: {text}"),
        }
    }

    /// Name and text of the refusal.
    pub(crate) fn refused(self, what: &str) -> (String, String) {
        match self {
            Self::Granted(message) => panic!("{what} is granted: {message:?}"),
            Self::Refused(name, text) => (name, text),
        }
    }
}

/// Sorts what came of a call.
pub(crate) fn answer(called: zbus::Result<Message>) -> Answer {
    match called {
        Ok(message) => Answer::Granted(message),
        Err(Error::MethodError(name, text, _)) => {
            Answer::Refused(name.to_string(), text.unwrap_or_default())
        }
        Err(error) => panic!("there is no answer: {error}"),
    }
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(20);
/// Messages that may wait for us.
const QUEUE: usize = 4096;
