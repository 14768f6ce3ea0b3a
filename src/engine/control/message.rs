//! Control strings: `PUSH_REPLY`, `AUTH_FAILED`, `INFO_PRE`, `EXIT` and the rest.
