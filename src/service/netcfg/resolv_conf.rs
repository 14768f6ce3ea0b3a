//! DNS through resolv.conf, saved and restored.
