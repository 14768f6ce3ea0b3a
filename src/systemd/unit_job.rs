//! Whether systemd has a job for a unit.

use zbus::zvariant::{OwnedValue, Structure, Value};
use zbus::{Connection, Proxy};

use crate::bus::names;
use crate::systemd::manager::unit_path;

/// Whether the unit is being started, stopped or restarted because somebody asked for it.
///
/// # Errors
///
/// If systemd cannot be asked.
pub async fn has_job(bus: &Connection, unit: &str) -> zbus::Result<bool> {
    let proxy = Proxy::new(
        bus,
        names::SYSTEMD,
        unit_path(unit),
        "org.freedesktop.systemd1.Unit",
    )
    .await?;
    let job: OwnedValue = proxy.get_property("Job").await?;
    let number = Structure::try_from(Value::from(job)).ok().and_then(|job| {
        job.fields()
            .first()
            .and_then(|number| u32::try_from(number).ok())
    });
    Ok(number.is_some_and(|number| number != 0))
}
