//! Refusals to the exact error names and texts that callers parse.
