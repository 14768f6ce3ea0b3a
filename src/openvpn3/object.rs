//! Method calls of one object, sorted: the standard interfaces are answered here, the rest goes to its owner.

use std::collections::HashMap;

use zbus::Message;
use zbus::message::Flags;
use zbus::zvariant::{OwnedValue, Value};

use crate::bus::names;
use crate::openvpn3::error::BusError;

/// An object as it is found on the bus.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Where it is.
    pub path: &'static str,
    /// Its one interface.
    pub interface: &'static str,
    /// The interface in the words of the introspection format.
    pub description: &'static str,
}

/// What a method call turned out to be.
#[derive(Debug)]
pub enum Sorted {
    /// Done with; this is the answer.
    Answered(Message),
    /// Read a property.
    Get(String),
    /// Read all properties.
    GetAll,
    /// A method of the interface.
    Method(String),
    /// Set a property.
    Set(String, OwnedValue),
}

impl Object {
    /// Sorts a method call.
    ///
    /// # Errors
    ///
    /// If no answer can be written, which means that the call itself is not well-formed.
    pub fn sort(&self, call: &Message) -> zbus::Result<Sorted> {
        let header = call.header();
        let path = header.path().map_or("", |path| path.as_str());
        let member = header.member().map_or("", |member| member.as_str());
        let interface = header.interface().map_or(self.interface, |i| i.as_str());
        if interface == names::PEER {
            return peer(call, member).map(Sorted::Answered);
        }
        if interface == names::INTROSPECTABLE && member == "Introspect" {
            return self.introspect(call, path).map(Sorted::Answered);
        }
        if path != self.path {
            return refuse(call, &BusError::unknown_object(path)).map(Sorted::Answered);
        }
        if interface == names::PROPERTIES {
            return match self.property_call(call, member) {
                Ok(sorted) => Ok(sorted),
                Err(error) => refuse(call, &error).map(Sorted::Answered),
            };
        }
        if interface == self.interface {
            return Ok(Sorted::Method(member.to_owned()));
        }
        refuse(call, &BusError::unknown_method(interface, member)).map(Sorted::Answered)
    }

    fn property_call(&self, call: &Message, member: &str) -> Result<Sorted, BusError> {
        match member {
            "Get" => {
                let (interface, property) = arguments::<(String, String)>(call)?;
                self.check_interface(&interface)?;
                Ok(Sorted::Get(property))
            }
            "GetAll" => {
                let interface = arguments::<String>(call)?;
                self.check_interface(&interface)?;
                Ok(Sorted::GetAll)
            }
            "Set" => {
                let (interface, property, value) = arguments::<(String, String, OwnedValue)>(call)?;
                self.check_interface(&interface)?;
                Ok(Sorted::Set(property, value))
            }
            other => Err(BusError::unknown_method(names::PROPERTIES, other)),
        }
    }

    fn check_interface(&self, interface: &str) -> Result<(), BusError> {
        if interface == self.interface || interface.is_empty() {
            return Ok(());
        }
        Err(BusError::invalid_arguments(&format!(
            "no such interface '{interface}'"
        )))
    }

    fn introspect(&self, call: &Message, path: &str) -> zbus::Result<Message> {
        let inside = if path == self.path {
            format!("{STANDARD_INTERFACES}{}", self.description)
        } else if let Some(child) = self.child_of(path) {
            format!("  <node name=\"{child}\"/>\n")
        } else {
            return refuse(call, &BusError::unknown_object(path));
        };
        reply(call, &format!("{DOCTYPE}<node>\n{inside}</node>\n"))
    }

    /// The next element of our path below `path`.
    fn child_of(&self, path: &str) -> Option<&str> {
        let below = self.path.strip_prefix(path.trim_end_matches('/'))?;
        below.strip_prefix('/')?.split('/').next()
    }
}

/// The arguments of a call, if they have the types that are expected.
///
/// # Errors
///
/// `InvalidArgs`, if not.
pub fn arguments<T>(call: &Message) -> Result<T, BusError>
where
    T: for<'a> zbus::zvariant::DynamicDeserialize<'a>,
{
    let body = call.body();
    body.deserialize::<T>().map_err(|_| {
        BusError::invalid_arguments(&format!(
            "the arguments of this call cannot be of type '({})'",
            body.signature().to_string_no_parens()
        ))
    })
}

/// The answer to a call.
///
/// # Errors
///
/// If it cannot be written.
pub fn reply<B>(call: &Message, body: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    Message::method_return(&call.header())?.build(body)
}

/// The error in answer to a call.
///
/// # Errors
///
/// If it cannot be written.
pub fn refuse(call: &Message, error: &BusError) -> zbus::Result<Message> {
    Message::error(&call.header(), error.name.as_str())?.build(&error.text.as_str())
}

/// The answer to `GetAll`.
///
/// # Errors
///
/// If it cannot be written.
pub fn reply_properties(
    call: &Message,
    properties: Vec<(&'static str, Value<'static>)>,
) -> zbus::Result<Message> {
    let all: HashMap<&str, Value<'_>> = properties.into_iter().collect();
    reply(call, &all)
}

/// Whether the caller waits for an answer.
#[must_use]
pub fn wants_answer(call: &Message) -> bool {
    !call
        .primary_header()
        .flags()
        .contains(Flags::NoReplyExpected)
}

/// The caller's unique name; empty on a connection without a bus.
#[must_use]
pub fn caller(call: &Message) -> String {
    let header = call.header();
    header.sender().map(ToString::to_string).unwrap_or_default()
}

fn peer(call: &Message, member: &str) -> zbus::Result<Message> {
    match member {
        "Ping" => reply(call, &()),
        "GetMachineId" => match std::fs::read_to_string("/etc/machine-id") {
            Ok(id) => reply(call, &id.trim()),
            Err(error) => refuse(call, &BusError::failed(&format!("machine id: {error}"))),
        },
        other => refuse(call, &BusError::unknown_method(names::PEER, other)),
    }
}

const DOCTYPE: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
"#;

const STANDARD_INTERFACES: &str = r#"  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="out"/>
    </method>
    <method name="GetAll">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="a{sv}" name="properties" direction="out"/>
    </method>
    <method name="Set">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg type="s" name="interface_name"/>
      <arg type="a{sv}" name="changed_properties"/>
      <arg type="as" name="invalidated_properties"/>
    </signal>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg type="s" name="xml_data" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg type="s" name="machine_uuid" direction="out"/>
    </method>
  </interface>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: Object = Object {
        path: "/net/openvpn/v3/backends",
        interface: "net.openvpn.v3.backends",
        description: "  <interface name=\"net.openvpn.v3.backends\"/>\n",
    };

    fn call<B>(path: &str, interface: &str, member: &str, body: &B) -> Message
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        Message::method_call(path, member)
            .unwrap()
            .interface(interface)
            .unwrap()
            .sender(":1.7")
            .unwrap()
            .build(body)
            .unwrap()
    }

    fn text(message: &Message) -> String {
        message.body().deserialize::<String>().unwrap()
    }

    #[test]
    fn every_path_answers_a_ping() {
        let ping = call("/", names::PEER, "Ping", &());
        assert!(matches!(OBJECT.sort(&ping), Ok(Sorted::Answered(_))));
    }

    #[test]
    fn the_way_to_the_object_can_be_walked() {
        for (path, child) in [("/", "net"), ("/net/openvpn", "v3")] {
            let asked = call(path, names::INTROSPECTABLE, "Introspect", &());
            let Ok(Sorted::Answered(answer)) = OBJECT.sort(&asked) else {
                panic!("not answered");
            };
            assert!(text(&answer).contains(&format!("<node name=\"{child}\"/>")));
        }
        let asked = call(OBJECT.path, names::INTROSPECTABLE, "Introspect", &());
        let Ok(Sorted::Answered(answer)) = OBJECT.sort(&asked) else {
            panic!("not answered");
        };
        assert!(text(&answer).contains("org.freedesktop.DBus.Properties"));
        assert!(text(&answer).contains("<interface name=\"net.openvpn.v3.backends\"/>"));
    }

    #[test]
    fn properties_of_another_interface_do_not_exist() {
        let asked = call(OBJECT.path, names::PROPERTIES, "GetAll", &"org.example");
        let Ok(Sorted::Answered(answer)) = OBJECT.sort(&asked) else {
            panic!("not answered");
        };
        assert_eq!(
            answer.header().error_name().unwrap().as_str(),
            "org.freedesktop.DBus.Error.InvalidArgs"
        );
    }

    #[test]
    fn a_call_to_another_path_or_interface_is_refused() {
        for (path, interface, error) in [
            ("/elsewhere", OBJECT.interface, "UnknownObject"),
            (OBJECT.path, "org.example", "UnknownMethod"),
        ] {
            let Ok(Sorted::Answered(answer)) = OBJECT.sort(&call(path, interface, "Ping", &()))
            else {
                panic!("not answered");
            };
            assert!(
                answer
                    .header()
                    .error_name()
                    .unwrap()
                    .as_str()
                    .ends_with(error)
            );
        }
    }

    #[test]
    fn a_method_of_ours_is_handed_on() {
        let asked = call(OBJECT.path, OBJECT.interface, "StartClient", &"token");
        assert!(matches!(OBJECT.sort(&asked), Ok(Sorted::Method(m)) if m == "StartClient"));
        assert_eq!(arguments::<String>(&asked).unwrap(), "token");
        assert!(arguments::<u32>(&asked).is_err());
    }
}
