//! Rustls as a machine of bytes; the exporter.
