//! A session without a session manager: systemd starts, watches and stops it.

pub mod credential_answers;
pub mod exec_steps;
pub mod housekeeping;
pub mod profile;
pub mod profile_lookup;
pub mod reload;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::time_provider::TimeProvider;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use crate::bus;
use crate::daemon::client_identity;
use crate::daemon::environment;
use crate::daemon::executor::{Effects, Work};
use crate::daemon::network_tasks::index_of;
use crate::daemon::profile_copy::ProfileCopy;
use crate::daemon::profile_file::ProfileFile;
use crate::daemon::session_loop::{FrontEnd, Loop};
use crate::daemon::signals::Signals;
use crate::daemon::standalone::credential_answers::Answers;
use crate::daemon::standalone::housekeeping::Bus;
use crate::daemon::standalone::profile::InstanceProfile;
use crate::daemon::stored_device::StoredDevice;
use crate::daemon::stored_session;
use crate::log::LogControl;
use crate::network::kill_switch::opening::Exemption;
use crate::network::monitor::NetworkMonitor;
use crate::network::resolver::Names;
use crate::network::{LocalOptions, NetError, Network, TunDevice};
use crate::sys::clock::Clock;
use crate::systemd::ask_password::{AgentQuestion, DIRECTORY};
use crate::systemd::credentials::Credentials;
use crate::systemd::fd_store::Inherited;
use crate::systemd::notify::Notifier;
use crate::systemd::unit::Instance;
use openvpn_engine::event::AuthToken;
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::ExitClass;
use openvpn_engine::session::Session;
use openvpn_engine::session::Status;
use openvpn_engine::session::Summary;
use openvpn_engine::session::{Attention, InputGroup, Question, Visibility};
use openvpn_engine::session::{Autonomy, Known, Lifetime, Policy, ReadyWhen, Registration};

/// Runs the session of an instance whose profile is in `/etc`. `log` is given where the profile may set the level.
///
/// # Errors
///
/// The system has no signals, threads or descriptors for us.
pub async fn run(instance: &Instance, log: Option<LogControl>) -> io::Result<ExitClass> {
    let copy = ProfileCopy::find(&profile_lookup::copy_folder(instance));
    let path = match &copy {
        Some(copy) => copy
            .origin()?
            .ok_or_else(|| profile_lookup::places(Path::new("/"), &instance.profile_name())),
        None => profile_lookup::profile(Path::new("/"), &instance.profile_name()),
    };
    let path = match path {
        Ok(path) => path,
        Err(places) => {
            missing(instance, &places);
            return Ok(ExitClass::ProfileUnusable);
        }
    };
    info!(profile = %path.display(), "the session of this profile begins");
    let signals = Signals::listen()?;
    let credentials = Credentials::from_environment();
    let file = ProfileFile::new(path, Vec::new())
        .with_log(log)
        .with_copy(copy);
    let profiles = InstanceProfile::new(file, credentials.clone());
    let mut inherited = Inherited::take()?;
    let mut device = StoredDevice::from_store(&mut inherited);
    let mut network = Network::local(LocalOptions {
        record: Some(exec_steps::network_record(instance)?),
        ..LocalOptions::default()
    });
    if let Some(name) = device.name().map(ToOwned::to_owned) {
        if let Err(error) = adopt(&mut network, name).await {
            warn!(%error, "what the process before left in force is of no use");
            device.forget();
        }
    }
    let changes = Box::pin(async { NetworkMonitor::start(bus::connect().await) });
    let effects = Effects::new(network, Box::new(profiles), changes)?.in_service(
        device,
        Exemption::of(instance.name().to_owned()),
        Names::kept_in(exec_steps::names_file(instance)?),
    );
    let policy = Policy {
        registration: Registration::None,
        ready: ReadyWhen::Connected,
        autonomy: Autonomy::ByItself,
        about: client_identity::ourselves(),
        lifetime: Lifetime::BeyondProcess(Box::new(Known {
            saved: stored_session::from_store(&mut inherited),
            token: given_token(&credentials),
        })),
    };
    let session = Session::new(policy, environment());
    let front = Agents {
        instance: instance.name().to_owned(),
        answers: Answers::new(credentials),
        wall_clock: environment().wall_clock,
        asked: 0,
        page: None,
    };
    let (callers, calls) = mpsc::channel(1);
    let running = Loop::new(session, effects, front, calls, Clock::start()).run(signals);
    let bus = Bus::default();
    tokio::select! {
        class = running => Ok(class),
        () = bus.watch(callers.clone()) => Ok(ExitClass::Internal),
        () = bus.administer(instance, callers) => Ok(ExitClass::Internal),
    }
}

/// The token among the credentials.
fn given_token(credentials: &Credentials) -> Option<AuthToken> {
    credential_answers::token(credentials).unwrap_or_else(|error| {
        warn!(%error, "the token is not used");
        None
    })
}

/// Says that there is no profile, to the journal and to the service manager.
fn missing(instance: &Instance, places: &[PathBuf]) {
    let places: Vec<_> = places
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let places = places.join(", ");
    Notifier::default().status(&format!("there is no profile: write one of {places}"));
    let reason = format!("write one of {places}");
    error!(
        instance = instance.name(),
        reason, "there is no profile for this instance"
    );
}

async fn adopt(network: &mut Network, name: String) -> Result<(), NetError> {
    let index = index_of(&name).map_err(|error| NetError::new("find the device", &name, error))?;
    network.adopt(TunDevice { name, index }).await
}

/// The front without a person: credentials answer, and what they cannot, systemd's password agents ask.
struct Agents {
    instance: String,
    answers: Answers,
    wall_clock: Arc<dyn TimeProvider>,
    asked: u32,
    /// The page to log in that the agents show.
    page: Option<ShownPage>,
}

/// A page to log in, shown by the agents until somebody there has seen it or it is dropped: the answer says nothing.
struct ShownPage(JoinHandle<()>);

impl ShownPage {
    fn new(question: AgentQuestion) -> Self {
        Self(tokio::spawn(async move {
            let _seen = question.answer().await;
        }))
    }
}

impl Drop for ShownPage {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FrontEnd for Agents {
    fn announced(&mut self, status: &Status) {
        if !matches!(status, Status::OpenUrl(_)) {
            self.page = None;
        }
    }

    fn attention(&mut self, attention: Attention) {
        if attention.group == InputGroup::OpenUrl {
            warn!(url = attention.message, "to log in, open this page");
            self.asked += 1;
            let id = format!("{}-{}", self.instance, self.asked);
            let prompt = format!(
                "To log in the OpenVPN session {}, open {} and press Enter",
                self.instance, attention.message
            );
            let shown = AgentQuestion::show(Path::new(DIRECTORY), &id, &prompt, Visibility::Shown);
            match shown {
                Ok(shown) => self.page = Some(ShownPage::new(shown)),
                Err(error) => debug!(%error, "no password agent shows the page"),
            }
        }
    }

    fn connected(&mut self, _summary: &Summary) {
        self.answers.accepted();
    }

    fn ask(&mut self, question: &Question) -> Option<Work<io::Result<SecretText>>> {
        match self.answers.take(question, &*self.wall_clock) {
            Ok(Some(answer)) => return Some(Box::pin(async { Ok(answer) })),
            Err(error) => return Some(Box::pin(async { Err(error) })),
            Ok(None) => {}
        }
        self.asked += 1;
        let id = format!("{}-{}", self.instance, self.asked);
        let prompt = format!(
            "{} for the OpenVPN session {}:",
            question.description, self.instance
        );
        match AgentQuestion::show(Path::new(DIRECTORY), &id, &prompt, question.visibility) {
            Ok(shown) => {
                info!(
                    question = question.description,
                    "asking whoever answers systemd's password agents"
                );
                Some(Box::pin(shown.answer()))
            }
            Err(error) => Some(Box::pin(async move {
                Err(io::Error::new(
                    error.kind(),
                    format!(
                        "no credential answers, and no password agent can be asked: {DIRECTORY}: {error}"
                    ),
                ))
            })),
        }
    }
}
