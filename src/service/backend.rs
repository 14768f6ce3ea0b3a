//! The backend process: the session manager's front of the loop.
