//! A certificate chain from leaf to anchor: signatures, validity, CA flags, revocation.
