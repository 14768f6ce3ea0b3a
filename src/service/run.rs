//! The session loop: commands, reports, signals, deadlines; drains the session.
