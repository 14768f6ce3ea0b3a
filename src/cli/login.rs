//! `login INSTANCE`: answers what a session waits for, from whichever terminal root sits at.
//!
//! A session without a person asks through systemd's password agents. This is an agent for the questions of one session:
//! it shows each on the terminal and sends the answer to the socket that the question names, as systemd's "Password
//! Agents" specification has it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::cli::sessions::{SessionName, complain};
use crate::cli::{say, terminal};
use crate::sys::{calls, runtime};
use crate::systemd::ask_password::{DIRECTORY, ID_PREFIX};
use openvpn_engine::session::Visibility;

/// Answers questions until the session has none for a while.
#[must_use]
pub fn main(args: &SessionName) -> ExitCode {
    match runtime::run(answer_all(Path::new(DIRECTORY), &args.instance)) {
        Ok(0) => {
            say(&format!("{} waits for no answer", args.instance));
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the question of {}: {error}", args.instance));
            ExitCode::FAILURE
        }
    }
}

/// How many were answered.
async fn answer_all(directory: &Path, instance: &str) -> io::Result<usize> {
    let mut answered = 0;
    // Watched before it is looked at, so that no question comes in between.
    let watch = watch(directory)?;
    loop {
        while let Some(question) = questions(directory, instance)?.into_iter().next() {
            let answer = terminal::ask(&question.message, question.visibility).await?;
            match question.answer(answer.expose()) {
                Ok(()) => answered += 1,
                // It was answered elsewhere, or taken back.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // The session takes the question back once it has the answer.
            let gone = async {
                while question.file.exists() {
                    changed(&watch).await?;
                }
                io::Result::Ok(())
            };
            timeout(UNTIL_GONE, gone)
                .await
                .map_err(|_| io::Error::other("the session did not take the answer"))??;
        }
        if answered == 0 || timeout(UNTIL_NEXT, changed(&watch)).await.is_err() {
            return Ok(answered);
        }
    }
}

/// One question that waits.
#[derive(Debug)]
struct Waiting {
    file: PathBuf,
    socket: PathBuf,
    message: String,
    visibility: Visibility,
}

impl Waiting {
    fn answer(&self, answer: &str) -> io::Result<()> {
        let mut datagram = Zeroizing::new(Vec::with_capacity(answer.len() + 1));
        datagram.push(b'+');
        datagram.extend_from_slice(answer.as_bytes());
        UnixDatagram::unbound()?
            .send_to(&datagram, &self.socket)
            .map(drop)
    }

    /// The question in the text of an `ask.*` file; `None` if it is not one of this instance.
    fn from_text(file: PathBuf, text: &str, instance: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        };
        let id = value("Id")?.strip_prefix(ID_PREFIX)?;
        let (of, number) = id.rsplit_once('-')?;
        (of == instance && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
        Some(Self {
            socket: PathBuf::from(value("Socket")?),
            message: value("Message").unwrap_or_default().to_owned(),
            visibility: match value("Echo") {
                Some("1") => Visibility::Shown,
                _ => Visibility::Hidden,
            },
            file,
        })
    }
}

/// The questions of an instance, the oldest name first.
fn questions(directory: &Path, instance: &str) -> io::Result<Vec<Waiting>> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("ask."))
        })
        .collect();
    files.sort();
    Ok(files
        .into_iter()
        .filter_map(|file| {
            let text = fs::read_to_string(&file).ok()?;
            Waiting::from_text(file, &text, instance)
        })
        .collect())
}

fn watch(directory: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let what = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE;
    inotify::add_watch(&watch, directory, what)?;
    calls::watch_reading(watch)
}

/// Ends when something in the folder has changed.
async fn changed(watch: &AsyncFd<OwnedFd>) -> io::Result<()> {
    let mut ready = watch.readable().await?;
    let mut events = [0; 4096];
    while rustix::io::read(watch, &mut events).is_ok() {}
    ready.clear_ready();
    Ok(())
}

/// How long the session may take to take an answer.
const UNTIL_GONE: Duration = Duration::from_secs(10);
/// How long after an answer the next question is waited for: the server's own challenge takes a handshake.
const UNTIL_NEXT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systemd::ask_password::AgentQuestion;

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("openvpn3-login-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[tokio::test]
    async fn the_questions_of_a_session_are_found_and_answered_and_no_others() {
        let directory = directory("found");
        let show =
            |id: &str, visibility| AgentQuestion::show(&directory, id, "Password", visibility);
        let ours = show("office-1", Visibility::Hidden).unwrap();
        let _others = show("home-1", Visibility::Shown).unwrap();
        fs::write(
            directory.join("ask.disk"),
            "[Ask]\nId=cryptsetup:/dev/sda\nSocket=/x\n",
        )
        .unwrap();

        let found = questions(&directory, "office").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "Password");
        assert_eq!(found[0].visibility, Visibility::Hidden);
        found[0].answer("s3cret").unwrap();
        assert_eq!(ours.answer().await.unwrap().expose(), "s3cret");
        assert!(questions(&directory, "office").unwrap().is_empty());
        fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn a_session_without_a_question_ends_it_at_once() {
        let directory = directory("none");
        assert_eq!(answer_all(&directory, "office").await.unwrap(), 0);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_name_with_a_dash_is_not_taken_for_another() {
        let text = "[Ask]\nId=openvpn3-backend:office-2-1\nSocket=/s\nEcho=1\nMessage=m\n";
        let of = |instance| Waiting::from_text(PathBuf::from("/f"), text, instance);
        assert!(of("office").is_none());
        assert_eq!(of("office-2").unwrap().visibility, Visibility::Shown);
    }
}
