//! Who may call: the session manager's present owner, or our own uid.
