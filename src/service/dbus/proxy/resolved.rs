//! Systemd-resolved: DNS of one link.
