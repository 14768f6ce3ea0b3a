//! WATCHDOG=1 only while both loops turn.
