//! The table of one run, as Markdown: a line for each kind of work, a column for each server, and ratios. It knows how
//! to put a text between two markers of a document, and nothing of how a figure was measured.

use super::figures::{Spread, ratio, short};

/// The servers, in the order of the columns.
pub const SERVERS: [&str; 4] = ["epicme", "limit", "rmcp + axum", "hyper"];
pub const EPICME: usize = 0;
pub const LIMIT: usize = 1;
pub const RMCP: usize = 2;
pub const HYPER: usize = 3;

/// What came of measuring one server.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// This server has nothing to do with this row.
    Absent,
    /// What it takes to measure this isn't on this machine.
    NotMeasured,
    /// The server gave a wrong answer, or none in time.
    Failed,
    /// A value for each round.
    Rounds(Vec<f64>),
}

impl Outcome {
    pub fn spread(&self) -> Option<Spread> {
        match self {
            Self::Rounds(values) => Spread::of(values),
            Self::Absent | Self::NotMeasured | Self::Failed => None,
        }
    }

    fn cell(&self) -> String {
        match self {
            Self::Absent => "–".to_owned(),
            Self::NotMeasured => "not measured".to_owned(),
            Self::Failed => "fails".to_owned(),
            Self::Rounds(_) => self.spread().map_or("–".to_owned(), |spread| short(spread.median)),
        }
    }
}

/// Whether a smaller or a larger figure is the better one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Better {
    Less,
    More,
}

/// A kind of work.
#[derive(Clone, Debug)]
pub struct Row {
    pub work: String,
    pub unit: &'static str,
    pub better: Better,
    /// What epicme is to reach; empty if nothing was set.
    pub aim: &'static str,
    pub outcomes: [Outcome; 4],
}

impl Row {
    /// The ratio of one server's figure to another's.
    pub fn ratio(&self, server: usize, base: usize) -> Option<Spread> {
        match (&self.outcomes[server], &self.outcomes[base]) {
            (Outcome::Rounds(values), Outcome::Rounds(base)) => ratio(values, base),
            _ => None,
        }
    }

    /// How many times what the limit needs a server needs: above 1 it is worse, whichever way the row's figure runs.
    pub fn times_the_limit(&self, server: usize) -> Option<f64> {
        let times = self.ratio(server, LIMIT)?.median;
        Some(match self.better {
            Better::Less => times,
            Better::More => 1.0 / times,
        })
    }

    fn line(&self) -> String {
        let arrow = match self.better {
            Better::Less => '↓',
            Better::More => '↑',
        };
        let ratio = |base| {
            let found = self.ratio(EPICME, base);
            found.map_or("–".to_owned(), |ratio| {
                let Spread { low, median, high } = ratio;
                if low == high {
                    short(median)
                } else {
                    format!("{} ({}–{})", short(median), short(low), short(high))
                }
            })
        };
        let mut cells = vec![self.work.clone(), format!("{} {arrow}", self.unit)];
        cells.extend(self.outcomes.iter().map(Outcome::cell));
        cells.extend([ratio(LIMIT), ratio(RMCP), self.aim.to_owned()]);
        format!("| {} |\n", cells.join(" | "))
    }
}

/// The table, and a line on its noise.
pub fn markdown(rows: &[Row]) -> String {
    let mut text =
        format!("| work | unit | {} | epicme : limit | epicme : rmcp | aim |\n", SERVERS.join(" | "));
    text += "|---|---|--:|--:|--:|--:|--:|--:|---|\n";
    text.extend(rows.iter().map(Row::line));
    let noise: Vec<f64> =
        rows.iter().filter_map(|row| row.ratio(EPICME, LIMIT)).map(|ratio| ratio.noise()).collect();
    if let Some(noise) = Spread::of(&noise) {
        text += &format!(
            "\nNoise: the middle half of a ratio's rounds lies within ± {:.0} % of its median in half of the rows, and \
             within ± {:.0} % in three quarters.\n",
            noise.median * 100.0,
            noise.high * 100.0
        );
    }
    text
}

/// The document with `text` between the markers `<!-- NAME -->` and `<!-- end of NAME -->`, which each stand on a line
/// of their own. Returns `None` if it doesn't have both, in this order.
pub fn put(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}
