//! The chart of one run, as SVG: for each kind of work how many times the limit a server needs. It knows the table's
//! rows and draws nothing that isn't in them.

use std::fmt::Write;

use super::figures::short;
use super::table::{EPICME, HYPER, RMCP, Row, SERVERS};

const WIDTH: f64 = 800.0;
/// Where the names end, where the scale begins and where it ends.
const NAMES: f64 = 318.0;
const LEFT: f64 = 336.0;
const RIGHT: f64 = 736.0;
const TOP: f64 = 64.0;
const BAR: f64 = 9.0;
const GAP: f64 = 12.0;
/// The ends of the scale; what lies beyond ends at its edge, and its figure says where it would be.
const LEAST: f64 = 0.5;
const MOST: f64 = 16.0;
/// The servers that are drawn, and their classes in the style.
const DRAWN: [(usize, &str); 3] = [(EPICME, "a"), (RMCP, "b"), (HYPER, "c")];
/// The colours are readable on white and on black; the texts follow what the reader's device prefers.
const STYLE: &str =
    "text { font: 13px sans-serif; fill: #1f2328 } .n { text-anchor: end } .s { font-size: 11px }
    .m { text-anchor: middle } .g { stroke: #8886; stroke-width: 1 } .l { stroke: #888; stroke-width: 2 }
    .a { fill: #2f7ff0 } .b { fill: #c98a1b } .c { fill: #8a8f98 }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }";

/// Draws the rows in which epicme has a limit; the others have nothing to be compared with.
pub fn svg(rows: &[Row]) -> String {
    let rows: Vec<_> = rows.iter().filter(|row| row.times_the_limit(EPICME).is_some()).collect();
    let mut bars = String::new();
    let mut y = TOP;
    for row in rows {
        let start = y;
        for (server, class) in DRAWN {
            let Some(times) = row.times_the_limit(server) else { continue };
            let (from, to) = (place(1.0).min(place(times)), place(1.0).max(place(times)));
            let length = (to - from).max(2.0);
            bars += &format!(
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\"/>\n"
            );
            let (beside, middle) = (from + length + 4.0, y + BAR - 0.5);
            bars +=
                &format!("<text class=\"s\" x=\"{beside:.1}\" y=\"{middle:.1}\">{}</text>\n", short(times));
            y += BAR + 2.0;
        }
        let middle = f64::midpoint(start, y) + 3.0;
        let name = escaped(&row.work);
        bars += &format!("<text class=\"n\" x=\"{NAMES}\" y=\"{middle:.1}\">{name}</text>\n");
        y += GAP;
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\">\n\
         <title>How many times the limit each server needs; shorter is better</title>\n<style>{STYLE}</style>\n",
        y + 24.0
    );
    let mut x = LEFT;
    for (server, class) in DRAWN {
        let name = SERVERS[server];
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"12\" width=\"12\" height=\"12\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"23\">{name}</text>", x + 18.0);
        x += 40.0 + 8.0 * name.len() as f64;
    }
    let mut tick = LEAST;
    while tick <= MOST {
        let (x, class) = (place(tick), if tick == 1.0 { "l" } else { "g" });
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{y:.1}\"/>",
            TOP - 8.0
        );
        let label = if tick == 1.0 { "the limit".to_owned() } else { format!("× {tick}") };
        let _ = writeln!(svg, "<text class=\"m s\" x=\"{x:.1}\" y=\"{}\">{label}</text>", TOP - 14.0);
        tick *= 2.0;
    }
    svg + &bars + "</svg>\n"
}

/// Where a factor lies on the scale, each doubling the same way further.
fn place(times: f64) -> f64 {
    let part = (times.clamp(LEAST, MOST) / LEAST).log2() / (MOST / LEAST).log2();
    LEFT + part * (RIGHT - LEFT)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
