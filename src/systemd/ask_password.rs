//! Questions through systemd's password agents: whoever sits at a terminal, a splash screen or the desktop answers.
//!
//! The protocol is systemd's "Password Agents" specification: a file `ask.*` describes the question, and the agent sends
//! `+` and the answer, or `-`, as one datagram to the socket that the file names.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixDatagram;
use zeroize::Zeroizing;

use openvpn_engine::secret::SecretText;
use openvpn_engine::session::Visibility;

/// Where agents look for questions.
pub const DIRECTORY: &str = "/run/systemd/ask-password";

/// What the ids of our questions begin with; behind it is the instance's name, a dash and a number.
pub const ID_PREFIX: &str = "openvpn3-backend:";

/// One question that the agents show. Dropping it takes it back from them.
#[derive(Debug)]
pub struct AgentQuestion {
    socket: UnixDatagram,
    files: Files,
}

#[derive(Debug)]
struct Files {
    question: PathBuf,
    socket: PathBuf,
}

impl AgentQuestion {
    /// Shows a question to the agents. `id` tells one question from another: letters, digits, dashes.
    ///
    /// # Errors
    ///
    /// If the folder of the agents cannot be written: this account may not, or there is no systemd.
    pub fn show(
        directory: &Path,
        id: &str,
        prompt: &str,
        visibility: Visibility,
    ) -> io::Result<Self> {
        let ending = format!("{}-{id}", std::process::id());
        let files = Files {
            question: directory.join(format!("ask.{ending}")),
            socket: directory.join(format!("sck.{ending}")),
        };
        // What a process of the same number left behind when it was killed.
        let _ = fs::remove_file(&files.socket);
        let socket = UnixDatagram::bind(&files.socket)?;
        fs::set_permissions(&files.socket, Permissions::from_mode(0o600))?;
        let question = Self { socket, files };
        let draft = directory.join(format!("tmp.{ending}"));
        let written = write_new(&draft, &question.text(id, prompt, visibility))
            .and_then(|()| fs::rename(&draft, &question.files.question));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(question)
    }

    /// Waits for the answer. May be dropped at any time.
    ///
    /// # Errors
    ///
    /// If the person refused to answer.
    pub async fn answer(self) -> io::Result<SecretText> {
        let mut buffer = Zeroizing::new([0; LONGEST_ANSWER]);
        loop {
            let length = self.socket.recv(&mut *buffer).await?;
            match buffer[..length].split_first() {
                Some((b'+', answer)) => {
                    let first = answer.split(|byte| *byte == 0).next().unwrap_or_default();
                    if let Ok(text) = std::str::from_utf8(first) {
                        return Ok(SecretText::from(text));
                    }
                }
                Some((b'-', _)) => {
                    return Err(io::Error::new(
                        io::ErrorKind::Interrupted,
                        "the question was dismissed",
                    ));
                }
                Some(_) | None => {}
            }
        }
    }

    fn text(&self, id: &str, prompt: &str, visibility: Visibility) -> String {
        let message: String = prompt
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        format!(
            "[Ask]\nPID={}\nSocket={}\nAcceptCached=0\nEcho={}\nNotAfter=0\nMessage={message}\nIcon=network-vpn\n\
             Id={ID_PREFIX}{id}\n",
            std::process::id(),
            self.files.socket.display(),
            u8::from(visibility == Visibility::Shown),
        )
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.question);
        let _ = fs::remove_file(&self.socket);
    }
}

/// Takes back every question that processes of an instance left when they were killed; the ids of its questions are the
/// instance's name, a dash and a number.
pub fn take_back_all(directory: &Path, instance: &str) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|it| is_of(it, instance)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file is `ask.PID-INSTANCE-NUMBER`, or one of its kin.
fn is_of(name: &str, instance: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = || {
        let (kind, rest) = name.split_once('.')?;
        let (process, id) = rest.split_once('-')?;
        let (of, number) = id.rsplit_once('-')?;
        Some((kind, process, of, number))
    };
    parts().is_some_and(|(kind, process, of, number)| {
        ["ask", "sck", "tmp"].contains(&kind)
            && is_number(process)
            && of == instance
            && is_number(number)
    })
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    // The file holds the question, not the answer; agents of every account may read it.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?
        .write_all(text.as_bytes())
}

/// Agents send at most this.
const LONGEST_ANSWER: usize = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram as Agent;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("openvpn3-ask-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn socket_of(directory: &Path) -> PathBuf {
        let question = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("ask.")
            })
            .unwrap();
        let text = fs::read_to_string(question).unwrap();
        PathBuf::from(
            text.lines()
                .find_map(|line| line.strip_prefix("Socket="))
                .unwrap(),
        )
    }

    #[tokio::test]
    async fn an_agent_answers_and_the_question_is_taken_back() {
        let directory = directory("answer");
        let question = AgentQuestion::show(
            &directory,
            "office-1",
            "Password\nfor office",
            Visibility::Hidden,
        )
        .unwrap();
        let agent = Agent::unbound().unwrap();
        agent.send_to(b"?nonsense", socket_of(&directory)).unwrap();
        agent.send_to(b"+s3cret\0", socket_of(&directory)).unwrap();
        assert_eq!(question.answer().await.unwrap().expose(), "s3cret");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir(directory).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_of_an_instance_is_taken_back() {
        let directory = directory("left");
        let files = [
            "ask.7-office-1",
            "sck.7-office-1",
            "ask.7-office-2-1",
            "ask.x-office-1",
            "other",
        ];
        for file in files {
            fs::write(directory.join(file), "").unwrap();
        }
        take_back_all(&directory, "office");
        let left = files.map(|file| directory.join(file).exists());
        assert_eq!(left, [false, false, true, true, true]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn a_dismissed_question_is_an_error() {
        let directory = directory("dismiss");
        let question =
            AgentQuestion::show(&directory, "office-2", "Password", Visibility::Shown).unwrap();
        Agent::unbound()
            .unwrap()
            .send_to(b"-", socket_of(&directory))
            .unwrap();
        assert_eq!(
            question.answer().await.unwrap_err().kind(),
            io::ErrorKind::Interrupted
        );
        fs::remove_dir(directory).unwrap();
    }
}
