//! What callers ask of the session loop, and what it tells them.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use openvpn_engine::session::{Question, Refusal, Request, Status};

/// One question to the session loop, with the place for its answer. An answer that nobody waits for is dropped.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub ask: Ask,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Told, Refusal>>,
}

/// What is asked.
#[derive(Debug)]
pub enum Ask {
    /// The session manager takes the session on. Told with [`Told::Name`], once the profile has been read.
    Confirm(Confirmation),
    /// All properties, with the counters of this moment. Told with [`Told::View`].
    Count,
    /// The open questions of a type and group. Told with [`Told::Slots`].
    InputCheck {
        /// Type.
        kind: u32,
        /// Group.
        group: u32,
    },
    /// One open question. Told with [`Told::Question`].
    InputFetch {
        /// Type.
        kind: u32,
        /// Group.
        group: u32,
        /// Number within the group.
        slot_id: u32,
    },
    /// Types and groups with open questions. Told with [`Told::Groups`].
    InputGroups,
    /// Whether the loop responds.
    Ping,
    /// Whether the loop and the tunnel thread respond.
    Pulse,
    /// Whether `Connect` has all that it needs.
    Ready,
    /// What the session itself takes.
    Request(Request),
    /// All properties at this moment; the counters may be a second old. Told with [`Told::View`].
    View,
}

/// The registration of a session with its session manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The token that we were started with.
    pub token: String,
    /// The session's object path; the published form of the call has none.
    pub session_path: Option<String>,
    /// The profile's object path.
    pub config_path: String,
}

/// What is told.
#[derive(Debug)]
pub enum Told {
    /// It is done, or begun.
    Done,
    /// Pairs of type and group.
    Groups(Vec<(u32, u32)>),
    /// The profile's name.
    Name(String),
    /// A question.
    Question(Question),
    /// Numbers of questions.
    Slots(Vec<u32>),
    /// All properties.
    View(Box<View>),
}

/// The session as its properties show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The configuration manager's object for the profile, once it is known; empty without one.
    pub config_path: String,
    /// The session manager's object for this session, once it registered us.
    pub session_path: Option<String>,
    /// The network configuration service's object of our device, if that service made it.
    pub device_path: Option<String>,
    /// The device's name while there is one.
    pub device_name: String,
    /// The host of the remote in use.
    pub session_name: String,
    /// The connection, while the tunnel carries traffic.
    pub connection: Option<ConnectionView>,
    /// Counters by name, in the order in which they are shown.
    pub statistics: Vec<(&'static str, i64)>,
    /// The last status announced.
    pub status: Status,
    /// All that the administrator may want to know beside that.
    pub status_report: StatusReport,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusField {
    /// A list, which may be empty.
    List(Vec<String>),
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// Facts by name; see [`crate::control::status_report::TABLE`].
pub type StatusReport = BTreeMap<&'static str, StatusField>;

/// What is connected to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionView {
    /// `udp` or `tcp`.
    pub protocol: String,
    /// The host as the profile names it.
    pub host: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u32,
}

/// Whether the session loop and the tunnel thread turn; never answered if they do not.
pub(crate) async fn loop_turns(callers: &mpsc::Sender<Call>) -> bool {
    let (answer, told) = oneshot::channel();
    let ask = Ask::Pulse;
    if callers.send(Call { ask, answer }).await.is_err() {
        // It has ended: the process is about to, and must not be killed before.
        return true;
    }
    matches!(told.await, Ok(Ok(Told::Done)) | Err(_))
}
