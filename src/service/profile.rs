//! Finds and loads a profile and the files it names.
