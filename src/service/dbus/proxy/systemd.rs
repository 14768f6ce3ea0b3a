//! Systemd's manager: start a unit, its job, its main pid.
