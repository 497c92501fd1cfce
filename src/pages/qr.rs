//! A text as a QR code: inline SVG, which needs neither a script nor another request.
//!
//! Uses no service: what the code holds never leaves the page. The squares are dark on light in dark mode too, with a
//! light margin of four squares around them (ISO/IEC 18004 §9.1), because many readers find no other code.

use qrcodegen::{QrCode, QrCodeEcc};

use super::Html;

const MARGIN: i32 = 4;

/// Draws a text; `None` if it is too long for any QR code, which has at most 2,331 bytes at this level of correction.
pub(super) fn draw(text: &str, label: &'static str) -> Option<Html> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size() + 2 * MARGIN;
    // Each run of dark squares in a row is one rectangle, so that no renderer leaves light lines between them.
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count() as i32;
            if run > 0 {
                path += &format!("M{} {}h{run}v1h-{run}z", x + MARGIN, y + MARGIN);
            }
            x += run + 1;
        }
    }
    let svg = Html::markup("<svg class=\"code\" role=\"img\" aria-label=\"")
        .then(label)
        .then("\" shape-rendering=\"crispEdges\" viewBox=\"0 0 ")
        .then_text(&format!("{side} {side}"))
        .then("\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<path d=\"")
        .then_text(&path)
        .then("\" fill=\"#000\"/>\n</svg>\n");
    Some(svg)
}
