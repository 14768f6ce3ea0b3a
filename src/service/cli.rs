//! `check PROFILE`; `connect PROFILE`: the front of the loop without a bus.
