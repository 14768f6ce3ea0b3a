//! Pushed options and profile to `NetPlan`.
