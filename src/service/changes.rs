//! Links, addresses, sleep and resume, as reports.
