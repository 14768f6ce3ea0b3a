//! `net.openvpn.v3.backends` as the starter's object.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};
use zbus::message::Type;
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::bus::names;
use crate::bus::peers::{OwnerChange, PeerWatch, Peers, claim_name, user_of};
use crate::log::bus_layer::BusLog;
use crate::openvpn3::authorization;
use crate::openvpn3::error::{BusError, Domain};
use crate::openvpn3::log_service::{Attached, STARTER_INTERFACES};
use crate::openvpn3::log_signal::{LogGroup, LogSource};
use crate::openvpn3::object::{
    Object, Sorted, arguments, caller, refuse, reply, reply_properties, wants_answer,
};
use crate::openvpn3::status::{StatusMajor, StatusMinor};

/// A session is to be started.
#[derive(Debug)]
pub struct StartRequest {
    /// The session manager's token for it.
    pub session_token: String,
    /// Where the process id goes, or why there is none.
    pub answer: oneshot::Sender<Result<u32, String>>,
}

/// Why the starter leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedUntil {
    /// The bus connection ended.
    BusGone,
    /// Nobody asked for anything for the time that was set.
    Idle,
    /// Somebody else took our name.
    NameLost,
    /// We were told to leave.
    Stopped,
}

/// The starter's object on the bus.
pub struct StarterObject {
    connection: Connection,
    incoming: MessageStream,
    watch: PeerWatch,
    peers: Peers,
    own_user: u32,
    starts: mpsc::Sender<StartRequest>,
    records: BusLog,
    attached: Option<Attached>,
    idle_after: Option<Duration>,
    last_asked: Instant,
    pending: FuturesUnordered<Pin<Box<dyn Future<Output = Finished>>>>,
}

impl std::fmt::Debug for StarterObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StarterObject").finish_non_exhaustive()
    }
}

impl StarterObject {
    /// Makes the object reachable, and only then claims the name that callers look for.
    ///
    /// # Errors
    ///
    /// If the bus refuses the name or the watch over names.
    pub async fn export(
        connection: &Connection,
        own_user: u32,
        starts: mpsc::Sender<StartRequest>,
        records: BusLog,
        idle_after: Option<Duration>,
    ) -> zbus::Result<Self> {
        let rule = MatchRule::builder().msg_type(Type::MethodCall).build();
        let incoming = MessageStream::for_match_rule(rule, connection, Some(WAITING_CALLS)).await?;
        let (watch, peers) = PeerWatch::begin(connection, &[names::LOG, names::BACKENDS]).await?;
        claim_name(connection, names::BACKENDS).await?;
        Ok(Self {
            connection: connection.clone(),
            incoming,
            watch,
            peers,
            own_user,
            starts,
            records,
            attached: None,
            idle_after,
            last_asked: Instant::now(),
            pending: FuturesUnordered::new(),
        })
    }

    /// Serves until nobody asks any longer, or `stop` is done.
    pub async fn serve(mut self, stop: impl Future<Output = ()>) -> ServedUntil {
        self.attach_log();
        let until = self.serve_loop(stop).await;
        match until {
            ServedUntil::BusGone => return until,
            ServedUntil::NameLost => {
                self.last_words("the bus name was taken by another process")
                    .await;
            }
            ServedUntil::Idle | ServedUntil::Stopped => info!("shutting down"),
        }
        while let Some(record) = self.records.try_next() {
            SOURCE.send(&self.connection, &self.peers, &record).await;
        }
        if let Some(attached) = self.attached.take() {
            attached.detach().await;
        }
        until
    }

    async fn serve_loop(&mut self, stop: impl Future<Output = ()>) -> ServedUntil {
        let mut stop = std::pin::pin!(stop);
        loop {
            let idle_at = self.idle_at();
            tokio::select! {
                biased;
                change = self.watch.next() => match change {
                    Some(change) if self.is_loss_of_name(&change) => return ServedUntil::NameLost,
                    Some(change) => self.owner_changed(&change),
                    None => return ServedUntil::BusGone,
                },
                Some(finished) = self.pending.next() => self.finish(finished).await,
                call = self.incoming.next() => match call {
                    Some(Ok(call)) => self.take(call).await,
                    Some(Err(_)) | None => return ServedUntil::BusGone,
                },
                Some(record) = self.records.next() => {
                    SOURCE.send(&self.connection, &self.peers, &record).await;
                }
                () = &mut stop => return ServedUntil::Stopped,
                () = until(idle_at) => return self.leave_when_idle().await,
            }
        }
    }

    fn idle_at(&self) -> Option<Instant> {
        let idle_after = self.idle_after.filter(|_| self.pending.is_empty())?;
        Some(self.last_asked + idle_after)
    }

    /// Gives the name back, so that the next call starts another process, and serves the calls that had come before.
    async fn leave_when_idle(&mut self) -> ServedUntil {
        let released = self
            .connection
            .call_method(
                Some(names::BUS),
                names::BUS_PATH,
                Some(names::BUS),
                "ReleaseName",
                &names::BACKENDS,
            )
            .await;
        if released.is_err() {
            return ServedUntil::BusGone;
        }
        while let Some(Some(Ok(call))) = futures_util::FutureExt::now_or_never(self.incoming.next())
        {
            self.take(call).await;
        }
        while let Some(finished) = self.pending.next().await {
            self.finish(finished).await;
        }
        ServedUntil::Idle
    }

    fn is_loss_of_name(&self, change: &OwnerChange) -> bool {
        let ours = self.connection.unique_name().map(|name| name.as_str());
        change.name == names::BACKENDS && change.owner.is_some() && change.owner.as_deref() != ours
    }

    fn owner_changed(&mut self, change: &OwnerChange) {
        if !self.peers.apply(change) || change.name != names::LOG {
            return;
        }
        self.attached = None;
        if change.owner.is_some() {
            self.attach_log();
        }
    }

    fn attach_log(&mut self) {
        let connection = self.connection.clone();
        self.pending.push(Box::pin(async move {
            match Attached::attach(&connection, STARTER_INTERFACES).await {
                Ok(attached) => Finished::Attached(attached),
                Err(error) => {
                    debug!(%error, "the log service does not listen");
                    Finished::Nothing
                }
            }
        }));
    }

    async fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Answer(message) => self.send(&message).await,
            Finished::Attached(attached) => self.attached = Some(attached),
            Finished::Nothing => {}
        }
    }

    async fn take(&mut self, call: Message) {
        self.last_asked = Instant::now();
        let answer = match OBJECT.sort(&call) {
            Ok(Sorted::Answered(answer)) => Ok(answer),
            Ok(Sorted::Get(property)) if property == "version" => reply(&call, &version()),
            Ok(Sorted::Get(property)) => refuse(&call, &BusError::unknown_property(&property)),
            Ok(Sorted::GetAll) => reply_properties(&call, vec![("version", version())]),
            Ok(Sorted::Set(property, _)) if property == "version" => {
                refuse(&call, &BusError::read_only(&property))
            }
            Ok(Sorted::Set(property, _)) => refuse(&call, &BusError::unknown_property(&property)),
            Ok(Sorted::Method(member)) => match self.method(&call, &member) {
                Ok(()) => return,
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

    fn method(&self, call: &Message, member: &str) -> Result<(), BusError> {
        if member != "StartClient" {
            return Err(BusError::unknown_method(names::BACKENDS_INTERFACE, member));
        }
        let session_token = arguments::<String>(call)?;
        let start = start(
            self.connection.clone(),
            self.own_user,
            self.starts.clone(),
            call.clone(),
            session_token,
        );
        self.pending.push(Box::pin(start));
        Ok(())
    }

    async fn last_words(&self, text: &str) {
        warn!("{text}");
        let Some(owner) = self.peers.owner(names::LOG) else {
            return;
        };
        let sent = self
            .connection
            .emit_signal(
                Some(owner),
                names::STARTER_PATH,
                names::BACKENDS_INTERFACE,
                "StatusChange",
                &(
                    StatusMajor::Session as u32,
                    StatusMinor::ProcKilled as u32,
                    text,
                ),
            )
            .await;
        drop(sent);
    }

    async fn send(&self, message: &Message) {
        if let Err(error) = self.connection.send(message).await {
            debug!(%error, "a message could not be sent");
        }
    }
}

enum Finished {
    Answer(Message),
    Attached(Attached),
    Nothing,
}

async fn start(
    connection: Connection,
    own_user: u32,
    starts: mpsc::Sender<StartRequest>,
    call: Message,
    session_token: String,
) -> Finished {
    let caller = caller(&call);
    let answer = match user_of(&connection, &caller).await {
        Ok(user) => match authorization::may_start(own_user, user, &caller, "StartClient") {
            Ok(()) => started(&starts, session_token).await,
            Err(error) => {
                warn!("{}", error.text);
                Err(error)
            }
        },
        Err(error) => Err(BusError::access_denied(&format!(
            "the caller is not known: {error}"
        ))),
    };
    let message = match &answer {
        Ok(process_id) => reply(&call, process_id),
        Err(error) => refuse(&call, error),
    };
    match message {
        Ok(message) => Finished::Answer(message),
        Err(error) => {
            debug!(%error, "an answer could not be written");
            Finished::Nothing
        }
    }
}

async fn started(
    starts: &mpsc::Sender<StartRequest>,
    session_token: String,
) -> Result<u32, BusError> {
    let (answer, started) = oneshot::channel();
    let request = StartRequest {
        session_token,
        answer,
    };
    let leaving = || BusError::in_domain(Domain::Request, "the starter is leaving");
    starts.send(request).await.map_err(|_| leaving())?;
    let started = started.await.map_err(|_| leaving())?;
    started.map_err(|reason| BusError::in_domain(Domain::Request, &reason))
}

fn version() -> Value<'static> {
    Value::from(concat!("v", env!("CARGO_PKG_VERSION")))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

const OBJECT: Object = Object {
    path: names::STARTER_PATH,
    interface: names::BACKENDS_INTERFACE,
    description: include_str!("introspection/starter.xml"),
};
const SOURCE: LogSource = LogSource {
    path: names::STARTER_PATH,
    group: LogGroup::Starter,
    session_token: None,
};
const WAITING_CALLS: usize = 256;
