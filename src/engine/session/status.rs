//! The (major, minor, message) codes of the D-Bus interface.
