//! What becomes of the rounds of a measurement: medians, ratios of pairs, and how far they spread. It knows no server
//! and no clock.

/// The middle of some values, and the middle half of them: what noise there is lies between `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// Returns `None` of no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        // Between two ranks it lies as far as between their values.
        let at = |part: f64| {
            let place = part * (sorted.len() as f64 - 1.0);
            let (below, above) = (*sorted.get(place.floor() as usize)?, *sorted.get(place.ceil() as usize)?);
            Some(below + (above - below) * place.fract())
        };
        Some(Self { low: at(0.25)?, median: at(0.5)?, high: at(0.75)? })
    }

    /// Half the width of the middle half, as a part of the median.
    pub fn noise(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.median
    }
}

/// The quotients of two servers' values, round by round: what disturbs the machine for a while disturbs both of a
/// pair.
pub fn ratio(values: &[f64], base: &[f64]) -> Option<Spread> {
    let quotients: Vec<f64> = values.iter().zip(base).map(|(value, base)| value / base).collect();
    Spread::of(&quotients)
}

/// A figure with three digits that count, and thousands apart.
pub fn short(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size => (2 - size.log10().floor() as i32).clamp(0, 3) as usize,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = whole.len();
    let mut apart = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (digits - place).is_multiple_of(3) && !apart.ends_with('-') {
            apart.push(',');
        }
        apart.push(digit);
    }
    if fraction.is_empty() { apart } else { format!("{apart}.{fraction}") }
}
