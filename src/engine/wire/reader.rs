//! A cursor that only moves forward and cannot panic; `Malformed`.
