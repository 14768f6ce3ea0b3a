//! The session's properties as they travel.

use serde::ser::{Serialize, SerializeMap, Serializer};
use zbus::Message;
use zbus::zvariant::{ObjectPath, Signature, Type, Value};

use crate::bus::names;
use crate::control::call::View;
use crate::log::bus_layer::{BusLogControl, Record};
use crate::openvpn3::error::BusError;
use crate::openvpn3::object::{refuse, reply};
use crate::openvpn3::status::to_bus;

/// All properties, by name.
pub const ALL: &[&str] = &[
    "connection",
    "dco",
    "device_name",
    "device_path",
    "last_log_line",
    "log_level",
    "session_name",
    "session_path",
    "statistics",
    "status",
];

/// The answer to `Get`.
///
/// # Errors
///
/// If it cannot be written.
pub fn answer_get(
    call: &Message,
    property: &str,
    view: &View,
    log: &BusLogControl,
) -> zbus::Result<Message> {
    if property == "statistics" {
        // As a value of its own kind, because a `Dict` would put the counters into another order.
        let statistics = Statistics(&view.statistics);
        return reply(call, &zbus::zvariant::SerializeValue(&statistics));
    }
    match value(property, view, log) {
        Some(value) => reply(call, &value),
        None => refuse(call, &BusError::unknown_property(property)),
    }
}

/// One property. `None`: there is none of this name.
#[must_use]
pub fn value(property: &str, view: &View, log: &BusLogControl) -> Option<Value<'static>> {
    Some(match property {
        "connection" => connection(view),
        // Kernel offload is not used.
        "dco" => Value::from(false),
        "device_name" => Value::from(view.device_name.clone()),
        "device_path" => path(view.device_path.as_deref(), "/"),
        "last_log_line" => last_log_line(log.last()),
        "log_level" => Value::from(log.level()),
        "session_name" => Value::from(view.session_name.clone()),
        "session_path" => path(view.session_path.as_deref(), names::NO_SESSION_PATH),
        "statistics" => {
            let counters: std::collections::HashMap<String, i64> = view
                .statistics
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect();
            Value::from(counters)
        }
        "status" => Value::from(to_bus(&view.status, &view.config_path)),
        _ => return None,
    })
}

fn connection(view: &View) -> Value<'static> {
    let (protocol, host, address, port) = match &view.connection {
        Some(c) => (
            c.protocol.clone(),
            c.host.clone(),
            c.address.clone(),
            c.port,
        ),
        None => Default::default(),
    };
    Value::from((protocol, host, address, port))
}

fn path(path: Option<&str>, none: &'static str) -> Value<'static> {
    let none = ObjectPath::from_static_str_unchecked(none);
    let path = path.and_then(|path| ObjectPath::try_from(path.to_owned()).ok());
    Value::from(path.unwrap_or(none))
}

fn last_log_line(record: Option<Record>) -> Value<'static> {
    let line: std::collections::HashMap<String, Value<'static>> = record
        .map(|record| {
            std::collections::HashMap::from([
                (
                    "log_group".to_owned(),
                    Value::from(crate::openvpn3::log_signal::LogGroup::Client as u32),
                ),
                (
                    "log_category".to_owned(),
                    Value::from(record.category as u32),
                ),
                ("log_message".to_owned(), Value::from(record.message)),
            ])
        })
        .unwrap_or_default();
    Value::from(line)
}

/// Counters in their own order.
struct Statistics<'a>(&'a [(&'static str, i64)]);

impl Type for Statistics<'_> {
    const SIGNATURE: &'static Signature =
        <std::collections::HashMap<&'static str, i64> as Type>::SIGNATURE;
}

impl Serialize for Statistics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, count) in self.0.iter().filter(|(_, count)| *count != 0) {
            map.serialize_entry(name, count)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::call::ConnectionView;
    use crate::log::bus_layer::bus_layer;

    fn get(property: &str, view: &View) -> Value<'static> {
        let (_layer, log) = bus_layer(3);
        let call = Message::method_call(names::SESSION_PATH, "Get")
            .unwrap()
            .build(&())
            .unwrap();
        let answer = answer_get(&call, property, view, &log.control()).unwrap();
        answer
            .body()
            .deserialize::<zbus::zvariant::OwnedValue>()
            .unwrap()
            .into()
    }

    #[test]
    fn every_property_has_its_type() {
        let types = [
            ("connection", "(sssu)"),
            ("dco", "b"),
            ("device_name", "s"),
            ("device_path", "o"),
            ("last_log_line", "a{sv}"),
            ("log_level", "u"),
            ("session_name", "s"),
            ("session_path", "o"),
            ("statistics", "a{sx}"),
            ("status", "(uus)"),
        ];
        assert_eq!(types.map(|(name, _)| name), ALL);
        for (name, signature) in types {
            let value = get(name, &View::default());
            assert_eq!(value.value_signature().to_string(), signature, "{name}");
        }
    }

    #[test]
    fn nothing_connected_is_four_empty_parts() {
        assert_eq!(
            get("connection", &View::default()),
            Value::from((String::new(), String::new(), String::new(), 0_u32))
        );
        let view = View {
            connection: Some(ConnectionView {
                protocol: "udp".to_owned(),
                host: "vpn.example".to_owned(),
                address: "192.0.2.1".to_owned(),
                port: 1194,
            }),
            ..View::default()
        };
        assert_eq!(
            get("connection", &view),
            Value::from((
                "udp".to_owned(),
                "vpn.example".to_owned(),
                "192.0.2.1".to_owned(),
                1194_u32
            ))
        );
    }

    #[test]
    fn counters_of_zero_are_left_out() {
        let view = View {
            statistics: vec![("BYTES_IN", 5), ("BYTES_OUT", 0), ("N_PAUSE", 1)],
            ..View::default()
        };
        let Value::Dict(counters) = get("statistics", &view) else {
            panic!("no dictionary");
        };
        assert_eq!(counters.iter().count(), 2);
        assert_eq!(counters.get::<_, i64>(&"BYTES_IN").unwrap(), Some(5));
    }

    #[test]
    fn paths_are_never_empty() {
        assert_eq!(
            get("device_path", &View::default()),
            Value::from(ObjectPath::from_static_str_unchecked("/"))
        );
        assert_eq!(
            get("session_path", &View::default()),
            Value::from(ObjectPath::from_static_str_unchecked("/__unknown"))
        );
    }
}
