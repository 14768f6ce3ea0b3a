//! `Profile` and its parts; no field is a raw string that means something.
