//! net.openvpn.v3.netcfg: its manager, and its devices, in both forms of `AddNetworks`.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;
use zbus::message::{Builder, Type};
use zbus::zvariant::serialized::Context;
use zbus::zvariant::{DynamicType, NATIVE_ENDIAN, ObjectPath, OwnedObjectPath, Value, to_bytes};
use zbus::{Connection, Message, MessageStream};

use crate::bus::names;

/// The service: makes devices, keeps sockets out of tunnels. Always called by its well-known name: it leaves when it
/// is idle and comes back under another unique one.
#[derive(Debug, Clone)]
pub struct Manager {
    connection: Connection,
}

/// A device of the service, which may not exist on the host yet.
#[derive(Debug, Clone)]
pub struct Device {
    connection: Connection,
    path: OwnedObjectPath,
}

/// A network that is reached through the tunnel, or beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its address, without host bits.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// Its metric, for services that take one.
    pub metric: Option<u32>,
    /// It is reached beside the tunnel.
    pub excluded: bool,
}

/// What `AddNetworks` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworksForm {
    /// `a(subb)`: up to version 25.
    Plain,
    /// `a(suibb)`: from version 26 on.
    Metric,
}

impl NetworksForm {
    /// The form that a release takes. `None`: this is no name of a release.
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        let digits = version.strip_prefix('v')?;
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let major: u32 = digits.get(..end)?.parse().ok()?;
        Some(if major > LAST_PLAIN {
            Self::Metric
        } else {
            Self::Plain
        })
    }

    /// The form that an object's description tells.
    #[must_use]
    pub fn of_description(xml: &str) -> Option<Self> {
        let (_, after) = xml.split_once("\"AddNetworks\"")?;
        let (method, _) = after.split_once("</method>")?;
        if method.contains("a(suibb)") {
            Some(Self::Metric)
        } else if method.contains("a(subb)") {
            Some(Self::Plain)
        } else {
            None
        }
    }
}

impl Manager {
    /// The service on this connection's bus. It is started by the first call.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Makes a device object. The host's device comes with [`Device::establish`].
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn create(&self, name: &str) -> io::Result<Device> {
        let answer = call(
            &self.connection,
            names::NETCFG_PATH,
            "CreateVirtualInterface",
            &name,
        )
        .await?;
        let path = answer
            .body()
            .deserialize::<OwnedObjectPath>()
            .map_err(failed)?;
        Ok(self.device(path))
    }

    /// The device object at a path.
    #[must_use]
    pub fn device(&self, path: OwnedObjectPath) -> Device {
        Device {
            connection: self.connection.clone(),
            path,
        }
    }

    /// Keeps a socket's packets to `remote` out of the tunnel, which is that of `device` if there is one already.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn protect_socket(
        &self,
        remote: IpAddr,
        device: Option<&Device>,
        socket: OwnedFd,
    ) -> io::Result<()> {
        let none = ObjectPath::from_static_str_unchecked("/");
        let path = device.map_or(none, |device| device.path.as_ref());
        let arguments = (remote.to_string(), remote.is_ipv6(), path);
        let mut tries_left = TRIES;
        let answer = loop {
            let message = with_descriptor(
                request(&self.connection, names::NETCFG_PATH, "ProtectSocket")?,
                &arguments,
                socket.try_clone()?,
            )?;
            match in_time(answer_to(&self.connection, &message), PATIENCE).await {
                // This is what wakes the service, and it has its name before its object is there.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries_left > 0 => {
                    tries_left -= 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                answer => break answer?,
            }
        };
        if answer.body().deserialize::<bool>().map_err(failed)? {
            Ok(())
        } else {
            Err(io::Error::other("the service refuses, see its log"))
        }
    }

    /// Takes back all that this process has had set up.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn cleanup(&self) -> io::Result<()> {
        call(&self.connection, names::NETCFG_PATH, "Cleanup", &()).await?;
        Ok(())
    }

    async fn version(&self) -> io::Result<String> {
        let arguments = (names::NETCFG, "version");
        let answer = standard(
            &self.connection,
            names::NETCFG_PATH,
            (names::PROPERTIES, "Get"),
            &arguments,
        )
        .await?;
        let value = answer
            .body()
            .deserialize::<zbus::zvariant::OwnedValue>()
            .map_err(failed)?;
        String::try_from(value).map_err(|error| failed(error.into()))
    }
}

impl Device {
    /// The object's path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Calls a method that answers nothing.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn tell<B>(&self, member: &'static str, body: &B) -> io::Result<()>
    where
        B: Serialize + DynamicType + Sync,
    {
        call(&self.connection, self.path.as_str(), member, body).await?;
        Ok(())
    }

    /// Sets a property, whose type must be the exact one.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn set(&self, property: &'static str, value: Value<'_>) -> io::Result<()> {
        let arguments = (names::NETCFG, property, value);
        let what = (names::PROPERTIES, "Set");
        standard(&self.connection, self.path.as_str(), what, &arguments).await?;
        Ok(())
    }

    /// Which form of `AddNetworks` the object takes: by the service's version, or by the object's own description where
    /// that is no release's.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn networks_form(&self) -> io::Result<NetworksForm> {
        let manager = Manager::new(self.connection.clone());
        if let Some(form) = NetworksForm::of_version(&manager.version().await?) {
            return Ok(form);
        }
        let what = (names::INTROSPECTABLE, "Introspect");
        let answer = standard(&self.connection, self.path.as_str(), what, &()).await?;
        let body = answer.body();
        let xml = body.deserialize::<&str>().map_err(failed)?;
        Ok(NetworksForm::of_description(xml).unwrap_or(NetworksForm::Metric))
    }

    /// Adds networks, in the form that the object takes.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn add_networks(&self, networks: &[Network], form: NetworksForm) -> io::Result<()> {
        match form {
            NetworksForm::Plain => {
                let list: Vec<_> = networks.iter().map(Network::plain).collect();
                self.tell("AddNetworks", &(list,)).await
            }
            NetworksForm::Metric => {
                let list: Vec<_> = networks.iter().map(Network::with_metric).collect();
                self.tell("AddNetworks", &(list,)).await
            }
        }
    }

    /// Makes the host's device with all that was told before. Success comes without a descriptor where the service
    /// failed and said so in its log only.
    ///
    /// # Errors
    ///
    /// The service refuses, is not there, or gave no device.
    pub async fn establish(&self) -> io::Result<OwnedFd> {
        let message = request(&self.connection, self.path.as_str(), "Establish")?
            .build(&())
            .map_err(failed)?;
        let answer = in_time(answer_to(&self.connection, &message), ESTABLISHING).await?;
        let Some(descriptor) = answer.data().fds().first() else {
            return Err(io::Error::other("no device came of it, see its log"));
        };
        std::os::fd::AsFd::as_fd(descriptor).try_clone_to_owned()
    }
}

impl Network {
    fn plain(&self) -> (String, u32, bool, bool) {
        let Self {
            address, prefix, ..
        } = self;
        (
            address.to_string(),
            u32::from(*prefix),
            address.is_ipv6(),
            self.excluded,
        )
    }

    fn with_metric(&self) -> (String, u32, i32, bool, bool) {
        let (address, prefix, ipv6, excluded) = self.plain();
        let metric = self.metric.and_then(|metric| i32::try_from(metric).ok());
        (
            address,
            prefix,
            metric.unwrap_or(DEFAULT_METRIC),
            ipv6,
            excluded,
        )
    }
}

async fn call<B>(connection: &Connection, path: &str, member: &str, body: &B) -> io::Result<Message>
where
    B: Serialize + DynamicType + Sync,
{
    standard(connection, path, (names::NETCFG, member), body).await
}

async fn standard<B>(
    connection: &Connection,
    path: &str,
    (interface, member): (&str, &str),
    body: &B,
) -> io::Result<Message>
where
    B: Serialize + DynamicType + Sync,
{
    let answer = connection.call_method(Some(names::NETCFG), path, Some(interface), member, body);
    in_time(answer, PATIENCE).await
}

fn request<'a>(
    connection: &'a Connection,
    path: &'a str,
    member: &'a str,
) -> io::Result<Builder<'a>> {
    let mut builder = Message::method_call(path, member)
        .and_then(|it| it.destination(names::NETCFG))
        .and_then(|it| it.interface(names::NETCFG))
        .map_err(failed)?;
    if let Some(sender) = connection.unique_name() {
        builder = builder.sender(sender).map_err(failed)?;
    }
    Ok(builder)
}

/// A call whose descriptor is attached to the message while its body knows nothing of it.
#[expect(
    unsafe_code,
    reason = "the library attaches descriptors to what its body names only, or to a body made by hand"
)]
fn with_descriptor<B>(builder: Builder<'_>, body: &B, descriptor: OwnedFd) -> io::Result<Message>
where
    B: Serialize + DynamicType,
{
    let encoded = to_bytes(Context::new_dbus(NATIVE_ENDIAN, 0), body)
        .map_err(|error| failed(error.into()))?;
    let signature = body.signature().to_string_no_parens();
    // SAFETY: the bytes are the body's own encoding, in the byte order that messages are built in and from an offset
    // that is a multiple of 8 as in the message; the signature is the body's.
    let message = unsafe {
        builder.build_raw_body(encoded.bytes(), signature.as_str(), vec![descriptor.into()])
    };
    message.map_err(failed)
}

/// Sends a call that was built by hand, and waits for its answer.
async fn answer_to(connection: &Connection, message: &Message) -> zbus::Result<Message> {
    let serial = message.primary_header().serial_num();
    let mut stream = MessageStream::from(connection);
    connection.send(message).await?;
    while let Some(received) = stream.next().await {
        let received = received?;
        if received.header().reply_serial() != Some(serial) {
            continue;
        }
        return match received.message_type() {
            Type::Error => Err(received.into()),
            Type::MethodCall | Type::MethodReturn | Type::Signal => Ok(received),
        };
    }
    Err(zbus::Error::Failure("the bus is gone".to_owned()))
}

/// Waits for an answer, but not for ever.
async fn in_time<T>(
    answer: impl Future<Output = zbus::Result<T>>,
    patience: Duration,
) -> io::Result<T> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "{} gave no answer within {} s",
                names::NETCFG,
                patience.as_secs()
            ),
        )),
    }
}

fn failed(error: zbus::Error) -> io::Error {
    let zbus::Error::MethodError(name, text, _) = &error else {
        return io::Error::other(error);
    };
    let text = text.as_deref().unwrap_or(name.as_str());
    let text = text.strip_prefix("GDBus.Error:").unwrap_or(text);
    if name.ends_with(".AccessDenied") {
        let text = format!("{text} (only the account of the stock services may)");
        io::Error::new(io::ErrorKind::PermissionDenied, text)
    } else if name.ends_with(".UnknownObject") || name.ends_with(".UnknownMethod") {
        io::Error::new(io::ErrorKind::NotFound, text.to_owned())
    } else {
        io::Error::other(text.to_owned())
    }
}

/// Up to this version `AddNetworks` takes no metric.
const LAST_PLAIN: u32 = 25;
const DEFAULT_METRIC: i32 = -1;
/// The service may have to be started first.
const PATIENCE: Duration = Duration::from_secs(10);
/// While it wakes up.
const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// DNS is set up within that call, by a service that may have to be started first.
const ESTABLISHING: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_release() {
        use NetworksForm::{Metric, Plain};
        for (version, form) in [
            ("v24.1", Some(Plain)),
            ("v25", Some(Plain)),
            ("v26", Some(Metric)),
            ("v27.1", Some(Metric)),
            ("v26_beta", Some(Metric)),
            ("git:master:0123456789ab", None),
            ("", None),
        ] {
            assert_eq!(NetworksForm::of_version(version), form, "{version}");
        }
    }

    #[test]
    fn the_form_is_read_from_the_description_of_that_method_alone() {
        let method = |name: &str, form: &str| {
            format!("<method name=\"{name}\"><arg type=\"{form}\"/></method>")
        };
        let other = method("Other", "a(subb)");

        let metric = format!("{other}{}{other}", method("AddNetworks", "a(suibb)"));
        let plain = method("AddNetworks", "a(subb)");

        assert_eq!(
            NetworksForm::of_description(&metric),
            Some(NetworksForm::Metric)
        );
        assert_eq!(
            NetworksForm::of_description(&plain),
            Some(NetworksForm::Plain)
        );
        assert_eq!(NetworksForm::of_description(&other), None);
    }

    #[test]
    fn a_metric_beyond_all_bounds_is_the_default_one() {
        let network = Network {
            address: "10.0.0.0".parse().unwrap(),
            prefix: 8,
            metric: Some(u32::MAX),
            excluded: false,
        };
        assert_eq!(
            network.with_metric(),
            ("10.0.0.0".to_owned(), 8, -1, false, false)
        );
    }
}
