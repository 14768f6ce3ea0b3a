//! `ProfileError`: line, column, directive, reason.
