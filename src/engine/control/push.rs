//! When to ask for options; joining a reply sent in parts.
