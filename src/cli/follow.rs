//! `status --follow`: all sessions on one screen, drawn anew each second; nothing of it stays in the terminal.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::show::{SessionReport, bytes};
use crate::cli::style::{Style, bar};
use crate::sys::wall_time;

/// Draws what `gather` tells, until SIGINT or SIGTERM.
///
/// # Errors
///
/// Standard output is no terminal, or the first question fails.
pub async fn follow<F>(gather: impl Fn() -> F) -> zbus::Result<String>
where
    F: Future<Output = zbus::Result<Vec<SessionReport>>>,
{
    if !io::stdout().is_terminal() {
        return Err(zbus::Error::Failure(
            "--follow draws on a terminal; programs take --json, once per question".to_owned(),
        ));
    }
    let failed = |error: io::Error| zbus::Error::InputOutput(error.into());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sessions = gather().await?;
    let _screen = Screen::enter().map_err(failed)?;
    let mut most = LEAST_SCALE;
    loop {
        most = sessions.iter().flat_map(rates).fold(most, u64::max);
        draw(&screen(&sessions, most, Style::of_stdout())).map_err(failed)?;
        tokio::select! {
            _ = ticks.tick() => {}
            _ = interrupt.recv() => return Ok(String::new()),
            _ = terminate.recv() => return Ok(String::new()),
        }
        // A bus that is away for a moment leaves the last picture.
        sessions = gather().await.unwrap_or(sessions);
    }
}

/// The terminal's second screen; the first one is back when this goes.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        draw("\u{1b}[?1049h\u{1b}[?25l")?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone has nothing to be restored.
        drop(draw("\u{1b}[?25h\u{1b}[?1049l"));
    }
}

fn draw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The picture: from the top left corner, each line cleared behind its end, and all that is below.
fn screen(sessions: &[SessionReport], most: u64, style: Style) -> String {
    let mut lines = Vec::new();
    if sessions.is_empty() {
        lines.push("no session runs".to_owned());
    }
    for session in sessions {
        let state = session.state(wall_time::now());
        let line = style.cut(&format!("{}: {state}", session.text("instance")));
        lines.push(style.paint(session.mood(), &line));
        for (name, rate) in ["in", "out"].into_iter().zip(rates(session)) {
            let rate_text = format!("{}/s", bytes(rate));
            lines.push(format!(
                "  {name:>3} {rate_text:>10} {}",
                bar(rate, most, BAR)
            ));
        }
        for text in [session.text("detail"), session.text("question")] {
            if !text.is_empty() {
                lines.push(style.cut(&format!("      {text}")));
            }
        }
    }
    lines.push(String::new());
    lines.push(style.cut("Ctrl-C ends"));
    format!("\u{1b}[H{}\u{1b}[K\u{1b}[J", lines.join("\u{1b}[K\r\n"))
}

/// Bytes per second, received and sent.
fn rates(session: &SessionReport) -> [u64; 2] {
    ["bytes_received_per_second", "bytes_sent_per_second"]
        .map(|name| session.number(name).unwrap_or(0))
}

/// The columns of a full bar.
const BAR: usize = 40;
/// What a full bar means at least, in bytes per second.
const LEAST_SCALE: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::tests::session_report;

    #[test]
    fn every_session_is_drawn_with_its_rates_as_bars() {
        let picture = screen(&[session_report()], 2_000_000, Style::PLAIN);
        assert!(
            picture.starts_with("\u{1b}[Hoffice: connected"),
            "{picture:?}"
        );
        assert!(picture.contains("1.2 MB/s \u{2588}"), "{picture:?}");
        assert!(picture.ends_with("\u{1b}[J"), "{picture:?}");
        assert!(screen(&[], 1, Style::PLAIN).contains("no session runs"));
    }
}
