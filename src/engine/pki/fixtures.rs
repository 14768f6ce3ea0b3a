//! The certificates and keys of `tests/data/pki`, for unit tests.

/// A fixture as text.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/data/pki/",
            $name
        ))
    };
}

/// A fixture as bytes.
macro_rules! fixture_bytes {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/data/pki/",
            $name
        ))
    };
}

pub(crate) use {fixture, fixture_bytes};
