//! Rows: ignored with a note, or refused with a reason.
