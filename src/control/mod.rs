//! ROOM control

pub mod call;
pub mod rates;
pub mod status_report;
pub mod status_text;
