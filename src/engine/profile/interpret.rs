//! Directives to `Profile`; the only place that knows both.
