//! What `make bench` makes of its figures. The bench itself isn't run here: no test asserts a time.

mod chart;
mod figures;
mod people;
mod table;

use std::fs;

use figures::{Spread, ratio, short};
use table::{Better, EPICME, HYPER, LIMIT, Outcome, RMCP, Row};

fn row(work: &str, better: Better, rounds: [&[f64]; 4]) -> Row {
    let outcomes = rounds.map(|rounds| match rounds {
        [] => Outcome::Absent,
        rounds => Outcome::Rounds(rounds.to_vec()),
    });
    Row { work: work.to_owned(), unit: "CPU µs", better, aim: "", outcomes }
}

#[test]
fn takes_the_middle_of_the_rounds_and_their_middle_half() {
    assert_eq!(Spread::of(&[]), None);
    assert_eq!(Spread::of(&[7.0]), Some(Spread { low: 7.0, median: 7.0, high: 7.0 }));
    let spread = Spread::of(&[5.0, 1.0, 3.0, 4.0, 2.0]).expect("five values");
    assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
    assert!((spread.noise() - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(Spread::of(&[1.0, 2.0]), Some(Spread { low: 1.25, median: 1.5, high: 1.75 }));
}

/// In the second round the machine was slow, for both.
#[test]
fn compares_the_two_of_each_round() {
    let found = ratio(&[20.0, 80.0, 21.0], &[10.0, 40.0, 10.0]).expect("three pairs");
    assert_eq!((found.low, found.median), (2.0, 2.0));
}

#[test]
fn shows_three_digits_that_count() {
    let shown = [0.0, 0.0123, 0.98765, 9.876, 98.76, 987.6, 54_321.0, 1_234_567.0].map(short);
    assert_eq!(shown, ["0", "0.012", "0.988", "9.88", "98.8", "988", "54,321", "1,234,567"]);
}

#[test]
fn writes_a_line_for_each_kind_of_work() {
    let mut reads = row("a read", Better::Less, [&[20.0, 22.0, 24.0], &[10.0; 3], &[40.0; 3], &[]]);
    reads.aim = "≤ 2";
    let mut writes = row("a write", Better::More, [&[50.0], &[100.0], &[], &[]]);
    writes.outcomes[RMCP] = Outcome::Failed;
    writes.outcomes[HYPER] = Outcome::NotMeasured;
    let text = table::markdown(&[reads, writes]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "| work | unit | epicme | limit | rmcp + axum | hyper | epicme : limit | epicme : rmcp | aim |"
    );
    assert_eq!(
        lines[2],
        "| a read | CPU µs ↓ | 22.0 | 10.0 | 40.0 | – | 2.20 (2.10–2.30) | 0.550 (0.525–0.575) | ≤ 2 |"
    );
    assert_eq!(lines[3], "| a write | CPU µs ↑ | 50.0 | 100 | fails | not measured | 0.500 | – |  |");
    assert!(lines[5].starts_with("Noise: ") && lines[5].contains("± 2 %"), "{}", lines[5]);
    assert!(lines[..4].iter().all(|line| line.matches('|').count() == 10));
}

#[test]
fn says_how_many_times_the_limit_a_server_needs() {
    let reads = row("a read", Better::Less, [&[20.0], &[10.0], &[40.0], &[]]);
    let writes = row("a write", Better::More, [&[50.0], &[100.0], &[25.0], &[]]);
    for row in [reads, writes] {
        let times = [EPICME, LIMIT, RMCP, HYPER].map(|server| row.times_the_limit(server));
        assert_eq!(times, [Some(2.0), Some(1.0), Some(4.0), None]);
    }
}

#[test]
fn replaces_what_stands_between_two_markers_and_nothing_else() {
    let document = "a\n<!-- table -->\nold\n<!-- end of table -->\nb\n";
    let new = table::put(document, "table", "new\n\n").expect("both markers");
    assert_eq!(new, "a\n<!-- table -->\n\nnew\n\n<!-- end of table -->\nb\n");
    assert_eq!(table::put(&new, "table", "new"), Some(new.clone()));
    assert_eq!(table::put(document, "people", "new"), None);
    assert_eq!(table::put("<!-- end of table -->\n<!-- table -->\n", "table", "new"), None);
}

/// The numbers of an attribute in a drawing, such as `x="1.5"`.
fn numbers(svg: &str, element: &str, attribute: &str) -> Vec<f64> {
    let element = format!("<{element} class=");
    let values = svg.split(&element).skip(1).map(|text| {
        let value = text.split_once(&format!(" {attribute}=\"")).expect("it has one").1;
        value.split('"').next().expect("its text").parse().expect("a number")
    });
    values.collect()
}

#[test]
fn draws_each_server_from_the_limit_to_its_multiple() {
    let rows = [
        row("a < b", Better::Less, [&[20.0], &[10.0], &[40.0], &[5.0]]),
        row("without a limit", Better::Less, [&[20.0], &[], &[], &[]]),
        row("far beyond", Better::Less, [&[9_000.0], &[10.0], &[], &[]]),
    ];
    let svg = chart::svg(&rows);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("a &lt; b") && !svg.contains("without a limit"));
    assert!(svg.contains("prefers-color-scheme: dark"));
    // Three bars of the first row, one of the third; the legend's squares have no decimals in their places.
    let widths = numbers(&svg, "rect", "width");
    let bars = &widths[3..];
    assert_eq!(bars.len(), 4, "{widths:?}");
    assert!((bars[1] - 2.0 * bars[0]).abs() < 0.2, "four times is twice as far as two times: {bars:?}");
    assert!((bars[2] - bars[0]).abs() < 0.2, "half is as far as two times, the other way: {bars:?}");
    let (x, width) = (numbers(&svg, "rect", "x"), widths[6]);
    assert!(x[5] < x[3], "less than the limit lies before it");
    assert!(x[6] + width <= 736.1, "what is far beyond ends at the edge");
    assert!(svg.contains(">900<"), "and its figure stands beside");
    let heights = numbers(&svg, "rect", "y");
    assert!(heights.is_sorted(), "{heights:?}");
}

fn rows_for_people() -> Vec<Row> {
    let figures = [
        (people::GET, 20.0),
        (people::LIST, 60.0),
        (people::SEARCH, 500.0),
        (people::CREATE, 20_000.0),
        (people::CONNECTIONS, 4_000.0),
        (people::IDLE_READ, 32.0),
    ];
    figures.map(|(work, value)| row(work, Better::Less, [&[value], &[], &[], &[]])).into()
}

#[test]
fn computes_how_many_people_one_host_carries() {
    let text = people::carried(&rows_for_people(), 2).expect("all figures");
    // (6 × 20 + 2 × 60 + 500 + 100) / 10
    assert!(text.contains("= 84.0 µs"), "{text}");
    assert!(text.contains("**119,047 conversations**"), "{text}");
    assert!(text.contains("**1,000,000 conversations**"), "{text}");
    assert!(text.contains("set by the number of connections: 4,000 conversations"), "{text}");
    assert!(text.contains("**40,000 people**") && text.contains("= 125 MiB"), "{text}");
}

#[test]
fn computes_no_people_without_every_figure() {
    for missing in 0..rows_for_people().len() {
        let mut rows = rows_for_people();
        rows[missing].outcomes[EPICME] = Outcome::Failed;
        assert_eq!(people::carried(&rows, 2), None);
    }
}

#[test]
fn finds_the_places_for_its_figures_in_the_document() {
    let document = fs::read_to_string("docs/performance.md").expect("the document");
    for name in ["table", "people"] {
        assert!(
            table::put(&document, name, "figures").is_some(),
            "docs/performance.md has no markers of {name}"
        );
    }
    assert!(document.contains("](performance.svg)"), "the chart is shown");
    assert!(fs::read_to_string("docs/performance.svg").expect("the chart").starts_with("<svg "));
}
