//! The queue answers as callers of the bus expect.

use super::*;

const USER_PASSWORD: u32 = InputGroup::UserPassword as u32;

fn asked() -> UserInputQueue {
    let mut queue = UserInputQueue::default();
    queue.ask_username();
    queue.ask_password();
    queue.ask(
        InputGroup::StaticChallenge,
        STATIC_CHALLENGE,
        "PIN?",
        Visibility::Shown,
    );
    queue
}

#[test]
fn questions_are_numbered_within_their_group() {
    let queue = asked();
    assert_eq!(queue.type_groups(), [(1, 1), (1, 4)]);
    assert_eq!(queue.check(1, 1), [0, 1]);
    assert_eq!(queue.check(1, 4), [0]);
    let password = queue.fetch(1, 1, 1).unwrap();
    assert_eq!(password.name, "password");
    assert_eq!(password.visibility, Visibility::Hidden);
}

#[test]
fn an_unknown_pair_has_no_questions_and_is_no_error() {
    assert!(asked().check(1, 7).is_empty());
    assert!(asked().check(2, 1).is_empty());
    assert_eq!(asked().fetch(2, 1, 0), Err(InputError::NotFound));
}

#[test]
fn errors_come_in_the_documented_order() {
    let mut queue = asked();
    let some = SecretText::from("x");
    let none = SecretText::from("");
    let empty = queue.provide(1, 99, 3, &none).unwrap_err();
    assert!(empty.to_string().contains("No value provided for"));
    assert_eq!(queue.provide(1, 99, 3, &some), Err(InputError::NotRequired));
    assert!(queue.provide(1, USER_PASSWORD, 0, &some).is_ok());
    assert_eq!(
        queue.provide(1, USER_PASSWORD, 0, &some),
        Err(InputError::AnsweredTwice(0))
    );
    assert_eq!(
        queue.provide(1, USER_PASSWORD, 9, &some),
        Err(InputError::Unknown(9))
    );
    assert!(queue.provide(1, USER_PASSWORD, 1, &some).is_ok());
    assert_eq!(
        queue.provide(1, USER_PASSWORD, 1, &some),
        Err(InputError::NotRequired)
    );
    assert_eq!(
        queue.fetch(1, USER_PASSWORD, 1),
        Err(InputError::AlreadyAnswered(1))
    );
}

#[test]
fn an_empty_answer_leaves_the_question_open() {
    let mut queue = UserInputQueue::default();
    queue.ask_passphrase();
    assert!(queue.provide(1, 3, 0, &SecretText::from("")).is_err());
    assert!(!queue.is_complete());
    assert!(queue.provide(1, 3, 0, &SecretText::from("p")).is_ok());
    assert!(queue.is_complete());
}

#[test]
fn an_empty_queue_is_complete() {
    assert!(UserInputQueue::default().is_complete());
}

#[test]
fn answers_lose_control_characters_and_keep_the_rest() {
    let mut queue = UserInputQueue::default();
    queue.ask_passphrase();
    let value = SecretText::from("gr\u{fc}n\r\n\t\u{1f511}");
    let (name, answer) = queue.provide(1, 3, 0, &value).unwrap();
    assert_eq!((name, answer.expose()), (PASSPHRASE, "gr\u{fc}n\u{1f511}"));
}

#[test]
fn the_newest_challenge_counts_and_its_cookie_is_never_asked_for() {
    let mut queue = UserInputQueue::default();
    let challenge = |state_id: &str| DynamicChallenge {
        echo: true,
        response_required: true,
        state_id: state_id.to_owned(),
        username: "u".to_owned(),
        text: "code?".to_owned(),
    };
    queue.ask_dynamic_challenge(&challenge("first"));
    assert_eq!(queue.check(1, 5), [0]);
    assert!(queue.provide(1, 5, 0, &SecretText::from("1")).is_ok());
    queue.ask_dynamic_challenge(&challenge("second"));
    assert_eq!(queue.check(1, 5), [2]);
}

#[test]
fn a_withdrawn_question_holds_nobody_up() {
    let mut queue = UserInputQueue::default();
    queue.ask_pending("code?", Visibility::Shown);
    queue.withdraw(InputGroup::AuthPending);
    assert!(queue.is_complete());
    assert!(queue.type_groups().is_empty());
    queue.ask_pending("code?", Visibility::Shown);
    assert_eq!(queue.check(1, 6), [1], "numbers are never used again");
}
