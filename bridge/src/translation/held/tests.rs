//! What a held call asks, what it is told, and who may go on with it.

use serde_json::json;

use super::*;

fn salient(params: &str) -> Salient {
    Salient::of("tools/call", Some(params))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn responses(text: &str) -> Result<InputResponses, BadRetry> {
    InputResponses::read(Some(&format!("{{\"inputResponses\":{text}}}")))
}

#[test]
fn e8_a_state_is_good_for_its_own_request_and_once() {
    let (mut held, now) = (Held::default(), Instant::now());
    let (state, _) = held.hold("call", salient(r#"{"name":"t","arguments":{"a":1,"b":2}}"#), now, [7; 24]);
    let retry = r#"{"arguments":{"b":2,"a":1},"name":"t","inputResponses":{"q1":{}},"requestState":"s","_meta":{}}"#;
    let other = Salient::of("prompts/get", Some(retry));
    assert_eq!(held.take(&state, &salient(r#"{"name":"u","arguments":{"a":1,"b":2}}"#), now), Err(BadRetry::OfAnother));
    assert_eq!(held.take(&state, &other, now), Err(BadRetry::OfAnother));
    assert_eq!(held.take("forged", &salient(retry), now), Err(BadRetry::State));
    assert_eq!(held.take(&state, &salient(retry), now), Ok("call"));
    assert_eq!(held.take(&state, &salient(retry), now), Err(BadRetry::State), "used");
}

#[test]
fn e8_a_call_is_held_for_its_time_and_no_longer() {
    let (mut held, now) = (Held::default(), Instant::now());
    let (state, _) = held.hold(1, salient("{}"), now, [1; 24]);
    held.hold(2, salient("{}"), now + Duration::from_secs(1), [2; 24]);
    let late = now + HELD_FOR;
    assert_eq!(held.take(&state, &salient("{}"), late), Err(BadRetry::State));
    assert_eq!(held.expire(late), [1]);
    assert_eq!(held.expire(late), [] as [i32; 0]);
}

#[test]
fn e8_the_oldest_makes_room_where_too_many_are_held() {
    let (mut held, now) = (Held::default(), Instant::now());
    for nth in 0..MOST_HELD {
        let random = [u8::try_from(nth).unwrap(); 24];
        assert_eq!(held.hold(nth, salient("{}"), now, random).1, None);
    }
    assert_eq!(held.hold(MOST_HELD, salient("{}"), now, [255; 24]).1, Some(0));
}

#[test]
fn e8_questions_go_under_keys_of_ours_without_what_only_the_server_knows() {
    let mut questions = Questions::default();
    let url =
        r#"{"mode":"url","elicitationId":"e","url":"https://a.example","message":"m","_meta":{"progressToken":1}}"#;
    assert!(questions.ask("\"s-1\"", "elicitation/create", Some(url)));
    assert!(questions.ask("2", "sampling/createMessage", Some(r#"{"maxTokens":1.0,"task":{},"_meta":{"x":1}}"#)));
    assert!(questions.ask("3", "roots/list", None));
    let asked = questions.input_requests();
    assert!(asked.contains(r#""maxTokens":1.0"#), "to the letter: {asked}");
    assert_eq!(
        value(&asked),
        json!({
            "q1": {"method": "elicitation/create",
                "params": {"mode": "url", "url": "https://a.example", "message": "m"}},
            "q2": {"method": "sampling/createMessage", "params": {"maxTokens": 1.0, "_meta": {"x": 1}}},
            "q3": {"method": "roots/list"},
        })
    );
    let line = String::from_utf8(input_required("7", &asked, "st")).unwrap();
    assert_eq!(value(&line)["result"]["resultType"], "input_required");
    assert_eq!(value(&line)["result"]["requestState"], "st");
}

#[test]
fn e8_answers_go_under_the_ids_of_the_server_and_what_is_missing_is_asked_again() {
    let mut questions = Questions::default();
    questions.ask("\"s-1\"", "roots/list", None);
    questions.ask("1.0", "roots/list", None);
    questions.ask("3", "roots/list", None);
    let answers = questions.answer(&responses(r#"{"q2":{"roots":[ ]},"q9":{},"x":{}}"#).unwrap());
    assert_eq!(answers, [br#"{"jsonrpc":"2.0","id":1.0,"result":{"roots":[ ]}}"#.to_vec()]);
    assert!(questions.withdraw("3") && !questions.withdraw("3"));
    assert_eq!(value(&questions.input_requests()), json!({"q1": {"method": "roots/list"}}));
    questions.ask("4", "roots/list", None);
    assert_eq!(questions.answer(&responses(r#"{"q1":{},"q2":{},"q4":{}}"#).unwrap()).len(), 2, "no key twice");
    assert!(questions.is_empty());
}

#[test]
fn e8_a_server_that_asks_without_end_fills_no_memory() {
    let mut questions = Questions::default();
    let asked = (0..2 * MOST_QUESTIONS).filter(|id| questions.ask(&id.to_string(), "roots/list", None)).count();
    assert_eq!(asked, MOST_QUESTIONS);
}

#[test]
fn e8_answers_that_are_no_results_are_refused() {
    for text in ["[]", "1", r#"{"q1":1}"#, r#"{"q1":null}"#] {
        assert_eq!(responses(text), Err(BadRetry::Responses), "{text}");
    }
    assert_eq!(InputResponses::read(Some("{}")), Ok(InputResponses::default()));
}

#[test]
fn e8_a_retry_is_known_by_its_state() {
    assert_eq!(request_state(None), Ok(None));
    assert_eq!(request_state(Some(r#"{"inputResponses":{}}"#)), Ok(None));
    assert_eq!(request_state(Some(r#"{"requestState":"a\u0062"}"#)), Ok(Some("ab".to_owned())));
    assert_eq!(request_state(Some(r#"{"requestState":1}"#)), Err(BadRetry::State));
}

#[test]
fn e8_urls_that_must_be_visited_become_questions() {
    let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32042, "message": "m", "data": {"elicitations": [
        {"mode": "url", "elicitationId": "e", "url": "https://a.example", "message": "visit"}, {"odd": 1}]}}});
    assert_eq!(
        value(&urls_to_visit(error.to_string().as_bytes()).unwrap()),
        json!({"q1": {"method": "elicitation/create",
            "params": {"mode": "url", "url": "https://a.example", "message": "visit"}}})
    );
    assert_eq!(urls_to_visit(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"m"}}"#), None);
}
