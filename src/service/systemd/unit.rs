//! A token to a unit name and back, checked.
