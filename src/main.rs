//! One binary, `openvpn3-backend`: parses the command line, calls one room's `main` (`session INSTANCE`, `starter`, `connect`, `check`, `list`, `status`, ...).
