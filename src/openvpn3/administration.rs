//! The administrator's interface of a session: what it is doing, its counters, pause, resume, restart, disconnect.
//!
//! Served beside, not in place of, what a session manager calls: interface [`INTERFACE`] at the session's object under
//! the name `net.openvpn.v3.backends.be<PID>`. Root and the session's own account may call it; whoever else wants to is
//! asked for by polkit under [`ACTION`].

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tracing::{debug, info};
use zbus::message::Type;
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::bus::names;
use crate::bus::peers::{claim_name, user_of};
use crate::control::call::StatusField;
use crate::control::call::{Ask, Call, Told, View};
use crate::control::status_report;
use crate::openvpn3::answers::ask_loop;
use crate::openvpn3::error::BusError;
use crate::openvpn3::members;
use crate::openvpn3::object::{Object, Sorted, arguments, caller, refuse, reply};
use openvpn_engine::session::Request;

/// The interface.
pub const INTERFACE: &str = "net.openvpn.v3.backends.Administration";
/// The polkit action.
pub const ACTION: &str = "net.openvpn.v3.backends.manage-sessions";

/// Serves the interface for the session of an instance, until the bus goes.
///
/// # Errors
///
/// The bus refuses us.
pub async fn serve(
    connection: &Connection,
    instance: &str,
    calls: mpsc::Sender<Call>,
) -> zbus::Result<()> {
    let rule = MatchRule::builder().msg_type(Type::MethodCall).build();
    let mut incoming = MessageStream::for_match_rule(rule, connection, None).await?;
    claim_name(connection, &names::backend_name(std::process::id())).await?;
    // Polkit may wait for somebody to answer about one caller: the others do not.
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            call = incoming.next(), if answers.len() < MOST_CALLS => {
                let Some(call) = call else {
                    return Ok(());
                };
                let (call, calls) = (call?, calls.clone());
                answers.push(async move { answer_to(connection, instance, &calls, &call).await });
            }
            Some(answer) = answers.next() => connection.send(&answer?).await?,
        }
    }
}

/// Whether a call is for this interface, where another is served at the same object.
#[must_use]
pub fn is_asked(call: &Message) -> bool {
    call.header().interface().is_some_and(|it| it == INTERFACE)
}

/// The answer to a call.
///
/// # Errors
///
/// If it cannot be written.
pub async fn answer_to(
    connection: &Connection,
    instance: &str,
    calls: &mpsc::Sender<Call>,
    call: &Message,
) -> zbus::Result<Message> {
    match OBJECT.sort(call)? {
        Sorted::Answered(answer) => Ok(answer),
        Sorted::Method(member) => match answer(connection, instance, calls, call, &member).await {
            Ok(answer) => Ok(answer),
            Err(error) => refuse(call, &error),
        },
        Sorted::Get(property) | Sorted::Set(property, _) => {
            refuse(call, &BusError::unknown_property(&property))
        }
        Sorted::GetAll => reply(call, &HashMap::<&str, Value<'_>>::new()),
    }
}

async fn answer(
    connection: &Connection,
    instance: &str,
    calls: &mpsc::Sender<Call>,
    call: &Message,
    member: &str,
) -> Result<Message, BusError> {
    let ask = match member {
        "Describe" => Ask::View,
        "Statistics" => Ask::Count,
        "Disconnect" => Ask::Request(Request::Disconnect),
        "Pause" => Ask::Request(Request::Pause {
            reason: arguments::<String>(call)?,
        }),
        "Restart" => Ask::Request(Request::Restart),
        "Resume" => Ask::Request(Request::Resume),
        queue if queue.starts_with(QUEUE) => members::ask(queue, call)?,
        other => return Err(BusError::unknown_method(INTERFACE, other)),
    };
    let sender = caller(call);
    if !may(connection, &sender).await {
        return Err(BusError::access_denied(
            "only root, or whom polkit lets, may administer sessions",
        ));
    }
    if member != "Describe" && member != "Statistics" && !member.starts_with(QUEUE) {
        info!(member, "the administrator asks");
    }
    let told = ask_loop(calls.clone(), ask)
        .await
        .map_err(|refusal| BusError::failed(&refusal.to_string()))?;
    let written = match told {
        Told::View(view) if member == "Statistics" => reply(call, &statistics(&view)),
        Told::View(view) => reply(call, &describe(instance, &view)),
        Told::Done | Told::Groups(_) | Told::Name(_) | Told::Question(_) | Told::Slots(_) => {
            members::answer(member, call, &told)
        }
    };
    written.map_err(|error| BusError::failed(&error.to_string()))
}

fn statistics(view: &View) -> HashMap<String, i64> {
    view.statistics
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn describe(instance: &str, view: &View) -> HashMap<&'static str, Value<'static>> {
    let mut status_report = view.status_report.clone();
    if let Some(path) = &view.session_path {
        status_report.insert("session_path", StatusField::Text(path.clone()));
    }
    status_report.insert("instance", StatusField::Text(instance.to_owned()));
    if let Some(connection) = &view.connection {
        status_report::of_connection(&mut status_report, connection);
    }
    let value = |fact| match fact {
        StatusField::List(list) => Value::from(list),
        StatusField::Number(number) => Value::from(number),
        StatusField::Text(text) => Value::from(text),
    };
    let status_report = status_report
        .into_iter()
        .map(|(name, fact)| (name, value(fact)));
    status_report.collect()
}

/// Whether a caller may.
async fn may(connection: &Connection, sender: &str) -> bool {
    let user = user_of(connection, sender).await;
    let own = rustix::process::geteuid().as_raw();
    if user.is_ok_and(|user| user == 0 || user == own) {
        return true;
    }
    let subject: (&str, HashMap<&str, Value<'_>>) = (
        "system-bus-name",
        HashMap::from([("name", Value::from(sender))]),
    );
    let details = HashMap::<&str, &str>::new();
    let asked = connection
        .call_method(
            Some("org.freedesktop.PolicyKit1"),
            "/org/freedesktop/PolicyKit1/Authority",
            Some("org.freedesktop.PolicyKit1.Authority"),
            "CheckAuthorization",
            &(subject, ACTION, details, ALLOW_INTERACTION, ""),
        )
        .await;
    match asked {
        Ok(answer) => answer
            .body()
            .deserialize::<(bool, bool, HashMap<String, String>)>()
            .is_ok_and(|(authorized, ..)| authorized),
        Err(error) => {
            debug!(%error, "polkit does not answer");
            false
        }
    }
}

/// What the methods of the queue of questions begin with; they are those of a session manager's sessions.
const QUEUE: &str = "UserInput";
/// So many calls are answered at a time.
const MOST_CALLS: usize = 32;
/// Polkit may ask the caller's user.
const ALLOW_INTERACTION: u32 = 1;
const OBJECT: Object = Object {
    path: names::SESSION_PATH,
    interface: INTERFACE,
    description: include_str!("introspection/administration.xml"),
};
