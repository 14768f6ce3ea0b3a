//! The session loop: calls, reports, signals, deadlines; drains the session.

use std::future;
use std::io;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, trace, warn};

use crate::control::call::{Ask, Call, Confirmation, ConnectionView, Told, View};
use crate::control::rates::Rates;
use crate::control::status_report;
use crate::control::status_text::StatusText;
use crate::daemon::executor::{Effects, ProfileSource, Work};
use crate::daemon::exit_report;
use crate::daemon::signals::{Asked, Signals};
use crate::daemon::stored_session;
use crate::sys::clock::Clock;
use crate::systemd::notify::Notifier;
use openvpn_engine::data::Stats;
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::{
    Answer, Attention, CREDENTIALS, Effect, EventCounters, ExitClass, Output, Question, Refusal,
    Report, Request, Session, Status, Summary,
};
use openvpn_engine::settings::Transport;

/// The one in front of the loop: shows what the session says, and may know somebody to ask.
pub trait FrontEnd {
    /// The session manager takes the session on.
    fn confirmed(&mut self, _confirmation: &Confirmation) {}

    /// The status changed.
    fn announced(&mut self, status: &Status);

    /// The user is to be told of something.
    fn attention(&mut self, attention: Attention);

    /// The tunnel carries traffic.
    fn connected(&mut self, summary: &Summary);

    /// Asks a question. `None`: the answer comes by a call, if at all. An error ends the session: nobody can be asked.
    fn ask(&mut self, question: &Question) -> Option<Work<io::Result<SecretText>>>;
}

/// A session at work.
pub struct Loop<F> {
    session: Session,
    effects: Effects,
    front: F,
    calls: mpsc::Receiver<Call>,
    clock: Clock,
    notifier: Notifier,
    status_text: StatusText,
    rates: Rates,
    /// How the session manager has taken the session on.
    confirmation: Option<Confirmation>,
    /// Who waits for the session to be registered.
    registering: Option<oneshot::Sender<Result<Told, Refusal>>>,
    asking: Option<Asking>,
    leaving: bool,
}

/// A question that is being asked.
struct Asking {
    group: u32,
    number: u32,
    answer: Work<io::Result<SecretText>>,
}

/// What woke the loop.
enum Woken {
    Answered(io::Result<SecretText>),
    Call(Call),
    Deadline,
    Report(Report),
    Signal(Asked),
}

impl<F: FrontEnd> Loop<F> {
    /// Puts a session to work. Calls come in by `calls`; where its other end is dropped, nobody calls.
    pub fn new(
        session: Session,
        effects: Effects,
        front: F,
        calls: mpsc::Receiver<Call>,
        clock: Clock,
    ) -> Self {
        Self {
            session,
            effects,
            front,
            calls,
            clock,
            notifier: Notifier::default(),
            status_text: StatusText::default(),
            rates: Rates::default(),
            confirmation: None,
            registering: None,
            asking: None,
            leaving: false,
        }
    }

    /// Runs until the session is over.
    pub async fn run(mut self, mut signals: Signals) -> ExitClass {
        self.rates.sample(self.clock.now(), self.effects.stats());
        let mut callers_left = true;
        loop {
            let until = match self.drain() {
                Ok(until) => until,
                Err(Over(class)) => {
                    self.narrate();
                    self.effects.close().await;
                    exit_report::say(&self.effects, class).await;
                    return class;
                }
            };
            self.ask_next();
            self.narrate();
            let woken = tokio::select! {
                biased;
                signal = signals.next() => Woken::Signal(signal),
                call = self.calls.recv(), if callers_left => match call {
                    Some(call) => Woken::Call(call),
                    None => {
                        callers_left = false;
                        continue;
                    }
                },
                report = self.effects.next() => Woken::Report(report),
                answer = answered(&mut self.asking) => Woken::Answered(answer),
                () = self.clock.reach(until) => Woken::Deadline,
            };
            self.wake(woken);
        }
    }

    fn narrate(&mut self) {
        let (activity, now) = (self.session.activity(), self.clock.now());
        let last = self.session.status();
        self.status_text
            .tell(&mut self.notifier, now, activity, last);
    }

    fn wake(&mut self, woken: Woken) {
        let now = self.clock.now();
        match woken {
            Woken::Answered(answer) => self.answered(now, answer),
            Woken::Call(call) => self.call(now, call),
            Woken::Deadline => self.session.handle_deadline(now),
            Woken::Report(report) => self.session.report(now, report),
            Woken::Signal(asked) => self.signal(now, asked),
        }
    }

    /// Carries out what the session asks, until it waits.
    fn drain(&mut self) -> Result<Option<Instant>, Over> {
        loop {
            match self.session.poll_output() {
                Output::Effect(Effect::Exit(class)) => return Err(Over(class)),
                Output::Effect(effect) => self.carry_out(effect),
                Output::Wait { until, name } => {
                    trace!(name, "waiting");
                    return Ok(until);
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Announce(status) => {
                self.status_text.hear(&status);
                self.front.announced(&status);
            }
            Effect::Attention(attention) => self.front.attention(attention),
            Effect::Connected(summary) => self.front.connected(&summary),
            Effect::Exit(_) => {}
            Effect::ExtendTimeout(by) => self.notifier.extend_timeout(by),
            Effect::LoadProfile => {
                // The configuration manager gives it once, at the registration.
                let source = match &self.confirmation {
                    Some(confirmation) if self.registering.is_some() => {
                        ProfileSource::Manager(confirmation.clone())
                    }
                    Some(_) | None => ProfileSource::FrontEnd,
                };
                self.effects.load_profile(source);
            }
            Effect::Network(step) => self.effects.network_step(step),
            Effect::Ready => self.notifier.ready(),
            Effect::Refresh => self.effects.refresh_network(),
            Effect::Registered(outcome) => {
                if let Some(answer) = self.registering.take() {
                    // A caller that has left gets no answer.
                    drop(answer.send(outcome.map(Told::Name)));
                }
            }
            Effect::Resolve(lookup) => self.effects.resolve(lookup),
            Effect::Save(saved) => stored_session::keep(&saved),
            Effect::Stopping => self.notifier.stopping(),
            Effect::Tunnel(order) => self.effects.tunnel(order),
        }
    }

    fn signal(&mut self, now: Instant, asked: Asked) {
        let outcome = match asked {
            Asked::Leave if self.leaving => {
                warn!("leaving at once");
                self.session.request(now, Request::ForceShutdown)
            }
            Asked::Leave => {
                self.leaving = true;
                self.asking = None;
                self.session.request(now, Request::Disconnect)
            }
            Asked::Reload => {
                self.notifier.reloading();
                self.session.request(now, Request::Reload)
            }
            Asked::ReloadHeard => {
                self.notifier.reload_signalled();
                Ok(())
            }
            Asked::Restart => self.session.request(now, Request::Restart),
            Asked::Statistics => {
                self.say_statistics();
                Ok(())
            }
        };
        if let Err(refusal) = outcome {
            warn!(%refusal, "the signal does nothing");
        }
    }

    fn say_statistics(&mut self) {
        let (answer, told) = oneshot::channel();
        self.count(answer);
        self.effects.aside(async {
            let Ok(Ok(Told::View(view))) = told.await else {
                return;
            };
            let counters = view.statistics.iter();
            let counters: Vec<String> = counters
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            info!(
                status = %view.status,
                counters = counters.join(" "),
                "statistics"
            );
        });
    }

    /// Asks the next open question, if there is one and nobody is being asked; takes back one that is answered.
    fn ask_next(&mut self) {
        let questions = self.session.questions();
        if let Some(Asking { group, number, .. }) = &self.asking {
            if questions.fetch(CREDENTIALS, *group, *number).is_err() {
                self.asking = None;
            }
        }
        if self.asking.is_some() || self.leaving {
            return;
        }
        let Some(question) = questions.open_questions().next() else {
            return;
        };
        if let Some(answer) = self.front.ask(question) {
            self.asking = Some(Asking {
                group: question.group as u32,
                number: question.slot_id,
                answer,
            });
        }
    }

    fn answered(&mut self, now: Instant, answer: io::Result<SecretText>) {
        let Some(Asking { group, number, .. }) = self.asking.take() else {
            return;
        };
        match answer {
            Ok(value) => {
                let answer = Answer {
                    kind: CREDENTIALS,
                    group,
                    number,
                    value,
                };
                let outcome = self.session.request(now, Request::ProvideInput(answer));
                if let Err(refusal) = outcome {
                    warn!(%refusal, "the answer is not taken");
                }
            }
            Err(error) => self
                .session
                .report(now, Report::NobodyToAsk(error.to_string())),
        }
    }

    fn call(&mut self, now: Instant, call: Call) {
        let Call { ask, answer } = call;
        let told = match ask {
            Ask::Confirm(confirmation) => return self.confirm(now, confirmation, answer),
            Ask::Count => return self.count(answer),
            Ask::Pulse => return self.pulse(answer),
            Ask::InputCheck { .. }
            | Ask::InputFetch { .. }
            | Ask::InputGroups
            | Ask::Ping
            | Ask::Ready
            | Ask::Request(_)
            | Ask::View => self.told(now, ask),
        };
        respond(answer, told);
    }

    /// Answered when the profile has been read.
    fn confirm(
        &mut self,
        now: Instant,
        confirmation: Confirmation,
        answer: oneshot::Sender<Result<Told, Refusal>>,
    ) {
        let token = confirmation.token.clone();
        if let Err(refusal) = self.session.request(now, Request::Register { token }) {
            return respond(answer, Err(refusal));
        }
        self.front.confirmed(&confirmation);
        self.confirmation = Some(confirmation);
        self.registering = Some(answer);
    }

    /// Answered by the tunnel thread.
    fn pulse(&mut self, answer: oneshot::Sender<Result<Told, Refusal>>) {
        self.rates.sample(self.clock.now(), self.effects.stats());
        let starting = !self.notifier.is_ready();
        let counted = self.effects.count();
        self.effects.aside(async move {
            let told = match counted.await {
                Ok(_) => Ok(Told::Done),
                Err(gone) => Err(Refusal::StartFailed(gone.to_string())),
            };
            if starting && told.is_ok() {
                // All responds: that it takes long is the network's doing, or a person's.
                Notifier::default().extend_timeout(START_TIME);
            }
            drop(answer.send(told));
        });
    }

    /// All properties, with the counters as the tunnel thread has them at this moment; but nobody waits long for it.
    fn count(&mut self, answer: oneshot::Sender<Result<Told, Refusal>>) {
        let mut view = self.view();
        let event_counters = *self.session.event_counters();
        let counted = self.effects.count();
        self.effects.aside(async move {
            if let Ok(Ok(stats)) = tokio::time::timeout(COUNTING, counted).await {
                view.statistics = statistics(&stats, &event_counters);
            }
            drop(answer.send(Ok(Told::View(Box::new(view)))));
        });
    }

    fn told(&mut self, now: Instant, ask: Ask) -> Result<Told, Refusal> {
        let questions = self.session.questions();
        Ok(match ask {
            Ask::InputCheck { kind, group } => Told::Slots(questions.check(kind, group)),
            Ask::InputFetch {
                kind,
                group,
                slot_id,
            } => Told::Question(questions.fetch(kind, group, slot_id)?.clone()),
            Ask::InputGroups => Told::Groups(questions.type_groups()),
            Ask::Confirm(_) | Ask::Ping | Ask::Pulse => Told::Done,
            Ask::Ready => self.session.check_ready().map(|()| Told::Done)?,
            Ask::Request(request) => self.session.request(now, request).map(|()| Told::Done)?,
            Ask::Count | Ask::View => Told::View(Box::new(self.view())),
        })
    }

    fn view(&self) -> View {
        let (device, confirmation) = (self.session.device(), self.confirmation.as_ref());
        let (stats, now) = (self.effects.stats(), self.clock.now());
        View {
            config_path: confirmation
                .map(|it| it.config_path.clone())
                .unwrap_or_default(),
            session_path: confirmation.and_then(|it| it.session_path.clone()),
            device_path: device
                .and_then(|_| self.effects.device_path())
                .map(ToOwned::to_owned),
            device_name: device.map(|device| device.name.clone()).unwrap_or_default(),
            session_name: self.session.host().to_owned(),
            connection: self.session.connected_to().map(connection_view),
            statistics: statistics(&stats, self.session.event_counters()),
            status: self.session.status().clone(),
            status_report: status_report::gather(
                &self.session,
                &self.status_text,
                (&stats, self.rates.rate(now, &stats)),
                now,
            ),
        }
    }
}

fn respond(answer: oneshot::Sender<Result<Told, Refusal>>, told: Result<Told, Refusal>) {
    if let Err(refusal) = &told {
        debug!(%refusal, "refused");
    }
    // A caller that has left gets no answer.
    drop(answer.send(told));
}

/// The session is over.
struct Over(ExitClass);

/// What was counted, by name.
fn statistics(stats: &Stats, event_counters: &EventCounters) -> Vec<(&'static str, i64)> {
    let all = stats.named().chain(event_counters.named());
    all.filter(|(_, value)| *value > 0)
        .map(|(name, value)| (name, i64::try_from(value).unwrap_or(i64::MAX)))
        .collect()
}

fn connection_view(summary: &Summary) -> ConnectionView {
    let protocol = match summary.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    ConnectionView {
        protocol: protocol.to_owned(),
        host: summary.host.clone(),
        address: summary.server.ip().to_string(),
        port: u32::from(summary.server.port()),
    }
}

async fn answered(asking: &mut Option<Asking>) -> io::Result<SecretText> {
    match asking {
        Some(asking) => (&mut asking.answer).await,
        None => future::pending().await,
    }
}

/// How long the tunnel thread may take to tell its counters; it responds in less than a millisecond.
const COUNTING: Duration = Duration::from_millis(250);
/// How much longer a start may take that is seen to go on.
const START_TIME: Duration = Duration::from_secs(90);
