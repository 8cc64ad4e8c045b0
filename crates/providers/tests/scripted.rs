//! Conversations with the scripted model, as tables: what the caller says, what the agent answers.

use std::sync::Arc;

use call::{Message, Prompt};
use providers::local::{Action, Answer, Script};

/// Holds a conversation and gives the answer to each line.
fn converse(script: &Script, lines: &[&str]) -> Vec<Answer> {
    let mut messages = Vec::new();
    lines
        .iter()
        .map(|line| {
            messages.push(Message::Caller((*line).to_owned()));
            let answer = script.answer(&Prompt {
                system: String::new(),
                messages: messages.clone(),
                tools: Arc::default(),
            });
            messages.push(Message::agent(answer.text.clone()));
            answer
        })
        .collect()
}

#[track_caller]
fn check(script: &Script, talk: &[(&str, &str)]) {
    let lines: Vec<&str> = talk.iter().map(|(line, _)| *line).collect();
    for (answer, (line, wanted)) in converse(script, &lines).iter().zip(talk) {
        assert_eq!(answer.text, *wanted, "after \"{line}\"");
    }
}

const HOURS: &str =
    "Monday to Friday from nine in the morning to six in the evening, and Saturday from ten to two";
const DAY: &str = "Which day would suit you?";
const TIME: &str = "At what time, in the morning or in the afternoon?";

#[test]
fn questions_are_answered_whatever_surrounds_them() {
    let desk = Script::reception();
    let open = format!("We are open {HOURS}.");
    for line in [
        "What are your opening hours?",
        "um so what are your hours please",
        "WHEN ARE YOU OPEN",
        "hello, could you tell me when do you open",
    ] {
        assert_eq!(converse(&desk, &[line])[0].text, open, "{line}");
    }
    check(
        &desk,
        &[
            ("opening hours", &open),
            ("opening hours", &format!("Our opening hours are {HOURS}.")),
            ("opening hours", &format!("Our opening hours are {HOURS}.")),
            ("how much does it cost", "A first visit costs five hundred rupees."),
            ("where are you", "We are at twelve Park Street, next to the post office."),
        ],
    );
}

#[test]
fn a_slot_is_booked_step_by_step() {
    check(
        &Script::reception(),
        &[
            ("I want to book an appointment", &format!("Certainly. {DAY}")),
            ("on Monday please", TIME),
            ("at ten o'clock", "Shall I book Monday at ten in the morning?"),
            ("yes", "Your appointment is booked for Monday at ten in the morning. Is there anything else?"),
            ("no thank you", "All right. Say goodbye when you are done, or ask me something else."),
            ("goodbye", "Thank you for calling Sunrise Dental. Goodbye."),
        ],
    );
}

#[test]
fn what_was_said_already_is_not_asked() {
    let confirm = "Shall I book Friday at four in the afternoon?";
    check(
        &Script::reception(),
        &[
            (
                "can i book an appointment for friday at four in the afternoon",
                &format!("Certainly. {confirm}"),
            ),
            ("no at five", "Shall I book Friday at five in the afternoon?"),
            ("no that's wrong", &format!("All right, let us start again. {DAY}")),
            ("friday at four", confirm),
            (
                "that's right",
                "Your appointment is booked for Friday at four in the afternoon. Is there anything else?",
            ),
        ],
    );
}

#[test]
fn a_form_can_be_interrupted_and_left() {
    check(
        &Script::reception(),
        &[
            ("book an appointment", &format!("Certainly. {DAY}")),
            ("what are your opening hours", &format!("We are open {HOURS}. {DAY}")),
            ("i don't know", &format!("Sorry, I did not catch that. {DAY}")),
            ("tuesday", TIME),
            ("say that again", TIME),
            ("never mind", "All right, I have left that. What else can I do for you?"),
            ("tuesday", "Sorry, I did not catch that."),
            ("book an appointment", &format!("Certainly. {DAY}")),
        ],
    );
}

#[test]
fn repeating_says_the_last_answer_again() {
    let open = format!("We are open {HOURS}.");
    check(
        &Script::reception(),
        &[
            ("repeat that please", "Sorry, I did not catch that."),
            ("opening hours", &open),
            ("can you repeat that again", &open),
            ("say that again please", &open),
        ],
    );
}

#[test]
fn not_understanding_grows_more_helpful_and_ends() {
    let desk = Script::reception();
    let answers = converse(&desk, &["qwerty"; 5]);
    let texts: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(texts[0], "Sorry, I did not catch that.");
    assert!(texts[1].starts_with("I still did not understand."));
    assert_eq!(texts[2], texts[3]);
    assert_eq!(answers[3].action, None);
    assert_eq!(answers[4].action, Some(Action::EndCall));
    let answers = converse(&desk, &["qwerty", "qwerty", "opening hours", "qwerty"]);
    assert_eq!(answers[3].text, "Sorry, I did not catch that.", "an answer makes a new start");
}

#[test]
fn goodbye_hangs_up_after_its_words() {
    for line in ["goodbye", "no thank you goodbye", "that's all thank you", "Bye!"] {
        let answer = &converse(&Script::reception(), &[line])[0];
        assert_eq!(answer.action, Some(Action::EndCall), "{line}: {answer:?}");
        assert!(answer.text.ends_with("Goodbye."), "{line}");
    }
}

#[test]
fn odd_prompts_have_an_answer() {
    let desk = Script::reception();
    let ask = |messages: Vec<Message>| {
        desk.answer(&Prompt { system: "be kind".to_owned(), messages, tools: Arc::default() })
    };
    assert_eq!(ask(Vec::new()).text, "Sorry, I did not catch that.");
    let agent = Message::agent("opening hours");
    assert_eq!(ask(vec![agent]).text, "Sorry, I did not catch that.", "the agent's words ask nothing");
    let long = Message::Caller("word ".repeat(100_000));
    assert_eq!(ask(vec![long; 300]).action, Some(Action::EndCall));
    for text in ["", "   ", "{day}", "[[[(((|||", "\u{0}\u{202e}", "हाँ जी"] {
        let message = Message::Caller(text.to_owned());
        assert_eq!(ask(vec![message]).text, "Sorry, I did not catch that.", "{text:?}");
    }
}

const SMALL: &str = r#"
[variables]
shop = "the shop"
[slots.day]
ask = "Which day?"
values = ["monday", { say = "Tuesday", heard = ["tuesday"] }]
[[intents]]
name = "visit"
when = ["visit [on {day}]"]
form = "visit"
[forms.visit]
slots = ["day"]
done = "See you at {shop} on {day}."
[fallback]
say = ["What?"]
"#;

#[test]
fn a_form_without_confirmation_ends_when_it_is_full() {
    let script = Script::parse(SMALL).unwrap();
    check(
        &script,
        &[("visit", "Which day?"), ("monday", "See you at the shop on monday."), ("monday", "What?")],
    );
    check(&script, &[("visit on tuesday", "See you at the shop on Tuesday.")]);
    assert_eq!(
        script.phrases()[..3],
        ["visit [on (monday|tuesday)]".to_owned(), "monday".to_owned(), "tuesday".to_owned()]
    );
}

#[test]
fn a_broken_script_is_refused_with_its_place() {
    for (from, to, wanted) in [
        ("[fallback]", "[fall_back]", "unknown field `fall_back`"),
        ("say = [\"What?\"]", "say = []", "in fallback: `say` is empty"),
        ("[slots.day]", "[slots.days]", "in forms.visit: there is no [slots.day]"),
        ("form = \"visit\"", "form = \"visti\"", "in intent visit: there is no [forms.visti]"),
        ("[on {day}]", "[on {day}", "in intent visit: pattern"),
        ("{shop}", "{shpo}", "in forms.visit: {shpo} is neither a variable nor a slot"),
        ("shop = ", "day = \"x\"\nshop = ", "in slots.day: a variable has the same name"),
        ("name = \"visit\"\nwhen", "name = \"visit\"\nhwen", "unknown field `hwen`"),
        ("form = \"visit\"", "", "in intent visit: it has nothing to `say`"),
        ("[on {day}]", "[on {week}]", "in intent visit: {week} is used, but there is no [slots.week]"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let error = Script::parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{from} -> {to}: {error}");
    }
}
