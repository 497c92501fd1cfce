//! The questions at the end of a chapter: three, each with a hidden answer that the tests prove.
//!
//! Runs nothing. An answer is proved by commands whose output is shown, which are run with the rest of the document, or
//! by a test that it names; `names.rs` looks whether that is there.

use super::{blocks, names};

const OPENING: &str = "\n<details>\n<summary>Answer</summary>\n";

/// What is wrong with the questions of a document, each in a sentence.
pub fn wrong(document: &str) -> Vec<String> {
    let Some((_, section)) = document.split_once("\n## Questions\n") else {
        return vec!["the document has no questions".to_owned()];
    };
    let mut wrong = Vec::new();
    if section.contains("\n## ") {
        wrong.push("the questions are not the last part".to_owned());
    }
    let parts: Vec<_> = section.split(OPENING).collect();
    if parts.len() != 4 {
        wrong.push(format!("there are {} questions with a hidden answer, not 3", parts.len() - 1));
    }
    for (number, pair) in (1..).zip(parts.windows(2)) {
        let question = pair[0].rsplit("\n</details>\n").next().unwrap_or_default().trim();
        if !question.starts_with(&format!("{number}. "))
            || !question.ends_with(['?', ')'])
            || question.len() > 400
        {
            wrong.push(format!("question {number} has no number, no question mark or more than 400 bytes"));
        }
        match pair[1].split_once("\n</details>\n") {
            Some((answer, _)) if is_proved(answer) => {}
            Some(_) => wrong.push(format!("question {number}: the answer shows no output and names no test")),
            None => wrong.push(format!("question {number}: the answer has no end")),
        }
    }
    wrong
}

/// Whether an answer has commands with their output, or the name of a test.
fn is_proved(answer: &str) -> bool {
    let blocks = blocks::blocks(answer).unwrap_or_default();
    let shows = |language: &str| ["http", "json", "log", "text", "wire"].contains(&language);
    let is_run = blocks.windows(2).any(|pair| pair[0].language == "sh" && shows(&pair[1].language));
    is_run || !names::tests(answer).is_empty()
}

#[test]
fn are_three_and_each_answer_is_proved() {
    let answered = |number: u8, proof: &str| {
        format!("\n{number}. Why?\n\n<details>\n<summary>Answer</summary>\n\nSo. {proof}\n\n</details>\n")
    };
    let [test, run] = ["See `tests/gate.rs::opens`.", "\n\n```sh\nx\n```\n\n```text\ny\n```"];
    let three = [answered(1, test), answered(2, run), answered(3, test)].concat();
    let document = |questions: &str| format!("# 1. A chapter\n\n## Questions\n{questions}\nNext: another.\n");
    assert_eq!(wrong(&document(&three)), Vec::<String>::new());
    for (questions, sentence) in [
        ([answered(1, test), answered(2, test)].concat(), "there are 2 questions"),
        (three.clone() + &answered(4, test), "there are 4 questions"),
        (three.replace("2. Why?", "3. Why?"), "question 2 has no number"),
        (three.replace("3. Why?", "3. So."), "question 3 has no number, no question mark"),
        (three.replace(test, "I say so."), "question 1: the answer shows no output and names no test"),
        (three.replace("```text\ny\n```", ""), "question 2: the answer shows no output"),
        (three.clone() + "\n## More\n", "the questions are not the last part"),
    ] {
        let found = wrong(&document(&questions));
        assert!(found.iter().any(|why| why.contains(sentence)), "{sentence}: {found:?}");
    }
    assert_eq!(wrong("# 1. A chapter\n"), ["the document has no questions"]);
}
