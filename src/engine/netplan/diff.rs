//! Two plans to the fewest changes.
