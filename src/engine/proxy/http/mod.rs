//! HTTP proxies: `CONNECT`, and the logins around it.

mod answer;
mod challenge;
mod digest;
mod ntlm;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use self::answer::Answer;
use self::challenge::Challenge;
use self::digest::Digest;
use super::{Opened, ProxyError, Step, bracketed, known};
use crate::config::Environment;
use crate::profile::proxy::{HttpAuth, HttpProxy};
use crate::secret::SecretBytes;

/// Our side of the conversation. It begins without a login, unless the profile names the method; a proxy that wants one
/// gets it on a second connection, once.
#[derive(Debug)]
pub struct Connect {
    options: HttpProxy,
    /// The server's host, an IPv6 address in brackets.
    host: String,
    /// The server's host and port.
    target: String,
    environment: Environment,
    said: Login,
    reading: Reading,
}

/// The login in the request that was said last, or is to be said next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Login {
    Basic,
    Digest(Digest),
    None,
    NtlmAnswer,
    NtlmGreeting,
}

/// What is being heard.
#[derive(Debug)]
enum Reading {
    /// The answer's head, as far as it is here.
    Head(Vec<u8>),
    /// So many more bytes that mean nothing, then this is said.
    Body(usize, SecretBytes),
}

impl Connect {
    /// A conversation that has not begun, about a connection to this host and port.
    pub(super) fn new(proxy: &HttpProxy, host: &str, port: u16, environment: Environment) -> Self {
        let host = bracketed(host);
        let said = match proxy.auth {
            HttpAuth::Basic if known(proxy.login.as_ref()).is_some() => Login::Basic,
            HttpAuth::Ntlm if known(proxy.login.as_ref()).is_some() => Login::NtlmGreeting,
            HttpAuth::Auto
            | HttpAuth::AutoNoClearText
            | HttpAuth::Basic
            | HttpAuth::Digest
            | HttpAuth::None
            | HttpAuth::Ntlm => Login::None,
        };
        Self {
            options: proxy.clone(),
            target: format!("{host}:{port}"),
            host,
            environment,
            said,
            reading: Reading::Head(Vec::new()),
        }
    }

    /// The request, on a fresh connection.
    pub(super) fn begin(&mut self) -> Result<SecretBytes, ProxyError> {
        self.reading = Reading::Head(Vec::new());
        let authorization = match &self.said {
            Login::None => None,
            Login::Basic => {
                let (username, password) = self.login()?;
                let both = Zeroizing::new(format!("{username}:{password}"));
                let both = Zeroizing::new(STANDARD.encode(&*both));
                Some(Zeroizing::new(format!("Basic {}", *both)))
            }
            Login::Digest(digest) => {
                let nonce = self.random()?;
                let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
                let text = digest.authorization(self.login()?, &self.target, &nonce);
                Some(Zeroizing::new(text))
            }
            Login::NtlmAnswer | Login::NtlmGreeting => {
                self.said = Login::NtlmGreeting;
                Some(Zeroizing::new(format!("NTLM {}", ntlm::GREETING)))
            }
        };
        Ok(self.request(authorization.as_ref().map(|text| text.as_str())))
    }

    /// Takes what was heard.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Step, ProxyError> {
        match &mut self.reading {
            Reading::Head(head) => {
                head.extend_from_slice(bytes);
                let Some((answer, length)) = Answer::parse(head)? else {
                    return Ok(Step::Listen);
                };
                let rest = head.split_off(length);
                head.clear();
                self.answered(&answer, rest)
            }
            Reading::Body(left, _) => {
                *left = left.saturating_sub(bytes.len());
                Ok(self.say_after_body())
            }
        }
    }

    fn answered(&mut self, answer: &Answer, rest: Vec<u8>) -> Result<Step, ProxyError> {
        match answer.status {
            200..=299 => Ok(Step::Open(Opened { relay: None, rest })),
            407 => self.challenged(answer, rest.len()),
            status => Err(ProxyError::Refused {
                status,
                reason: answer.reason.clone(),
            }),
        }
    }

    /// The proxy wants a login, or another one.
    fn challenged(&mut self, answer: &Answer, body_heard: usize) -> Result<Step, ProxyError> {
        let offered: Vec<Challenge> = answer
            .headers("proxy-authenticate")
            .flat_map(Challenge::parse)
            .collect();
        match &self.said {
            Login::None => {}
            Login::NtlmGreeting => {
                if let Some(question) = ntlm_question(&offered) {
                    return self.answer_ntlm(&question, answer.body_length()?, body_heard);
                }
                return Err(ProxyError::CredentialsRefused);
            }
            Login::Digest(before) => {
                let stale = |digest: &Digest| digest.stale && !before.stale;
                let Some(again) = digest_of(&offered).filter(stale) else {
                    return Err(ProxyError::CredentialsRefused);
                };
                self.said = Login::Digest(again);
                return Ok(Step::Reconnect);
            }
            Login::Basic | Login::NtlmAnswer => return Err(ProxyError::CredentialsRefused),
        }
        self.said = self.choose(&offered)?;
        self.login()?;
        Ok(Step::Reconnect)
    }

    /// The best method that the proxy offers and the profile allows.
    fn choose(&self, offered: &[Challenge]) -> Result<Login, ProxyError> {
        let offers = |scheme| offered.iter().any(|challenge| challenge.scheme == scheme);
        let auth = self.options.auth;
        let any = matches!(auth, HttpAuth::Auto | HttpAuth::AutoNoClearText);
        if (any || auth == HttpAuth::Ntlm) && offers("ntlm") {
            return Ok(Login::NtlmGreeting);
        }
        if any || auth == HttpAuth::Digest {
            if let Some(digest) = digest_of(offered) {
                return Ok(Login::Digest(digest));
            }
        }
        if matches!(auth, HttpAuth::Auto | HttpAuth::Basic) && offers("basic") {
            return Ok(Login::Basic);
        }
        let names: Vec<String> = offered
            .iter()
            .map(|challenge| {
                challenge
                    .scheme
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(20)
                    .collect()
            })
            .collect();
        Err(ProxyError::NoCommonMethod {
            offered: names.join(", "),
        })
    }

    fn answer_ntlm(
        &mut self,
        question: &ntlm::Question,
        body: usize,
        body_heard: usize,
    ) -> Result<Step, ProxyError> {
        let now = self.environment.wall_clock.current_time();
        let fresh = ntlm::Fresh {
            nonce: self.random()?,
            unix_seconds: now.map_or(0, |now| now.as_secs()),
        };
        let text = question.answer(self.login()?, fresh);
        let request = self.request(Some(&format!("NTLM {text}")));
        self.said = Login::NtlmAnswer;
        self.reading = Reading::Body(body.saturating_sub(body_heard), request);
        Ok(self.say_after_body())
    }

    fn say_after_body(&mut self) -> Step {
        if matches!(self.reading, Reading::Body(left, _) if left > 0) {
            return Step::Listen;
        }
        match std::mem::replace(&mut self.reading, Reading::Head(Vec::new())) {
            Reading::Body(_, request) => Step::Say(request),
            Reading::Head(_) => Step::Listen,
        }
    }

    fn request(&self, authorization: Option<&str>) -> SecretBytes {
        let options = &self.options;
        let mut lines: Vec<[&str; 4]> = Vec::new();
        lines.push(["CONNECT ", &self.target, " HTTP/", &options.version]);
        for (name, content) in &options.headers {
            match content {
                Some(content) => lines.push([name, ": ", content, ""]),
                None => lines.push([name, "", "", ""]),
            }
        }
        if !options.headers.iter().any(|(name, _)| is_host(name)) {
            lines.push(["Host: ", &self.host, "", ""]);
        }
        if let Some(agent) = &options.agent {
            lines.push(["User-Agent: ", agent, "", ""]);
        }
        if let Some(text) = authorization {
            if text.starts_with("NTLM ") {
                lines.push(["Proxy-Connection: Keep-Alive", "", "", ""]);
            }
            lines.push(["Proxy-Authorization: ", text, "", ""]);
        }
        lines.push([""; 4]);
        // Room for all of it, so that no secret is left behind by a text that grew.
        let length = lines.iter().flatten().map(|part| part.len()).sum::<usize>();
        let mut request = Vec::with_capacity(length + 2 * lines.len());
        for line in lines {
            for part in line {
                request.extend_from_slice(part.as_bytes());
            }
            request.extend_from_slice(b"\r\n");
        }
        SecretBytes::new(request)
    }

    fn login(&self) -> Result<(&str, &str), ProxyError> {
        known(self.options.login.as_ref()).ok_or(ProxyError::CredentialsNeeded)
    }

    fn random(&self) -> Result<[u8; 8], ProxyError> {
        let mut bytes = [0; 8];
        let random = self.environment.provider.secure_random;
        random
            .fill(&mut bytes)
            .map_err(|_| ProxyError::Unusable("there is no randomness for the login"))?;
        Ok(bytes)
    }
}

fn digest_of(offered: &[Challenge]) -> Option<Digest> {
    offered.iter().find_map(Digest::new)
}

fn ntlm_question(offered: &[Challenge]) -> Option<ntlm::Question> {
    offered
        .iter()
        .filter(|challenge| challenge.scheme == "ntlm")
        .find_map(|challenge| ntlm::Question::parse(challenge.token.as_deref()?))
}

/// Whether a header of the profile's is the host's; it may be a whole line.
fn is_host(name: &str) -> bool {
    let name = name.split(':').next().unwrap_or_default();
    name.trim().eq_ignore_ascii_case("host")
}

#[cfg(test)]
mod tests;
