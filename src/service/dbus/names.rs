//! Bus names, object paths, interfaces: each once.
