//! The starter process: token in, unit started, pid out.
