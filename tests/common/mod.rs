//! What several test programs need: network namespaces, programs in them, keys, traffic.

pub(crate) mod capture;
pub(crate) mod client;
pub(crate) mod decode;
pub(crate) mod lines;
pub(crate) mod link;
pub(crate) mod management;
pub(crate) mod namespace;
pub(crate) mod needs;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod root;
pub(crate) mod state;
pub(crate) mod traffic;
