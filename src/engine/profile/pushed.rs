//! `PushedOptions`, pull-filter, `PUSH_UPDATE`.

/// One `pull-filter` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFilter {
    /// What happens to an option that matches.
    pub action: PullAction,
    /// The text that the option must begin with.
    pub text: String,
}

/// What `pull-filter` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullAction {
    /// Let it in, whatever follows.
    Accept,
    /// Leave it out.
    Ignore,
    /// End the attempt.
    Reject,
}

/// The options that are in force after a push: typed where they mean something to the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushedOptions {}
