//! Questions on the controlling terminal, with hidden answers where they are secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::net::unix::pipe::Receiver;
use zeroize::Zeroizing;

use openvpn_engine::secret::SecretText;
use openvpn_engine::session::Visibility;

/// Asks one question on `/dev/tty` and waits for a line. Dropping the future takes the question back and leaves the
/// terminal as it was.
///
/// # Errors
///
/// There is no terminal, or it was closed.
pub async fn ask(prompt: &str, visibility: Visibility) -> io::Result<SecretText> {
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open("/dev/tty")
        .map_err(|error| io::Error::new(error.kind(), format!("no terminal ({error})")))?;
    let keys = Receiver::from_file_unchecked(terminal.try_clone()?)?;
    let mut terminal = Quiet::new(terminal, visibility)?;
    let prompt = format!("{prompt}: ");
    terminal.terminal.write_all(prompt.as_bytes())?;
    line(&keys).await
}

/// A terminal whose settings are put back when it is dropped.
struct Quiet {
    terminal: File,
    before: Option<Termios>,
}

impl Quiet {
    fn new(terminal: File, visibility: Visibility) -> io::Result<Self> {
        let before = match visibility {
            Visibility::Shown => None,
            Visibility::Hidden => {
                let before = tcgetattr(&terminal)?;
                let mut hidden = before.clone();
                hidden.local_modes.remove(LocalModes::ECHO);
                hidden.local_modes.insert(LocalModes::ECHONL);
                tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
                Some(before)
            }
        };
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that is gone.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, before);
        }
    }
}

async fn line(keys: &Receiver) -> io::Result<SecretText> {
    let mut line = Zeroizing::new([0; LONGEST]);
    let mut filled = 0;
    while filled < LONGEST && !line[..filled].contains(&b'\n') {
        keys.readable().await?;
        match keys.try_read(&mut line[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let end = line[..filled]
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(filled);
    let text = std::str::from_utf8(&line[..end])
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the answer is not UTF-8"))?;
    Ok(SecretText::from(text))
}

/// The longest answer in bytes; the terminal itself stops at 4096.
const LONGEST: usize = 4096;
