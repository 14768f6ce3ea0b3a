//! Questions: what must be asked, and what becomes of the answers.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::super::config::build::TemplateError;
use super::super::error::ProxyKind;
use super::super::event::Input;
use super::super::secret::SecretText;
use super::active::ActiveSession;
use super::context::{Autonomy, Context};
use super::effect::Effect;
use super::exit_class::ExitClass;
use super::login::Missing;
use super::request::{Answer, Refusal};
use super::state::{Phase, Then};
use super::status::Status;
use super::tunnel::TunnelOrder;
use super::user_input::{
    AUTH_PENDING, Attention, DYNAMIC_CHALLENGE, InputGroup, PASSPHRASE, PASSWORD, PROXY_PASSWORD,
    PROXY_USERNAME, STATIC_CHALLENGE, USERNAME, Visibility,
};

impl ActiveSession {
    pub(super) fn ask_passphrase(&mut self, context: &mut Context) {
        self.passphrase = None;
        context.questions.ask_passphrase();
        context.require_user(Attention::new(
            InputGroup::Passphrase,
            "Private key passphrase needed",
        ));
        self.wait_for_answers(context);
    }

    /// Tries the passphrase where somebody is there to be asked again.
    fn try_passphrase(&mut self, context: &mut Context, passphrase: SecretText) {
        self.passphrase = Some(passphrase);
        if context.autonomy == Autonomy::Commanded {
            return;
        }
        if let Err(TemplateError::PassphraseWrong) = self.make_template(context) {
            warn!("the passphrase does not open the private key");
            self.ask_passphrase(context);
        }
    }

    /// Asks for what the login lacks.
    pub(super) fn ask(&mut self, context: &mut Context) {
        if let Some(kind) = self.proxy_login.missing() {
            ask_proxy(context, kind);
        }
        for missing in self.login.missing() {
            match missing {
                Missing::DynamicAnswer => self.ask_dynamic(context),
                Missing::Password => self.ask_password(context),
                Missing::StaticAnswer => self.ask_static(context),
            }
        }
        self.wait_for_answers(context);
    }

    fn wait_for_answers(&mut self, context: &mut Context) {
        if context.autonomy == Autonomy::ByItself && !context.questions.is_complete() {
            context.push(Effect::ExtendTimeout(PERSON));
        }
        self.phase = Phase::Ready {
            connect_when_complete: context.autonomy == Autonomy::ByItself,
        };
    }

    fn ask_dynamic(&self, context: &mut Context) {
        if let Some(challenge) = self.login.challenge() {
            context.questions.ask_dynamic_challenge(challenge);
            let attention = Attention::new(InputGroup::DynamicChallenge, &challenge.text);
            context.push(Effect::Attention(attention));
            context.announce(Status::InputRequired("Dynamic Challenge".to_owned()));
        }
    }

    fn ask_password(&self, context: &mut Context) {
        if is_open(context, InputGroup::UserPassword) {
            return;
        }
        // A front-end on the bus answers both questions, always.
        if context.autonomy == Autonomy::Commanded || self.login.username().is_none() {
            context.questions.ask_username();
        }
        let words = if self.login.rules().username_only {
            "a user name is needed"
        } else {
            context.questions.ask_password();
            "Username/password credentials needed"
        };
        context.require_user(Attention::new(InputGroup::UserPassword, words));
    }

    fn ask_static(&self, context: &mut Context) {
        let Some(challenge) = &self.settings.login.static_challenge else {
            return;
        };
        if is_open(context, InputGroup::StaticChallenge) {
            return;
        }
        context.questions.ask(
            InputGroup::StaticChallenge,
            STATIC_CHALLENGE,
            &challenge.text,
            Visibility::from_echo(challenge.echo),
        );
        if !is_open(context, InputGroup::UserPassword) {
            context.require_user(Attention::new(InputGroup::StaticChallenge, &challenge.text));
        }
    }

    /// Takes an answer; the last one may set things going.
    pub(super) fn provide(
        &mut self,
        context: &mut Context,
        now: Instant,
        answer: &Answer,
    ) -> Result<(), Refusal> {
        let Answer {
            kind,
            group,
            number,
            value,
        } = answer;
        let (name, value) = context.questions.provide(*kind, *group, *number, value)?;
        self.take_answer(context, name, value);
        self.get_going(context, now);
        Ok(())
    }

    fn take_answer(&mut self, context: &mut Context, name: &str, value: SecretText) {
        match name {
            USERNAME => self.login.set_username(value.expose()),
            PASSWORD => self.login.set_password(value),
            STATIC_CHALLENGE => self.login.set_static_answer(value),
            DYNAMIC_CHALLENGE => self.login.set_dynamic_answer(value),
            PASSPHRASE => self.try_passphrase(context, value),
            PROXY_USERNAME => self.proxy_login.set_username(value.expose()),
            PROXY_PASSWORD => self.proxy_login.set_password(value),
            AUTH_PENDING => {
                context.push(Effect::Tunnel(TunnelOrder::Input(Input::Answer(value))));
            }
            _ => {}
        }
    }

    /// A question is open, and there is nobody to answer it.
    pub(super) fn unanswerable(&mut self, context: &mut Context, now: Instant, reason: &str) {
        if matches!(
            self.phase,
            Phase::Closing { .. }
                | Phase::Failed
                | Phase::Leaving {
                    then: Then::Exit(_) | Then::Fail,
                    ..
                }
        ) {
            return;
        }
        let asked: Vec<&str> = context
            .questions
            .open_questions()
            .map(|question| question.description.as_str())
            .collect();
        let reason = format!(
            "nobody can be asked for \"{}\": {reason}",
            asked.join("\", \"")
        );
        context.questions.withdraw_all();
        self.fail(context, now, ExitClass::AuthenticationFailed, &reason);
    }
}

fn is_open(context: &Context, group: InputGroup) -> bool {
    context
        .questions
        .open_questions()
        .any(|question| question.group == group)
}

fn ask_proxy(context: &mut Context, kind: ProxyKind) {
    if is_open(context, InputGroup::HttpProxy) {
        return;
    }
    context.questions.ask_proxy_credentials(kind);
    context.push(Effect::Attention(Attention::new(InputGroup::HttpProxy, "")));
    context.announce(Status::InputRequired(format!("{kind} proxy credentials")));
}

pub(super) fn ask_pending(context: &mut Context, echo: bool, response_required: bool, text: &str) {
    if !response_required {
        info!(text, "the server says");
        return;
    }
    context
        .questions
        .ask_pending(text, Visibility::from_echo(echo));
    context.require_user(Attention::new(InputGroup::AuthPending, text));
    if context.autonomy == Autonomy::ByItself {
        context.push(Effect::ExtendTimeout(PERSON));
    }
}

/// How long a person may take.
pub(super) const PERSON: Duration = Duration::from_secs(3600);
