//! The compression byte, there or stripped; ping and exit payloads.
