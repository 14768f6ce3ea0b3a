//! Who may call: the session manager's present owner, or our own account.

use crate::bus::names;
use crate::bus::peers::Peers;
use crate::openvpn3::error::{BusError, Domain};

/// Whether `caller` may call a method of the session's object: only who owns the session manager's name at this moment.
///
/// # Errors
///
/// The error to answer with.
pub fn may_call(peers: &Peers, caller: &str, member: &str) -> Result<(), BusError> {
    match peers.owner(names::SESSIONS) {
        Some(owner) if owner == caller => Ok(()),
        Some(_) => Err(BusError::in_domain(
            Domain::Authorization,
            &refused("METHOD_CALL", caller, names::SESSION_PATH, member),
        )),
        None => Err(BusError::in_domain(
            Domain::Authorization,
            &format!("the name {} has no owner", names::SESSIONS),
        )),
    }
}

/// Whether `caller` may read this property of the session's object. Some are for everybody whom the bus lets through.
///
/// # Errors
///
/// The error to answer with.
pub fn may_read(peers: &Peers, caller: &str, property: &str) -> Result<(), BusError> {
    if PRIVATE.contains(&property) && peers.owner(names::SESSIONS) != Some(caller) {
        return Err(BusError::access_denied(&refused(
            "PROPERTY_GET",
            caller,
            names::SESSION_PATH,
            property,
        )));
    }
    Ok(())
}

/// Whether `caller` may set this property of the session's object.
///
/// # Errors
///
/// The error to answer with.
pub fn may_write(peers: &Peers, caller: &str, property: &str) -> Result<(), BusError> {
    if WRITABLE.contains(&property) && peers.owner(names::SESSIONS) == Some(caller) {
        return Ok(());
    }
    Err(BusError::access_denied(&refused(
        "PROPERTY_SET",
        caller,
        names::SESSION_PATH,
        property,
    )))
}

/// Whether a caller of this user may have a session started: only our own account.
///
/// # Errors
///
/// The error to answer with.
pub fn may_start(own_user: u32, user: u32, caller: &str, member: &str) -> Result<(), BusError> {
    if user == own_user {
        return Ok(());
    }
    Err(BusError::in_domain(
        Domain::Authorization,
        &refused("METHOD_CALL", caller, names::STARTER_PATH, member),
    ))
}

fn refused(operation: &str, caller: &str, path: &str, member: &str) -> String {
    let interface = names::BACKENDS_INTERFACE;
    format!(
        "Authorization failed: AuthzRequest(caller={caller}, operation={operation}, path={path}, \
         interface={interface}, target={interface}.{member})"
    )
}

/// Properties that only the session manager may read.
const PRIVATE: &[&str] = &["statistics", "device_name", "session_name", "last_log_line"];
/// Properties that can be set at all.
const WRITABLE: &[&str] = &["dco", "log_level"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::peers::OwnerChange;

    fn with_manager() -> Peers {
        let mut peers = Peers::default();
        peers.apply(&OwnerChange {
            name: names::SESSIONS.to_owned(),
            owner: Some(":1.2".to_owned()),
        });
        peers
    }

    #[test]
    fn only_the_present_session_manager_may_call() {
        let mut peers = with_manager();
        assert!(may_call(&peers, ":1.2", "Connect").is_ok());
        let refusal = may_call(&peers, ":1.3", "Connect").unwrap_err();
        assert!(refusal.text.contains("caller=:1.3"));
        assert!(refusal.text.contains("net.openvpn.v3.backends.Connect"));
        peers.apply(&OwnerChange {
            name: names::SESSIONS.to_owned(),
            owner: None,
        });
        assert!(may_call(&peers, ":1.2", "Connect").is_err());
    }

    #[test]
    fn some_properties_are_for_everybody() {
        let peers = with_manager();
        assert!(may_read(&peers, ":1.9", "status").is_ok());
        assert!(may_read(&peers, ":1.9", "log_level").is_ok());
        assert!(may_read(&peers, ":1.9", "statistics").is_err());
        assert!(may_read(&peers, ":1.2", "statistics").is_ok());
    }

    #[test]
    fn only_two_properties_can_be_set() {
        let peers = with_manager();
        assert!(may_write(&peers, ":1.2", "dco").is_ok());
        assert!(may_write(&peers, ":1.9", "dco").is_err());
        assert!(may_write(&peers, ":1.2", "status").is_err());
    }

    #[test]
    fn sessions_are_started_for_our_own_account_only() {
        assert!(may_start(995, 995, ":1.1", "StartClient").is_ok());
        assert!(may_start(995, 0, ":1.1", "StartClient").is_err());
    }
}
