//! A message bus with all of its services, at the other end of a socket pair.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::zvariant::DynamicType;
use zbus::{Connection, Guid, Message, MessageStream};

/// The far end of the connection: it is the bus, and every peer on it.
pub(crate) struct FakeBus {
    connection: Connection,
    seen: mpsc::UnboundedReceiver<Message>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    owners: BTreeMap<String, String>,
    users: BTreeMap<String, u32>,
    waiting: BTreeMap<u32, oneshot::Sender<Message>>,
    asked_bus: Vec<String>,
}

/// The unique name of the connection under test.
pub(crate) const OURS: &str = ":1.100";
const BUS: &str = "org.freedesktop.DBus";
const SOON: Duration = Duration::from_secs(40);
const LONGEST_TEST: Duration = Duration::from_secs(400);

impl FakeBus {
    /// A bus with these owners of names, and a connection to it.
    pub(crate) async fn with(owners: &[(&str, &str)]) -> (Self, Connection) {
        let (near, far) = UnixStream::pair().expect("a socket pair");
        let shared = Arc::new(Mutex::new(Shared {
            owners: owners
                .iter()
                .map(|(name, owner)| ((*name).to_owned(), (*owner).to_owned()))
                .collect(),
            ..Shared::default()
        }));
        let (others, seen) = mpsc::unbounded_channel();
        let serving = {
            let shared = Arc::clone(&shared);
            async move {
                let connection = Builder::unix_stream(far)
                    .server(Guid::generate())
                    .expect("a guid")
                    .p2p()
                    .build()
                    .await
                    .expect("the bus's end");
                let stream = MessageStream::from(&connection);
                tokio::spawn(serve(connection.clone(), stream, shared, others));
                connection
            }
        };
        let (far, near) = tokio::join!(serving, Builder::unix_stream(near).build());
        let bus = Self {
            connection: far,
            seen,
            shared,
        };
        (bus, near.expect("our end"))
    }

    /// Says which user is behind a connection.
    pub(crate) fn set_user(&self, unique_name: &str, user: u32) {
        let mut shared = self.shared.lock().expect("no panic under the lock");
        shared.users.insert(unique_name.to_owned(), user);
    }

    /// What the bus itself was asked so far, in order.
    pub(crate) fn asked_bus(&self) -> Vec<String> {
        let shared = self.shared.lock().expect("no panic under the lock");
        shared.asked_bus.clone()
    }

    /// A name changes hands.
    pub(crate) async fn change_owner(&self, name: &str, owner: Option<&str>) {
        let before = {
            let mut shared = self.shared.lock().expect("no panic under the lock");
            match owner {
                Some(owner) => shared.owners.insert(name.to_owned(), owner.to_owned()),
                None => shared.owners.remove(name),
            }
        };
        self.signal(
            BUS,
            "/org/freedesktop/DBus",
            BUS,
            "NameOwnerChanged",
            &(name, before.unwrap_or_default(), owner.unwrap_or_default()),
        )
        .await;
    }

    /// A signal from a peer.
    pub(crate) async fn signal<B>(
        &self,
        from: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) where
        B: serde::Serialize + DynamicType,
    {
        let message = Message::signal(path, interface, member)
            .and_then(|m| m.sender(from.to_owned()))
            .and_then(|m| m.build(body))
            .expect("a signal");
        self.connection.send(&message).await.expect("sent");
    }

    /// A call from a peer, and its answer.
    pub(crate) async fn call<B>(
        &self,
        from: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Message
    where
        B: serde::Serialize + DynamicType,
    {
        let answer = self.begin_call(from, path, interface, member, body).await;
        timeout(SOON, answer)
            .await
            .expect("an answer in time")
            .expect("the bus is there")
    }

    /// A call from a peer; the answer comes later.
    pub(crate) async fn begin_call<B>(
        &self,
        from: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> oneshot::Receiver<Message>
    where
        B: serde::Serialize + DynamicType,
    {
        let message = Message::method_call(path, member)
            .and_then(|m| m.interface(interface))
            .and_then(|m| m.sender(from.to_owned()))
            .and_then(|m| m.destination(OURS))
            .and_then(|m| m.build(body))
            .expect("a call");
        let (waiting, answer) = oneshot::channel();
        let serial = message.primary_header().serial_num().get();
        self.shared
            .lock()
            .expect("no panic under the lock")
            .waiting
            .insert(serial, waiting);
        self.connection.send(&message).await.expect("sent");
        answer
    }

    /// The next message to a peer that is called `member`; others are passed over.
    pub(crate) async fn expect(&mut self, member: &str) -> Message {
        loop {
            let message = timeout(SOON, self.seen.recv())
                .await
                .expect("it is sent in time")
                .expect("the bus is there");
            if message.header().member().is_some_and(|m| m == member) {
                return message;
            }
        }
    }

    /// The next message to a peer.
    pub(crate) async fn next(&mut self) -> Message {
        timeout(SOON, self.seen.recv())
            .await
            .expect("something is sent")
            .expect("the bus is there")
    }

    /// The members of what was sent to peers until now.
    pub(crate) fn sent_until_now(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.seen.try_recv().ok())
            .filter_map(|m| Some(m.header().member()?.to_string()))
            .collect()
    }

    /// A peer answers.
    pub(crate) async fn answer<B>(&self, call: &Message, body: &B)
    where
        B: serde::Serialize + DynamicType,
    {
        let message = Message::method_return(&call.header())
            .and_then(|m| m.build(body))
            .expect("an answer");
        self.connection.send(&message).await.expect("sent");
    }

    /// A peer answers with a descriptor alone, of which the body says nothing.
    #[expect(
        unsafe_code,
        reason = "the library attaches descriptors to what its body names only, or to a body made by hand"
    )]
    pub(crate) async fn answer_with_descriptor(&self, call: &Message, descriptor: OwnedFd) {
        let builder = Message::method_return(&call.header()).expect("an answer");
        // SAFETY: there is no body.
        let message = unsafe { builder.build_raw_body(&[], "", vec![descriptor.into()]) };
        self.connection
            .send(&message.expect("an answer"))
            .await
            .expect("sent");
    }

    /// A peer refuses.
    pub(crate) async fn refuse(&self, call: &Message, name: &str, text: &str) {
        let message = Message::error(&call.header(), name)
            .and_then(|m| m.build(&text))
            .expect("an error");
        self.connection.send(&message).await.expect("sent");
    }
}

async fn serve(
    connection: Connection,
    mut stream: MessageStream,
    shared: Arc<Mutex<Shared>>,
    others: mpsc::UnboundedSender<Message>,
) {
    while let Some(Ok(message)) = stream.next().await {
        let header = message.header();
        if let Some(serial) = header.reply_serial() {
            let waiting = shared
                .lock()
                .expect("no panic under the lock")
                .waiting
                .remove(&serial.get());
            if let Some(waiting) = waiting {
                drop(waiting.send(message.clone()));
            }
            continue;
        }
        let to_bus = header.destination().is_some_and(|name| name == BUS);
        if message.message_type() == Type::MethodCall && to_bus {
            let answer = bus_answer(&message, &shared);
            if connection.send(&answer).await.is_err() {
                return;
            }
        } else {
            drop(others.send(message.clone()));
        }
    }
}

fn bus_answer(call: &Message, shared: &Mutex<Shared>) -> Message {
    let mut shared = shared.lock().expect("no panic under the lock");
    let header = call.header();
    let member = header.member().expect("a member").to_string();
    shared.asked_bus.push(member.clone());
    let reply = || Message::method_return(&header).expect("a reply");
    let name = call.body().deserialize::<String>().unwrap_or_default();
    match member.as_str() {
        "Hello" => reply().build(&OURS),
        "RequestName" | "ReleaseName" => reply().build(&1_u32),
        "GetNameOwner" => match shared.owners.get(&name) {
            Some(owner) => reply().build(owner),
            None => Message::error(&header, "org.freedesktop.DBus.Error.NameHasNoOwner")
                .and_then(|m| m.build(&"nobody")),
        },
        "GetConnectionUnixUser" => match shared.users.get(&name) {
            Some(user) => reply().build(user),
            None => Message::error(&header, "org.freedesktop.DBus.Error.NameHasNoOwner")
                .and_then(|m| m.build(&"nobody")),
        },
        _ => reply().build(&()),
    }
    .expect("an answer of the bus")
}

/// The text of an error, and its name.
pub(crate) fn error_of(message: &Message) -> (String, String) {
    let name = message
        .header()
        .error_name()
        .map(ToString::to_string)
        .unwrap_or_default();
    let text = message.body().deserialize::<String>().unwrap_or_default();
    (name, text)
}

/// Runs a test on one thread, as the program does.
pub(crate) fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    // What is left of the test is dropped within the runtime.
    let _entered = runtime.enter();
    let local = tokio::task::LocalSet::new();
    let limited = async { timeout(LONGEST_TEST, test).await };
    let ended = local.block_on(&runtime, limited);
    ended.expect("it comes to an end");
}
