//! Answers that take time: each a future that ends with a message to send.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};
use zbus::{Connection, Message};

use crate::control::call::{Ask, Call, Told, View};
use crate::openvpn3::error::BusError;
use crate::openvpn3::log_service::{Attached, BACKEND_INTERFACES};
use crate::openvpn3::members;
use crate::openvpn3::object::{refuse, wants_answer};
use openvpn_engine::session::Refusal;

/// How an answer that took time came out.
pub(crate) enum Finished {
    /// Send this.
    Answer(Message),
    /// The log service listens, or does not.
    Attached(Option<Attached>),
    /// There is nothing to send.
    Nothing,
    /// The session manager registered us.
    Registered {
        /// Send this.
        answer: Message,
        /// The session's object, if it was named.
        session_path: Option<String>,
    },
}

/// What is still to be done for a confirmed registration before it is answered.
pub(crate) struct Assignment {
    /// The session's object, if it was named.
    pub(crate) session_path: Option<String>,
    /// The log service, if it listens.
    pub(crate) attached: Option<Attached>,
}

/// Asks the session loop. One that has ended grants exit notifications.
pub(crate) async fn ask_loop(calls: mpsc::Sender<Call>, ask: Ask) -> Result<Told, Refusal> {
    let at_the_end = members::told_at_the_end(&ask);
    let (answer, told) = oneshot::channel();
    if calls.send(Call { ask, answer }).await.is_err() {
        return at_the_end;
    }
    told.await.unwrap_or(at_the_end)
}

/// Waits for the loop's end, so that who sends an exit notification finds everything taken back; but never for long.
pub(crate) async fn ended_in_time(calls: &mpsc::Sender<Call>) {
    if tokio::time::timeout(GOODBYE, calls.closed()).await.is_err() {
        debug!("the exit notification takes long; it is answered before its end");
    }
}

/// Waits for what the loop tells, and makes an answer of it.
pub(crate) async fn answer_later(
    call: Message,
    member: String,
    told: impl Future<Output = Result<Told, Refusal>>,
    assignment: Option<Assignment>,
) -> Finished {
    let told = match told.await {
        Ok(told) => told,
        Err(refusal) => {
            debug!(%refusal, member, "refused");
            return if wants_answer(&call) {
                finished(refuse(&call, &BusError::from(&refusal)))
            } else {
                Finished::Nothing
            };
        }
    };
    let answer = match members::answer(&member, &call, &told) {
        Ok(answer) => answer,
        Err(error) => return finished(Err(error)),
    };
    match assignment {
        Some(assignment) => {
            assignment.carry_out().await;
            Finished::Registered {
                answer,
                session_path: assignment.session_path,
            }
        }
        None if wants_answer(&call) => Finished::Answer(answer),
        None => Finished::Nothing,
    }
}

impl Assignment {
    /// A session without its records forwarded is better than none, so that a failure is only logged.
    async fn carry_out(&self) {
        let (Some(path), Some(attached)) = (&self.session_path, &self.attached) else {
            return;
        };
        if let Err(error) = attached.assign_session(path).await {
            warn!(%error, "the log service does not know this session");
        }
    }
}

/// Has a log service that was restarted listen again.
pub(crate) async fn attach_again(connection: Connection, session_path: Option<String>) -> Finished {
    // A service that is just being replaced gets the time for it.
    tokio::time::sleep(REPLACEMENT).await;
    match Attached::attach(&connection, BACKEND_INTERFACES).await {
        Ok(attached) => {
            let assignment = Assignment {
                session_path,
                attached: Some(attached.clone()),
            };
            assignment.carry_out().await;
            Finished::Attached(Some(attached))
        }
        Err(error) => {
            warn!(%error, "the log service does not listen");
            Finished::Attached(None)
        }
    }
}

/// The properties. A loop that has ended shows none.
pub(crate) fn view_or_nothing(told: Result<Told, Refusal>) -> View {
    match told {
        Ok(Told::View(view)) => *view,
        // An error would bring down session managers that read a property where they cannot take one.
        Ok(_) | Err(_) => View::default(),
    }
}

/// A message that is ready.
pub(crate) fn finished(message: zbus::Result<Message>) -> Finished {
    match message {
        Ok(message) => Finished::Answer(message),
        Err(error) => {
            debug!(%error, "an answer could not be written");
            Finished::Nothing
        }
    }
}

const REPLACEMENT: std::time::Duration = std::time::Duration::from_millis(100);
/// Callers wait for 5 s, and on each other.
const GOODBYE: std::time::Duration = std::time::Duration::from_millis(1500);
