//! What the server says once keys are exchanged, and what becomes of it.

use std::time::{Duration, Instant};

use super::agree::{Agreed, data_setup, incompatible};
use super::data_channel::Tunnel;
use super::open::{OpenConnection, Phase};
use super::outputs::Outputs;
use crate::control::app_control;
use crate::control::auth::{encode_cr_response, printable};
use crate::control::message::{Message, Notice};
use crate::control::negotiator::Derivation;
use crate::control::push::Items;
use crate::control::windows::Windows;
use crate::error::ConnectionError;
use crate::event::{Ended, Established, Event};
use crate::profile::error::Note;
use crate::profile::pushed::{CustomControl, PushedOptions};
use crate::secret::SecretText;
use crate::wire::head::KeyId;

impl OpenConnection {
    pub(super) fn on_command(
        &mut self,
        now: Instant,
        command: &str,
        out: &mut Outputs,
    ) -> Result<(), Ended> {
        let failed = |error| Err(Ended::Failed(error));
        match Message::parse(command) {
            Message::AppControl(fragment) => self.on_app_control(&fragment, out),
            Message::AuthFailed { reason } => return failed(self.keyring.login().refused(&reason)),
            Message::AuthPending { timeout_seconds } => {
                self.on_auth_pending(now, timeout_seconds, out);
            }
            Message::Exit => return failed(ConnectionError::PeerExited),
            Message::Halt { reason } => {
                let reason = printable(&reason);
                return failed(ConnectionError::ServerHalt { reason });
            }
            Message::Info(notice) => self.on_notice_text(notice, out),
            Message::PushReply(message) => return self.on_push_reply(now, &message, out),
            Message::PushUpdate(message) => return self.on_push_update(now, &message, out),
            Message::Restart {
                reason,
                keep_credentials,
                advance,
            } => {
                let reason = printable(&reason);
                return failed(ConnectionError::ServerRestart {
                    reason,
                    keep_credentials,
                    advance,
                });
            }
            Message::Unknown => {
                tracing::debug!(command = printable(command), "unknown control message");
                self.count_bad_message();
            }
        }
        Ok(())
    }

    /// Answers the question that came by `CR_TEXT`.
    pub(super) fn answer(&mut self, text: &SecretText) -> Result<(), Ended> {
        self.say(encode_cr_response(text).expose())
    }

    /// Sends a message of the app control channel, if the server reads it.
    pub(super) fn send_app_control(&mut self, protocol: &str, payload: &[u8]) -> Result<(), Ended> {
        let Some(server) = &self.conversation.app_control else {
            tracing::warn!(protocol, "the server has no app control channel");
            return Ok(());
        };
        match app_control::encode(server, protocol, payload) {
            Ok(messages) => messages.iter().try_for_each(|message| self.say(message)),
            Err(error) => {
                tracing::warn!(protocol, %error, "app control message not sent");
                Ok(())
            }
        }
    }

    fn on_app_control(&mut self, fragment: &str, out: &mut Outputs) {
        match self.conversation.fragments.join(fragment) {
            Ok(Some((protocol, payload))) => out.event(Event::AppControl { protocol, payload }),
            Ok(None) => {}
            Err(_) => self.count_bad_message(),
        }
    }

    fn on_auth_pending(&mut self, now: Instant, timeout_seconds: Option<u32>, out: &mut Outputs) {
        let windows = *self.keyring.windows();
        let timeout = timeout_seconds.map_or(windows.hand, |seconds| {
            Duration::from_secs(u64::from(seconds))
        });
        let granted = match &mut self.phase {
            Phase::AwaitPush(wait) => wait.postpone(now, timeout, windows.longest_login()),
            Phase::KeyExchange | Phase::Leaving(..) | Phase::Up(_) => timeout,
        };
        let timeout_seconds = u32::try_from(granted.as_secs()).unwrap_or(u32::MAX);
        out.event(Event::AuthPending { timeout_seconds });
    }

    fn on_notice_text(&mut self, notice: Notice, out: &mut Outputs) {
        match notice {
            Notice::AppControl(arguments) => {
                let arguments: Vec<&str> = arguments.split(',').collect();
                match CustomControl::parse(&arguments) {
                    Ok(server) => self.conversation.app_control = Some(server),
                    Err(_) => self.count_bad_message(),
                }
            }
            Notice::Challenge {
                echo,
                response_required,
                text,
            } => {
                out.event(Event::ChallengeText {
                    echo,
                    response_required,
                    text: printable(&text),
                });
            }
            Notice::OpenUrl(url) => out.event(Event::OpenUrl(url)),
            Notice::RefusedUrl => {
                tracing::warn!("the server wants an address opened that is neither https nor http");
                self.count_bad_message();
            }
            Notice::Text(text) => out.event(Event::Info(printable(&text))),
        }
    }

    fn on_push_reply(
        &mut self,
        now: Instant,
        message: &SecretText,
        out: &mut Outputs,
    ) -> Result<(), Ended> {
        let joined = self
            .conversation
            .reply
            .join(message.expose())
            .map_err(|error| Ended::Failed(incompatible(&error)))?;
        let Some(items) = joined else {
            return Ok(());
        };
        if matches!(self.phase, Phase::AwaitPush(_)) {
            return self.establish(now, &items, out).map_err(Ended::Failed);
        }
        // Once established, a reply only carries tokens.
        if let Ok((options, _)) = PushedOptions::from_reply(&items, &self.config.pull) {
            self.take_token(&options, out);
        }
        Ok(())
    }

    fn establish(
        &mut self,
        now: Instant,
        items: &Items,
        out: &mut Outputs,
    ) -> Result<(), ConnectionError> {
        let (options, notes) = PushedOptions::from_reply(items, &self.config.pull)
            .map_err(|error| incompatible(&error))?;
        log_notes(&notes);
        let handshake = self.keyring.current();
        let agreed = Agreed::new(&self.config.data, &options, handshake.server_options())?;
        let (tls, server_subject) = (handshake.describe_tls(), handshake.server_subject());
        let derivation = if options.flags.tls_ekm {
            Derivation::Exporter
        } else {
            Derivation::Prf
        };
        let windows = Windows::new(&self.config.timing).with_pushed(&options);
        let block = self.keyring.settle(now, derivation, windows)?;
        let established = Established {
            cipher: agreed.cipher,
            options: options.clone(),
            tls,
            exporter_keys: options.flags.tls_ekm,
            epoch: options.flags.aead_epoch,
            server_subject,
            key_times: self.keyring.key_times(),
        };
        if options.flags.dyn_tls_crypt {
            self.keyring.protect_renegotiations()?;
        }
        self.take_token(&options, out);
        self.conversation
            .app_control
            .clone_from(&options.custom_control);
        let random = self.config.environment.provider.secure_random;
        let setup = data_setup(&self.config, &options, random);
        let mut tunnel = Tunnel::new(now, &self.config, agreed, setup, options);
        if let Some(limit) = self.config.data.fragment {
            tunnel.data.use_fragments(limit);
        }
        tunnel.install(KeyId::FIRST.get(), block)?;
        tunnel.data.switch_to(KeyId::FIRST.get());
        tunnel.probe_path(now, &self.config);
        if let Some(Ok(payload)) = tunnel.data.largest_whole().map(u16::try_from) {
            out.event(Event::LargestPayload(payload));
        }
        self.phase = Phase::Up(Box::new(tunnel));
        out.event(Event::Pushed(Box::new(established)));
        Ok(())
    }

    fn on_push_update(
        &mut self,
        now: Instant,
        message: &SecretText,
        out: &mut Outputs,
    ) -> Result<(), Ended> {
        let failed = |error| Ended::Failed(incompatible(&error));
        let joined = self
            .conversation
            .update
            .join(message.expose())
            .map_err(failed)?;
        let (Some(items), Phase::Up(tunnel)) = (joined, &mut self.phase) else {
            return Ok(());
        };
        let (options, notes) = tunnel
            .options
            .updated(&items, &self.config.pull)
            .map_err(failed)?;
        log_notes(&notes);
        tunnel.update(now, &self.config, options.clone());
        out.event(Event::PushUpdated(Box::new(options)));
        Ok(())
    }

    fn take_token(&mut self, options: &PushedOptions, out: &mut Outputs) {
        let Some(token) = &options.auth_token else {
            return;
        };
        let username = options.auth_token_user.clone();
        if let Some(token) = self.keyring.login_mut().accept_token(username, token) {
            out.event(Event::Token(token));
        }
    }
}

fn log_notes(notes: &[Note]) {
    let (shown, more) = Note::foremost(notes);
    if shown.is_empty() {
        return;
    }
    let options: Vec<String> = shown.iter().map(ToString::to_string).collect();
    let options = options.join("; ");
    tracing::info!(options, more, "pushed options without effect");
}
