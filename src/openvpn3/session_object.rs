//! `net.openvpn.v3.backends` as the session's object.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};
use zbus::message::Type;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::bus::names;
use crate::bus::peers::{OwnerChange, PeerWatch, Peers};
use crate::control::call::{Ask, Call};
use crate::log::bus_layer::{BusLog, BusLogControl};
use crate::openvpn3::announcer::{Announcer, OUTBOX, Outgoing};
use crate::openvpn3::answers::{
    Assignment, Finished, answer_later, ask_loop, attach_again, ended_in_time, finished,
    view_or_nothing,
};
use crate::openvpn3::error::BusError;
use crate::openvpn3::log_service::{Attached, BACKEND_INTERFACES};
use crate::openvpn3::log_signal::LogSource;
use crate::openvpn3::object::{
    Object, Sorted, caller, refuse, reply, reply_properties, wants_answer,
};
use crate::openvpn3::{administration, authorization, members, properties};
use openvpn_engine::session::Request;

/// Why the object is served no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedUntil {
    /// The bus connection ended.
    BusGone,
    /// The session loop ended, and nobody asked for anything for a moment.
    Finished,
}

/// The session's object on the bus.
pub struct SessionObject {
    connection: Connection,
    incoming: MessageStream,
    watch: PeerWatch,
    peers: Peers,
    calls: mpsc::Sender<Call>,
    outbox: mpsc::Receiver<Outgoing>,
    records: BusLog,
    log: BusLogControl,
    source: LogSource,
    attached: Option<Attached>,
    attaching: bool,
    session_path: Option<String>,
    /// The unit's instance, for administrators.
    instance: String,
    pending: FuturesUnordered<Pin<Box<dyn Future<Output = Finished>>>>,
}

impl std::fmt::Debug for SessionObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionObject")
            .field("session_path", &self.session_path)
            .finish_non_exhaustive()
    }
}

impl SessionObject {
    /// Makes the object reachable on a connection. Calls that come in from here on wait for [`SessionObject::serve`].
    ///
    /// # Errors
    ///
    /// If the bus does not let us watch who is who.
    pub async fn export(
        connection: &Connection,
        calls: mpsc::Sender<Call>,
        records: BusLog,
        source: LogSource,
    ) -> zbus::Result<(Self, Announcer)> {
        let rule = MatchRule::builder().msg_type(Type::MethodCall).build();
        let incoming = MessageStream::for_match_rule(rule, connection, Some(WAITING_CALLS)).await?;
        let (watch, peers) = PeerWatch::begin(connection, &[names::SESSIONS, names::LOG]).await?;
        let (announcements, outbox) = mpsc::channel(OUTBOX);
        let object = Self {
            connection: connection.clone(),
            incoming,
            watch,
            peers,
            calls,
            outbox,
            log: records.control(),
            records,
            source,
            attached: None,
            attaching: false,
            session_path: None,
            instance: String::new(),
            pending: FuturesUnordered::new(),
        };
        Ok((object, Announcer::new(announcements)))
    }

    /// The same object, which tells administrators that it belongs to the unit of this instance.
    #[must_use]
    pub fn of_instance(mut self, instance: &str) -> Self {
        instance.clone_into(&mut self.instance);
        self
    }

    /// Tells the session manager that we are there, and has the log service listen to us meanwhile: without one the
    /// journal is all there is. How long it may take to take us on is the session loop's business.
    ///
    /// # Errors
    ///
    /// If there is no session manager, or the signal cannot be sent.
    pub async fn register(&mut self, name: &str, token: &str, process_id: i32) -> zbus::Result<()> {
        if self.peers.owner(names::LOG).is_some() {
            // The session manager's confirmation waits for us from here on, and the session manager for that.
            let (requested, attached) = tokio::join!(
                biased;
                self.request_registration(name, token, process_id),
                attach(&self.connection),
            );
            self.attached = attached;
            return requested;
        }
        // It is started by this; a session manager that does not find it forgets the session without a word.
        self.attached = attach(&self.connection).await;
        while let Some(Some(change)) = self.watch.next().now_or_never() {
            if change.name == names::LOG {
                self.peers.apply(&change);
            } else {
                self.owner_changed(&change);
            }
        }
        self.request_registration(name, token, process_id).await
    }

    async fn request_registration(
        &self,
        name: &str,
        token: &str,
        process_id: i32,
    ) -> zbus::Result<()> {
        let manager = self
            .peers
            .owner(names::SESSIONS)
            .ok_or_else(|| zbus::Error::Failure("the session manager is not running".to_owned()))?;
        let request = signal("RegistrationRequest", manager)?.build(&(name, token, process_id))?;
        self.connection.send(&request).await
    }

    /// Serves until the session loop has ended or the bus has gone.
    pub async fn serve(mut self) -> ServedUntil {
        let until = self.serve_loop().await;
        if until == ServedUntil::Finished {
            self.linger().await;
            if let Some(attached) = self.attached.take() {
                attached.detach().await;
            }
        }
        until
    }

    async fn serve_loop(&mut self) -> ServedUntil {
        loop {
            let busy = self.pending.len() >= PENDING_CALLS;
            tokio::select! {
                biased;
                change = self.watch.next() => match change {
                    Some(change) => self.owner_changed(&change),
                    None => return ServedUntil::BusGone,
                },
                outgoing = self.outbox.recv() => match outgoing {
                    Some(outgoing) => self.emit(&outgoing).await,
                    None => return ServedUntil::Finished,
                },
                Some(finished) = self.pending.next() => self.finish(finished).await,
                call = self.incoming.next(), if !busy => match call {
                    Some(Ok(call)) => self.take(call).await,
                    Some(Err(_)) | None => return ServedUntil::BusGone,
                },
                Some(record) = self.records.next() => {
                    self.source.send(&self.connection, &self.peers, &record).await;
                }
            }
        }
    }

    /// After the loop's end: says what is left to say, and answers for a moment, so that our name does not vanish under
    /// a session manager that is about to remove the session.
    async fn linger(&mut self) {
        let end = Instant::now() + LINGER;
        loop {
            tokio::select! {
                biased;
                Some(finished) = self.pending.next() => self.finish(finished).await,
                call = self.incoming.next() => match call {
                    Some(Ok(call)) => self.take(call).await,
                    Some(Err(_)) | None => return,
                },
                () = sleep_until(end) => break,
            }
        }
        while let Some(record) = self.records.try_next() {
            self.source
                .send(&self.connection, &self.peers, &record)
                .await;
        }
    }

    fn owner_changed(&mut self, change: &OwnerChange) {
        let was_manager = self.peers.owner(names::SESSIONS).is_some();
        if !self.peers.apply(change) {
            return;
        }
        if change.name == names::SESSIONS && was_manager {
            warn!("the session manager went away");
            self.tell_loop(Ask::Request(Request::Disconnect));
        }
        if change.name == names::LOG {
            // What was attached was attached to the one before. Attaching brings a service back that went away.
            self.attached = None;
            if !self.attaching {
                self.attaching = true;
                let attaching = attach_again(self.connection.clone(), self.session_path.clone());
                self.pending.push(Box::pin(attaching));
            }
        }
    }

    /// Asks the loop for something whose answer nobody waits for.
    fn tell_loop(&self, ask: Ask) {
        let told = ask_loop(self.calls.clone(), ask);
        self.pending.push(Box::pin(async {
            drop(told.await);
            Finished::Nothing
        }));
    }

    async fn emit(&mut self, outgoing: &Outgoing) {
        // What was logged before is heard before.
        for _ in 0..RECORDS_AHEAD {
            match self.records.try_next() {
                Some(record) => {
                    self.source
                        .send(&self.connection, &self.peers, &record)
                        .await;
                }
                None => break,
            }
        }
        let (member, body) = match outgoing {
            Outgoing::Attention(attention) => ("AttentionRequired", attention.to_tuple()),
            Outgoing::Status(status) => ("StatusChange", status.clone()),
        };
        for name in [names::SESSIONS, names::LOG] {
            let Some(owner) = self.peers.owner(name) else {
                continue;
            };
            let message = signal(member, owner).and_then(|signal| signal.build(&body));
            match message {
                Ok(message) => self.send(&message).await,
                Err(error) => debug!(%error, member, "a signal could not be written"),
            }
        }
    }

    async fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Answer(message) => self.send(&message).await,
            Finished::Attached(attached) => {
                self.attaching = false;
                self.attached = attached;
            }
            Finished::Nothing => {}
            Finished::Registered {
                answer,
                session_path,
            } => {
                self.session_path = session_path;
                self.send(&answer).await;
            }
        }
    }

    async fn take(&mut self, call: Message) {
        if administration::is_asked(&call) {
            return self.administer(call);
        }
        let answer = match OBJECT.sort(&call) {
            Ok(Sorted::Answered(answer)) => Ok(answer),
            Ok(Sorted::Get(property)) => match self.get(&call, property) {
                Ok(()) => return,
                Err(error) => refuse(&call, &error),
            },
            Ok(Sorted::GetAll) => {
                self.get_all(call);
                return;
            }
            Ok(Sorted::Method(member)) => match self.method(&call, member) {
                Ok(()) => return,
                Err(error) => refuse(&call, &error),
            },
            Ok(Sorted::Set(property, value)) => match self.set(&call, &property, value).await {
                Ok(()) => reply(&call, &()),
                Err(error) => refuse(&call, &error),
            },
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) if wants_answer(&call) => self.send(&answer).await,
            Ok(_) => {}
            Err(error) => debug!(%error, "a call could not be answered"),
        }
    }

    /// Answers the administrator.
    fn administer(&self, call: Message) {
        let (connection, calls) = (self.connection.clone(), self.calls.clone());
        let instance = self.instance.clone();
        self.pending.push(Box::pin(async move {
            finished(administration::answer_to(&connection, &instance, &calls, &call).await)
        }));
    }

    fn method(&self, call: &Message, member: String) -> Result<(), BusError> {
        let caller = caller(call);
        authorization::may_call(&self.peers, &caller, &member).inspect_err(log_refusal)?;
        let ask = members::ask(&member, call)?;
        let assign = if let Ask::Confirm(confirmation) = &ask {
            Some(Assignment {
                session_path: confirmation.session_path.clone(),
                attached: self.attached.clone(),
            })
        } else {
            None
        };
        let exit_notification = matches!(
            ask,
            Ask::Request(Request::Disconnect | Request::ForceShutdown)
        );
        let told = ask_loop(self.calls.clone(), ask);
        let calls = self.calls.clone();
        let told = async move {
            let told = told.await;
            if exit_notification {
                ended_in_time(&calls).await;
            }
            told
        };
        let answering = answer_later(call.clone(), member, told, assign);
        self.pending.push(Box::pin(answering));
        Ok(())
    }

    fn get(&self, call: &Message, property: String) -> Result<(), BusError> {
        authorization::may_read(&self.peers, &caller(call), &property).inspect_err(log_refusal)?;
        let ask = if property == "statistics" {
            Ask::Count
        } else {
            Ask::View
        };
        let view = ask_loop(self.calls.clone(), ask);
        let (call, log) = (call.clone(), self.log.clone());
        self.pending.push(Box::pin(async move {
            let view = view_or_nothing(view.await);
            finished(properties::answer_get(&call, &property, &view, &log))
        }));
        Ok(())
    }

    fn get_all(&self, call: Message) {
        let caller = caller(&call);
        let readable: Vec<&'static str> = properties::ALL
            .iter()
            .copied()
            .filter(|name| authorization::may_read(&self.peers, &caller, name).is_ok())
            .collect();
        let view = ask_loop(self.calls.clone(), Ask::Count);
        let log = self.log.clone();
        self.pending.push(Box::pin(async move {
            let view = view_or_nothing(view.await);
            let all = readable
                .into_iter()
                .filter_map(|name| Some((name, properties::value(name, &view, &log)?)))
                .collect();
            finished(reply_properties(&call, all))
        }));
    }

    async fn set(&self, call: &Message, property: &str, value: OwnedValue) -> Result<(), BusError> {
        if !properties::ALL.contains(&property) {
            return Err(BusError::unknown_property(property));
        }
        authorization::may_write(&self.peers, &caller(call), property).inspect_err(log_refusal)?;
        let wrong_type = || BusError::invalid_arguments("the value has the wrong type");
        if property == "dco" {
            if bool::try_from(&value).map_err(|_| wrong_type())? {
                info!("kernel offload is not available, the session does without");
            }
        } else {
            let level = u32::try_from(&value).map_err(|_| wrong_type())?;
            if level > HIGHEST_LOG_LEVEL {
                return Err(BusError::invalid_arguments("log_level is 0 to 6"));
            }
            self.log.set_level(level);
        }
        self.property_changed(property, &value).await;
        Ok(())
    }

    async fn property_changed(&self, property: &str, value: &Value<'_>) {
        let changed = std::collections::HashMap::from([(property, value)]);
        let none: &[&str] = &[];
        let sent = self
            .connection
            .emit_signal(
                None::<&str>,
                names::SESSION_PATH,
                names::PROPERTIES,
                "PropertiesChanged",
                &(names::BACKENDS_INTERFACE, changed, none),
            )
            .await;
        if let Err(error) = sent {
            debug!(%error, "a changed property could not be announced");
        }
    }

    async fn send(&self, message: &Message) {
        if let Err(error) = self.connection.send(message).await {
            debug!(%error, "a message could not be sent");
        }
    }
}

/// Has the log service listen to us, if it does within the time that the session manager has.
async fn attach(connection: &Connection) -> Option<Attached> {
    let attaching = Attached::attach(connection, BACKEND_INTERFACES);
    match tokio::time::timeout(ATTACHING, attaching).await {
        Ok(Ok(attached)) => return Some(attached),
        Ok(Err(error)) => warn!(%error, "the log service does not listen"),
        Err(_elapsed) => warn!("the log service does not answer"),
    }
    None
}

fn log_refusal(error: &BusError) {
    warn!("{}", error.text);
}

fn signal<'a>(member: &'a str, to: &str) -> zbus::Result<zbus::message::Builder<'a>> {
    Message::signal(names::SESSION_PATH, names::BACKENDS_INTERFACE, member)?
        .destination(to.to_owned())
}

const OBJECT: Object = Object {
    path: names::SESSION_PATH,
    interface: names::BACKENDS_INTERFACE,
    description: include_str!("introspection/session.xml"),
};
const HIGHEST_LOG_LEVEL: u32 = 6;
const WAITING_CALLS: usize = 256;
const PENDING_CALLS: usize = 128;
const RECORDS_AHEAD: usize = 64;
/// How long the log service may take; the session manager waits for 5 s in all.
const ATTACHING: Duration = Duration::from_millis(2500);
const LINGER: Duration = Duration::from_millis(400);
