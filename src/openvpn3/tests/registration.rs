//! How a session asks to be registered where the log service does not run yet.

use crate::bus::names;
use crate::log::bus_layer::bus_layer;
use crate::openvpn3::log_signal::{LogGroup, LogSource};
use crate::openvpn3::session_object::SessionObject;
use tokio::sync::mpsc;

use crate::testing::bus::{FakeBus, on_one_thread};

const MANAGER: &str = ":1.2";
const LOG: &str = ":1.3";

#[test]
fn a_log_service_that_does_not_run_is_started_before_the_session_manager_is_asked() {
    on_one_thread(async {
        let (mut bus, connection) = FakeBus::with(&[(names::SESSIONS, MANAGER)]).await;
        let (calls_in, _calls) = mpsc::channel(16);
        let (_layer, records) = bus_layer(3);
        let source = LogSource {
            path: names::SESSION_PATH,
            group: LogGroup::Client,
            session_token: Some("tok".to_owned()),
        };
        let (mut object, _announcer) =
            SessionObject::export(&connection, calls_in, records, source)
                .await
                .expect("exported");
        let registering = async {
            let asked = object.register("net.openvpn.v3.backends.be7", "tok", 7);
            asked.await.expect("asked for");
        };
        let answering = async {
            let attach = bus.next().await;
            assert_eq!(attach.header().member().expect("a call"), "Attach");
            bus.change_owner(names::LOG, Some(LOG)).await;
            bus.answer(&attach, &()).await;
            let attach = bus.expect("Attach").await;
            bus.answer(&attach, &()).await;
            let request = bus.next().await;
            assert_eq!(
                request.header().member().expect("a signal"),
                "RegistrationRequest"
            );
        };
        tokio::join!(registering, answering);
        tokio::task::spawn_local(object.serve());
        // It listens already: the change of its name is no reason to ask it again.
        let again = tokio::time::timeout(std::time::Duration::from_millis(300), bus.next());
        assert!(again.await.is_err());
    });
}
