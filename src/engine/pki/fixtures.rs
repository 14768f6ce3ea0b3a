//! The certificates and keys of `tests/data`, for unit tests.

/// A file of `tests/data` as text: its name, or the folder if it is not `pki`, and its name.
macro_rules! fixture {
    ($name:literal) => {
        fixture!("pki", $name)
    };
    ($folder:literal, $name:expr) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/data/",
            $folder,
            "/",
            $name
        ))
    };
}

/// The same as bytes.
macro_rules! fixture_bytes {
    ($name:literal) => {
        fixture_bytes!("pki", $name)
    };
    ($folder:literal, $name:expr) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/data/",
            $folder,
            "/",
            $name
        ))
    };
}

pub(crate) use {fixture, fixture_bytes};
