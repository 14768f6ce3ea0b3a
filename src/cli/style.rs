//! Colour, width and lines for whoever reads on a terminal; plain text for everybody else.

use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

/// How text is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colour, as a terminal understands it.
    colour: bool,
    /// The columns of the terminal; `None`: lines are as long as they are.
    width: Option<usize>,
}

/// What a session's state means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Traffic passes.
    Good,
    /// Something is waited for.
    Waiting,
    /// A person is needed, or it failed.
    Bad,
}

impl Style {
    /// As standard output is: a terminal has colours (unless `NO_COLOR` is set) and a width.
    #[must_use]
    pub fn of_stdout() -> Self {
        let out = std::io::stdout();
        if !out.is_terminal() {
            return Self::PLAIN;
        }
        let width = tcgetwinsize(&out)
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns >= 20);
        Self {
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            width,
        }
    }

    /// Neither colour nor a limit.
    pub const PLAIN: Self = Self {
        colour: false,
        width: None,
    };

    /// The dot in front of a session, coloured by its mood.
    #[must_use]
    pub fn dot(self, mood: Mood) -> String {
        self.paint(mood, "\u{25cf}")
    }

    /// Text in the colour of a mood.
    #[must_use]
    pub fn paint(self, mood: Mood, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match mood {
            Mood::Good => "32",
            Mood::Waiting => "33",
            Mood::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A line cut to the terminal's width, with a mark where it was.
    #[must_use]
    pub fn cut(self, line: &str) -> String {
        match self.width {
            Some(width) if line.chars().count() > width => {
                let mut cut: String = line.chars().take(width - 1).collect();
                cut.push('\u{2026}');
                cut
            }
            Some(_) | None => line.to_owned(),
        }
    }

    /// Words as lines behind a heading of `indent` columns, broken at spaces where they reach the terminal's width.
    #[must_use]
    pub fn wrap(self, heading: &str, text: &str) -> String {
        let indent = heading.chars().count();
        let Some(width) = self.width else {
            return format!("{heading}{text}");
        };
        let mut lines = vec![heading.to_owned()];
        let mut column = indent;
        for word in text.split(' ') {
            let length = word.chars().count();
            if column > indent && column + 1 + length > width {
                lines.push(" ".repeat(indent));
                column = indent;
            }
            let line = lines.last_mut().expect("there is always one line");
            if column > indent {
                line.push(' ');
                column += 1;
            }
            line.push_str(word);
            column += length;
        }
        lines.join("\n")
    }
}

/// A bar of at most `columns` for `value` of `most`, in eighths of a column.
#[must_use]
pub fn bar(value: u64, most: u64, columns: usize) -> String {
    const PARTS: [&str; 8] = [
        "", "\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}",
    ];
    let most = most.max(1);
    let columns = u128::try_from(columns).unwrap_or(0);
    let eighths = u128::from(value.min(most)) * columns * 8 / u128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or(0);
    let mut bar = "\u{2588}".repeat(eighths / 8);
    bar.push_str(PARTS[eighths % 8]);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Style = Style {
        colour: false,
        width: Some(20),
    };

    #[test]
    fn long_lines_end_with_a_mark_on_a_terminal_alone() {
        assert_eq!(
            NARROW.cut("0123456789012345678901"),
            "0123456789012345678\u{2026}"
        );
        assert_eq!(NARROW.cut("01234567890123456789"), "01234567890123456789");
        assert_eq!(Style::PLAIN.cut(&"x".repeat(300)).len(), 300);
    }

    #[test]
    fn words_are_wrapped_behind_their_heading() {
        let wrapped = NARROW.wrap("  Routes: ", "10.0.0.0/8 a b c 192.168.0.0/16");
        assert_eq!(
            wrapped,
            "  Routes: 10.0.0.0/8\n          a b c\n          192.168.0.0/16"
        );
        assert_eq!(Style::PLAIN.wrap("A: ", "b c"), "A: b c");
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(0, 100, 10), "");
        assert_eq!(bar(100, 100, 10).chars().count(), 10);
        assert_eq!(bar(50, 100, 10).chars().count(), 5);
        assert_eq!(bar(u64::MAX, u64::MAX, 4).chars().count(), 4);
        assert_eq!(
            bar(5, 0, 4).chars().count(),
            4,
            "nothing is divided by nothing"
        );
    }
}
