//! Methods of the session's object: the call to a question for the session loop, and what it tells to the answer.

use zbus::Message;
use zbus::zvariant::OwnedObjectPath;

use crate::bus::names;
use crate::control::call::{Ask, Confirmation, Told};
use crate::openvpn3::error::BusError;
use crate::openvpn3::object::{arguments, reply};
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::{Answer, CREDENTIALS, Question, Refusal, Request, Visibility};

/// What a method call asks for.
///
/// # Errors
///
/// If there is no such method, or its arguments have other types.
pub fn ask(member: &str, call: &Message) -> Result<Ask, BusError> {
    match member {
        "RegistrationConfirmation" => confirm(call),
        "Pause" => Ok(Ask::Request(Request::Pause {
            reason: arguments::<String>(call)?,
        })),
        "UserInputQueueFetch" => {
            let (kind, group, slot_id) = arguments(call)?;
            Ok(Ask::InputFetch {
                kind,
                group,
                slot_id,
            })
        }
        "UserInputQueueCheck" => {
            let (kind, group) = arguments(call)?;
            Ok(Ask::InputCheck { kind, group })
        }
        "UserInputProvide" => {
            let (kind, group, number, value) = arguments::<(u32, u32, u32, String)>(call)?;
            Ok(Ask::Request(Request::ProvideInput(Answer {
                kind,
                group,
                number,
                value: SecretText::new(value),
            })))
        }
        other => {
            let ask = without_arguments(other)
                .ok_or_else(|| BusError::unknown_method(names::BACKENDS_INTERFACE, other))?;
            arguments::<()>(call)?;
            Ok(ask)
        }
    }
}

/// What is told when the session loop has ended: an end is granted, everything else comes too late.
///
/// # Errors
///
/// [`Refusal::Leaving`].
pub const fn told_at_the_end(ask: &Ask) -> Result<Told, Refusal> {
    match ask {
        Ask::Ping | Ask::Pulse | Ask::Request(Request::Disconnect | Request::ForceShutdown) => {
            Ok(Told::Done)
        }
        Ask::Confirm(_)
        | Ask::Count
        | Ask::InputCheck { .. }
        | Ask::InputFetch { .. }
        | Ask::InputGroups
        | Ask::Ready
        | Ask::Request(_)
        | Ask::View => Err(Refusal::Leaving),
    }
}

/// The answer to a call of `member`.
///
/// # Errors
///
/// If it cannot be written.
pub fn answer(member: &str, call: &Message, told: &Told) -> zbus::Result<Message> {
    match told {
        Told::Done if member == "Ping" => reply(call, &true),
        Told::Done | Told::View(_) => reply(call, &()),
        Told::Groups(groups) => reply(call, groups),
        Told::Name(name) => reply(call, name),
        Told::Question(question) => reply(call, &fetched(question)),
        Told::Slots(slots) => reply(call, slots),
    }
}

/// The running session managers send the session's path between token and profile; the published form lacks it.
fn confirm(call: &Message) -> Result<Ask, BusError> {
    type Running = (String, OwnedObjectPath, OwnedObjectPath);
    type Published = (String, OwnedObjectPath);
    if let Ok((token, config_path)) = arguments::<Published>(call) {
        return Ok(Ask::Confirm(Confirmation {
            token,
            session_path: None,
            config_path: config_path.to_string(),
        }));
    }
    let (token, session_path, config_path) = arguments::<Running>(call)?;
    Ok(Ask::Confirm(Confirmation {
        token,
        session_path: Some(session_path.to_string()),
        config_path: config_path.to_string(),
    }))
}

fn without_arguments(member: &str) -> Option<Ask> {
    Some(match member {
        "Connect" => Ask::Request(Request::Connect),
        "Disconnect" => Ask::Request(Request::Disconnect),
        "ForceShutdown" => Ask::Request(Request::ForceShutdown),
        "Ping" => Ask::Ping,
        "Ready" => Ask::Ready,
        "Restart" => Ask::Request(Request::Restart),
        "Resume" => Ask::Request(Request::Resume),
        "UserInputQueueGetTypeGroup" => Ask::InputGroups,
        _ => return None,
    })
}

fn fetched(question: &Question) -> (u32, u32, u32, &str, &str, bool) {
    (
        CREDENTIALS,
        question.group as u32,
        question.slot_id,
        question.name,
        &question.description,
        question.visibility == Visibility::Hidden,
    )
}

#[cfg(test)]
mod tests {
    use zbus::zvariant::ObjectPath;

    use super::*;
    use openvpn_engine::session::InputGroup;

    fn call<B>(member: &str, body: &B) -> Message
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        Message::method_call(names::SESSION_PATH, member)
            .unwrap()
            .build(body)
            .unwrap()
    }

    #[test]
    fn both_forms_of_the_confirmation_are_understood() {
        let path = |p: &'static str| ObjectPath::from_static_str(p).unwrap();
        let member = "RegistrationConfirmation";
        let running = call(member, &("t", path("/s"), path("/c")));
        let Ok(Ask::Confirm(Confirmation {
            session_path,
            config_path,
            ..
        })) = ask(member, &running)
        else {
            panic!("refused");
        };
        assert_eq!(session_path.as_deref(), Some("/s"));
        assert_eq!(config_path, "/c");
        let published = call(member, &("t", path("/c")));
        let Ok(Ask::Confirm(Confirmation {
            session_path,
            config_path,
            ..
        })) = ask(member, &published)
        else {
            panic!("refused");
        };
        assert_eq!(session_path, None);
        assert_eq!(config_path, "/c");
    }

    #[test]
    fn arguments_of_other_types_are_refused() {
        for (member, asked) in [
            ("Connect", call("Connect", &"x")),
            ("Pause", call("Pause", &1_u32)),
            (
                "UserInputQueueFetch",
                call("UserInputQueueFetch", &(1_u32, 1_u32)),
            ),
            (
                "RegistrationConfirmation",
                call("RegistrationConfirmation", &"t"),
            ),
        ] {
            let error = ask(member, &asked).unwrap_err();
            assert!(error.name.ends_with("InvalidArgs"), "{member}: {error:?}");
        }
        let unknown = ask("Explode", &call("Explode", &())).unwrap_err();
        assert!(unknown.name.ends_with("UnknownMethod"));
    }

    #[test]
    fn a_question_travels_with_six_parts() {
        let asked = call("UserInputQueueFetch", &(1_u32, 1_u32, 1_u32));
        let question = Question {
            group: InputGroup::UserPassword,
            slot_id: 1,
            name: "password",
            description: "Auth Password".to_owned(),
            visibility: Visibility::Hidden,
        };
        let message = answer("UserInputQueueFetch", &asked, &Told::Question(question)).unwrap();
        let body = message.body();
        assert_eq!(body.signature().to_string_no_parens(), "uuussb");
        let pong = answer("Ping", &call("Ping", &()), &Told::Done).unwrap();
        assert!(pong.body().deserialize::<bool>().unwrap());
    }
}
