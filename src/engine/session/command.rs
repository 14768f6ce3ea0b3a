//! `Command`: what a user may ask; `Refusal`: why not now.
