//! The files around the program: packages, and the list of pitfalls.

mod packages;
mod pitfalls;
