//! Refusals to the exact error names and texts that callers parse.
//!
//! The stock services are built on `GDBus`, which puts an error's domain into the D-Bus name in an escaped form and, once
//! more, in front of the text. Callers read the domain from the text, so both parts are made as they expect them.

use openvpn_engine::session::InputError;
use openvpn_engine::session::Refusal;

/// Where an error belongs, as callers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The caller may not call this method.
    Authorization,
    /// Something about the client.
    Client,
    /// `Ready` says no.
    Ready,
    /// Something about the registration.
    Registration,
    /// Anything else that goes wrong inside of a method.
    Request,
}

impl Domain {
    const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "net.openvpn.gdbuspp",
            Self::Client => "net.openvpn.v3.error.client",
            Self::Ready => "net.openvpn.v3.error.ready",
            Self::Registration => "net.openvpn.v3.error.be-registration",
            Self::Request => "net.openvpn.gdbuspp.request",
        }
    }
}

/// An error as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusError {
    /// The D-Bus error name.
    pub name: String,
    /// The text.
    pub text: String,
}

impl BusError {
    /// An error of one of the stock domains.
    #[must_use]
    pub fn in_domain(domain: Domain, text: &str) -> Self {
        Self {
            name: format!(
                "org.gtk.GDBus.UnmappedGError.Quark._{}.Code36",
                hex_escape(domain.name())
            ),
            text: format!("GDBus.Error:{}: {text}", domain.name()),
        }
    }

    /// The method of this interface does not exist.
    #[must_use]
    pub fn unknown_method(interface: &str, member: &str) -> Self {
        Self::standard(
            "UnknownMethod",
            format!("no such method '{interface}.{member}'"),
        )
    }

    /// There is no object at this path.
    #[must_use]
    pub fn unknown_object(path: &str) -> Self {
        Self::standard("UnknownObject", format!("no such object '{path}'"))
    }

    /// The property does not exist.
    #[must_use]
    pub fn unknown_property(name: &str) -> Self {
        Self::standard("UnknownProperty", format!("no such property '{name}'"))
    }

    /// The property cannot be set.
    #[must_use]
    pub fn read_only(name: &str) -> Self {
        Self::standard(
            "PropertyReadOnly",
            format!("property '{name}' is read-only"),
        )
    }

    /// The arguments have the wrong type or an impossible value.
    #[must_use]
    pub fn invalid_arguments(text: &str) -> Self {
        Self::standard("InvalidArgs", text.to_owned())
    }

    /// The caller may not see or set this property.
    #[must_use]
    pub fn access_denied(text: &str) -> Self {
        Self::standard("AccessDenied", text.to_owned())
    }

    /// A property could not be read.
    #[must_use]
    pub fn failed(text: &str) -> Self {
        Self::standard("Failed", text.to_owned())
    }

    fn standard(name: &str, text: String) -> Self {
        Self {
            name: format!("org.freedesktop.DBus.Error.{name}"),
            text,
        }
    }
}

impl From<&Refusal> for BusError {
    fn from(refusal: &Refusal) -> Self {
        Self::in_domain(domain_of(refusal), &refusal.to_string())
    }
}

impl From<InputError> for BusError {
    fn from(error: InputError) -> Self {
        Self::in_domain(Domain::Request, &error.to_string())
    }
}

const fn domain_of(refusal: &Refusal) -> Domain {
    match refusal {
        Refusal::AlreadyRegistered | Refusal::WrongToken => Domain::Registration,
        Refusal::AssignFailed(_) | Refusal::Input(_) => Domain::Request,
        Refusal::MissingCredentials | Refusal::PendingWebAuthentication => Domain::Ready,
        Refusal::AlreadyPaused
        | Refusal::InputMissing
        | Refusal::Leaving
        | Refusal::NotConnected
        | Refusal::NotPaused
        | Refusal::NotRegistered
        | Refusal::ProfileUnusable(_)
        | Refusal::StartFailed(_) => Domain::Client,
    }
}

/// ASCII letters and digits stay, every other byte becomes `_` and two hexadecimal digits.
fn hex_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("_{byte:02x}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_travel_in_the_name_and_in_the_text() {
        let table = [
            (
                Refusal::MissingCredentials,
                "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2ev3_2eerror_2eready.Code36",
                "GDBus.Error:net.openvpn.v3.error.ready: Missing user credentials",
            ),
            (
                Refusal::WrongToken,
                "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2ev3_2eerror_2ebe_2dregistration.Code36",
                "GDBus.Error:net.openvpn.v3.error.be-registration: the registration token does not match",
            ),
            (
                Refusal::NotPaused,
                "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2ev3_2eerror_2eclient.Code36",
                "GDBus.Error:net.openvpn.v3.error.client: the session is not paused",
            ),
            (
                Refusal::from(InputError::NotFound),
                "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2egdbuspp_2erequest.Code36",
                "GDBus.Error:net.openvpn.gdbuspp.request: net.openvpn.v3.element-not-found: no input of this type, group and id was asked for",
            ),
        ];
        for (refusal, name, text) in table {
            let error = BusError::from(&refusal);
            assert_eq!(error.name, name);
            assert_eq!(error.text, text);
        }
    }

    #[test]
    fn an_empty_answer_is_refused_in_the_words_that_the_command_line_looks_for() {
        let error = BusError::from(InputError::Empty(3));
        assert_eq!(
            error.text,
            "GDBus.Error:net.openvpn.gdbuspp.request: No value provided for RequiresSlot ID 3"
        );
    }

    #[test]
    fn authorization_has_the_library_s_own_domain() {
        let error = BusError::in_domain(Domain::Authorization, "x");
        assert_eq!(
            error.name,
            "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2egdbuspp.Code36"
        );
    }
}
