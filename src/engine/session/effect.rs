//! `Effect`: what the world is asked to do; `Report`: how it went.
