//! What is asked of a running session and told about it, whichever front-end does so: calls, status report, status text.

pub mod call;
pub mod rates;
pub mod status_report;
pub mod status_text;
