//! The fields of an entry in a form: what stands in them at first, what was typed, and what is wrong with it.
//!
//! Reads and writes no journal. Invariant: what a person has typed is in the fields again, whatever was wrong with it;
//! and a field that they left as it was changes nothing of the entry, not a character of it.
//!
//! A browser cuts what is pasted past a field's `maxlength`, and says nothing. So that is [`ROOM`] times the bound,
//! which stands beside the field: what is cut was too long in any case, and the form comes back and says so. But no
//! browser sends a form that is too large to be read, and so would never come back.

use super::{Html, dates};
use crate::dates::{Day, EntryDate, EntryTime};
use crate::journal::entries::{EntryChange, NewEntry, TagsToAttach};
use crate::journal::{Entry, RowDigest};
use crate::limits;
use crate::oauth::Parameters;
use crate::pages::hidden;
use crate::text;
use crate::zone::Zone;

/// The fields that hold one text each: name, label, and the longest text in characters.
const TITLE: Field = ("title", "Title", limits::TITLE_CHARS_MAX);
const CONTENT: Field = ("content", "Text", limits::CONTENT_CHARS_MAX);
const MOOD: Field = ("mood", "Mood", limits::LABEL_TEXT_CHARS_MAX);
const LOCATION: Field = ("location", "Place", limits::LABEL_TEXT_CHARS_MAX);
const WEATHER: Field = ("weather", "Weather", limits::LABEL_TEXT_CHARS_MAX);
// The others.
const DATE: &str = "date";
const TIME: &str = "time";
const TAGS: &str = "tags";
const FAVORITE: &str = "favorite";
const PRIVATE: &str = "private";
/// The digest of the entry as it was when the form was made.
const SHOWN: &str = "shown";

/// How many times as much as it may hold a browser takes into a field.
const ROOM: usize = 4;
/// Characters of the field of the tags, with their line ends, if there are as many as an entry can have.
const TAGS_CHARS_MAX: usize = limits::TAGS_PER_ENTRY_MAX * (limits::TAG_NAME_CHARS_MAX + 1);

type Field = (&'static str, &'static str, usize);

/// What stands in the fields.
#[derive(Default)]
pub(super) struct Typed {
    title: String,
    content: String,
    date: String,
    time: String,
    tags: String,
    mood: String,
    location: String,
    weather: String,
    is_favorite: bool,
    is_private: bool,
    /// Of an entry that there is already.
    shown: Option<RowDigest>,
}

/// What is wrong with a field: its name, and a sentence.
pub(super) struct Problem {
    field: &'static str,
    sentence: String,
}

/// What was typed, once nothing is wrong with it.
struct Checked {
    date: Option<EntryDate>,
    names: Vec<String>,
}

impl Typed {
    /// Fills in the fields of a new entry: about now, or about a day.
    pub(super) fn new(day: Option<Day>, now: &EntryDate) -> Typed {
        let (date, time) = match day {
            Some(day) if day != now.day => (day.to_string(), String::new()),
            _ => shown_date(now),
        };
        Typed { date, time, is_private: true, ..Typed::default() }
    }

    /// Fills in the fields of an entry.
    pub(super) fn of(entry: &Entry) -> Typed {
        let label = |label: &Option<String>| one_line(label.as_deref().unwrap_or_default());
        let (date, time) = shown_date(&entry.date);
        let names: Vec<_> = entry.tags.iter().map(|tag| tag.name.as_str()).collect();
        Typed {
            title: one_line(&entry.title),
            content: lines(&entry.content),
            date,
            time,
            tags: names.join("\n"),
            mood: label(&entry.mood),
            location: label(&entry.location),
            weather: label(&entry.weather),
            is_favorite: entry.is_favorite,
            is_private: entry.is_private,
            shown: Some(entry.digest()),
        }
    }

    /// Reads the fields of a form that came back. None is required here: what is missing is told in words.
    pub(super) fn read(fields: &Parameters) -> Typed {
        let text = |name| fields.get(name).unwrap_or_default();
        Typed {
            title: text(TITLE.0).to_owned(),
            // A browser ends each line of a form with CR LF, whatever was in the field.
            content: lines(text(CONTENT.0)),
            date: text(DATE).trim().to_owned(),
            time: text(TIME).trim().to_owned(),
            tags: lines(text(TAGS)),
            mood: text(MOOD.0).to_owned(),
            location: text(LOCATION.0).to_owned(),
            weather: text(WEATHER.0).to_owned(),
            is_favorite: fields.get(FAVORITE).is_some(),
            is_private: fields.get(PRIVATE).is_some(),
            shown: read_shown(fields),
        }
    }

    /// Builds the field that says what the person was shown of an entry.
    pub(super) fn shown_field(entry: &Entry) -> Html {
        digest_field(entry.digest())
    }

    /// The same fields, to be saved over another state of the entry.
    pub(super) fn over(self, entry: &Entry) -> Typed {
        Typed { shown: Some(entry.digest()), ..self }
    }

    /// Makes the new entry; or says what is wrong.
    pub(super) fn new_entry(&self, zone: &Zone) -> Result<NewEntry, Vec<Problem>> {
        let Checked { date, names } = self.check(zone, &Typed::default())?;
        let label = |label: &str| Some(label.trim().to_owned()).filter(|label| !label.is_empty());
        Ok(NewEntry {
            title: self.title.clone(),
            content: self.content.clone(),
            mood: label(&self.mood),
            location: label(&self.location),
            weather: label(&self.weather),
            is_private: self.is_private,
            is_favorite: self.is_favorite,
            date,
            tags: TagsToAttach { names, ..TagsToAttach::default() },
        })
    }

    /// Makes the change of an entry, of the fields alone that are different now; or says what is wrong.
    pub(super) fn change_of(&self, entry: &Entry, zone: &Zone) -> Result<EntryChange, Vec<Problem>> {
        let was = Typed::of(entry);
        let Checked { mut date, names } = self.check(zone, &was)?;
        // Another day for the same time keeps the time's offset: it was meant where the entry was, and not in the zone
        // that the person has today.
        if let (Some(Some(moved)), Some(time)) = (self.has_kept_time(&was).then_some(&date), &entry.date.time)
        {
            let rest = time.as_str().get("0000-00-00".len()..).unwrap_or_default();
            date = EntryDate::read(&format!("{}{rest}", moved.day)).ok().or(date);
        }
        let changed = |now: &String, was: &String| (now != was).then(|| now.clone());
        let label = |now: &String, was: &String| {
            changed(now, was).map(|label| Some(label.trim().to_owned()).filter(|label| !label.is_empty()))
        };
        Ok(EntryChange {
            title: changed(&self.title, &was.title),
            content: changed(&self.content, &was.content),
            append: None,
            mood: label(&self.mood, &was.mood),
            location: label(&self.location, &was.location),
            weather: label(&self.weather, &was.weather),
            is_private: (self.is_private != was.is_private).then_some(self.is_private),
            is_favorite: (self.is_favorite != was.is_favorite).then_some(self.is_favorite),
            date,
            tags: TagsToAttach { names, ..TagsToAttach::default() },
            only_these_tags: self.tags != was.tags,
            // A form that doesn't say what it has shown has shown nothing that there is.
            shown: Some(self.shown.unwrap_or(RowDigest([0; 32]))),
        })
    }

    /// Whether the day was changed and the time wasn't.
    fn has_kept_time(&self, was: &Typed) -> bool {
        self.date != was.date && self.time == was.time
    }

    /// Checks every field by the rules that hold for programs too: a title is required, and a text may be empty, but
    /// neither may be blank (`Kind::Prose` of `mcp/arguments.rs`). It checks all of them, so that the person hears of
    /// all that is wrong at once; but not those that stand as they did in the entry: an earlier version may have taken
    /// what this one refuses.
    fn check(&self, zone: &Zone, was: &Typed) -> Result<Checked, Vec<Problem>> {
        let mut problems = Vec::new();
        let texts = [
            (TITLE, &self.title, &was.title),
            (CONTENT, &self.content, &was.content),
            (MOOD, &self.mood, &was.mood),
            (LOCATION, &self.location, &was.location),
            (WEATHER, &self.weather, &was.weather),
        ];
        let is_new = was.shown.is_none();
        for ((field, label, max), text, _) in texts.into_iter().filter(|(_, text, was)| is_new || text != was)
        {
            let count = text.chars().count();
            let sentence = if count > max {
                format!("{label} can have at most {max} characters, and this has {count}.")
            } else if text.contains('\0') {
                format!("{label} must not contain the character NUL.")
            } else if field == TITLE.0 && !text::has_visible(text) {
                format!("{label} must not be empty.")
            } else if field == CONTENT.0 && !text.is_empty() && !text::has_visible(text) {
                format!("{label} must have something that can be seen, or be left empty.")
            } else {
                continue;
            };
            problems.push(Problem { field, sentence });
        }
        let (mut date, mut names) = (None, Vec::new());
        if (&self.date, &self.time) != (&was.date, &was.time) {
            date = self.entry_date(zone).map_err(|problem| problems.push(problem)).ok().flatten();
        }
        if self.tags != was.tags {
            names = self.tag_names().map_err(|problem| problems.push(problem)).unwrap_or_default();
        }
        if problems.is_empty() { Ok(Checked { date, names }) } else { Err(problems) }
    }

    /// Reads the date; `None` if the field is empty: then an entry is about the moment at which it is made.
    fn entry_date(&self, zone: &Zone) -> Result<Option<EntryDate>, Problem> {
        if self.date.is_empty() {
            return match &self.time[..] {
                "" => Ok(None),
                _ => Err(problem(DATE, "A time needs a date.")),
            };
        }
        let no_day = || problem(DATE, "There is no such date. Write it like 2025-01-31.");
        let day = Day::read(&self.date).map_err(|_| no_day())?;
        if self.time.is_empty() {
            return Ok(Some(EntryDate::stored(day, None)));
        }
        let number = |text: &str| Some(text).filter(|text| text.len() == 2)?.parse::<i8>().ok();
        let mut parts = self.time.split(':').map(number);
        let at = match (parts.next(), parts.next()) {
            (Some(Some(hour)), Some(Some(minute))) => zone.at(day, hour, minute),
            _ => None,
        };
        let at = at.filter(|_| parts.all(|seconds| seconds.is_some()));
        at.map(Some).ok_or_else(|| problem(TIME, "There is no such time. Write it like 09:30."))
    }

    /// Reads the names of the tags, one a line.
    fn tag_names(&self) -> Result<Vec<String>, Problem> {
        let mut names = Vec::new();
        for line in self.tags.lines().filter(|line| !line.trim().is_empty()) {
            let name = text::name(line).map_err(|bad| {
                problem(TAGS, format!("The name of a tag {bad}: {:?}", text::displayable_name(line)))
            })?;
            let (count, max) = (name.chars().count(), limits::TAG_NAME_CHARS_MAX);
            if count > max {
                let sentence =
                    format!("The name of a tag can have at most {max} characters, and one has {count}.");
                return Err(problem(TAGS, sentence));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let (count, max) = (names.len(), limits::TAGS_PER_ENTRY_MAX);
        if count > max {
            return Err(problem(
                TAGS,
                format!("An entry can have at most {max} tags, and these are {count}."),
            ));
        }
        Ok(names)
    }

    /// Builds the fields. Each problem stands beside its field, which names it for screen readers.
    /// `zone` is the person's, if they are known.
    pub(super) fn fields(&self, problems: &[Problem], zone: Option<&Zone>) -> Html {
        let shown = self.shown.map(digest_field);
        let text = |field: Field, value: &str| {
            let required = if field == TITLE && self.shown.is_none() { " required" } else { "" };
            labelled(field.0, field.1, &up_to(field.2), problems, |about| {
                Html::markup("<input type=\"text\" dir=\"auto\"")
                    .and(about)
                    .and(max_length(field.2))
                    .then(required)
                    .then(" value=\"")
                    .and(Html::exact(value))
                    .then("\">")
            })
        };
        let area = |(field, label, max): Field, hint: &str, rows: &'static str, value: &str| {
            labelled(field, label, hint, problems, |about| {
                // HTML leaves out a line end at the beginning of the element: this one, and none of the text.
                Html::markup("<textarea dir=\"auto\" rows=\"")
                    .then(rows)
                    .then("\"")
                    .and(about)
                    .and(max_length(max))
                    .then(">\n")
                    .and(Html::exact(value))
                    .then("</textarea>")
            })
        };
        let picker = |field, label, hint: &str, kind: &'static str, value: &str| {
            labelled(field, label, hint, problems, |about| {
                Html::markup("<input type=\"")
                    .then(kind)
                    .then("\"")
                    .and(about)
                    .then(" value=\"")
                    .and(Html::exact(value))
                    .then("\">")
            })
        };
        let tags = format!(
            "One a line; at most {}, each of at most {} characters. One that you don't have yet is made.",
            limits::TAGS_PER_ENTRY_MAX,
            limits::TAG_NAME_CHARS_MAX
        );
        let zone = zone.map_or("your time zone".to_owned(), |zone| format!("the time zone {}", zone.name()));
        let time = format!(
            "Like 09:30, in {zone}; a time that you leave as it is keeps its own. Left empty, the entry is about the whole day."
        );
        Html::all(shown)
            .and(text(TITLE, &self.title))
            .and(area(CONTENT, &up_to(CONTENT.2), "14", &self.content))
            .then("<div class=\"pair\">\n")
            .and(picker(DATE, "Date", "Like 2025-01-31.", "date", &self.date))
            .and(picker(TIME, "Time", &time, "time", &self.time))
            .then("</div>\n")
            .and(area((TAGS, "Tags", TAGS_CHARS_MAX), &tags, "3", &self.tags))
            .and(text(MOOD, &self.mood))
            .and(text(LOCATION, &self.location))
            .and(text(WEATHER, &self.weather))
            .then("<fieldset>\n<legend>Mark it as</legend>\n")
            .and(check_box(FAVORITE, "Favorite", self.is_favorite))
            .and(check_box(
                PRIVATE,
                "Private (a label only: nobody but you sees any of your entries)",
                self.is_private,
            ))
            .then("</fieldset>\n")
    }
}

fn problem(field: &'static str, sentence: impl Into<String>) -> Problem {
    Problem { field, sentence: sentence.into() }
}

fn max_length(max: usize) -> Html {
    Html::markup(" maxlength=\"").then_text(&(ROOM * max).to_string()).then("\"")
}

fn up_to(max: usize) -> String {
    let (thousands, rest) = (max / 1000, max % 1000);
    if thousands == 0 {
        format!("At most {max} characters.")
    } else {
        format!("At most {thousands},{rest:03} characters.")
    }
}

/// Builds a field with its label, its bound and what is wrong with it. `element` gets the attributes that belong to
/// that.
fn labelled(
    name: &'static str,
    label: &'static str,
    hint: &str,
    problems: &[Problem],
    element: impl FnOnce(Html) -> Html,
) -> Html {
    let mut wrong = problems.iter().filter(|problem| problem.field == name).peekable();
    let about = Html::markup(" id=\"")
        .then(name)
        .then("\" name=\"")
        .then(name)
        .then("\" aria-describedby=\"")
        .then(name)
        .then("-hint\"")
        .then(if wrong.peek().is_some() { " aria-invalid=\"true\"" } else { "" });
    let wrong = wrong.map(|problem| {
        Html::markup("<strong class=\"wrong\">").then_text(&problem.sentence).then("</strong> ")
    });
    Html::markup("<p><label for=\"")
        .then(name)
        .then("\">")
        .then(label)
        .then("</label>\n")
        .and(element(about))
        .then("\n<span class=\"hint\" id=\"")
        .then(name)
        .then("-hint\">")
        .and(Html::all(wrong))
        .then_text(hint)
        .then("</span></p>\n")
}

fn check_box(name: &'static str, label: &'static str, is_checked: bool) -> Html {
    Html::markup("<label><input type=\"checkbox\" name=\"")
        .then(name)
        .then("\" value=\"1\"")
        .then(if is_checked { " checked" } else { "" })
        .then("> ")
        .then(label)
        .then("</label>\n")
}

/// Writes a date for its two fields. What the fields can't show, the seconds and the offset, stays with the entry as
/// long as neither is changed.
fn shown_date(date: &EntryDate) -> (String, String) {
    let time = date.time.as_ref().map(EntryTime::as_str).unwrap_or_default();
    (date.day.to_string(), time.get(dates::CLOCK).unwrap_or_default().to_owned())
}

/// Returns a text as a browser has it in a field of several lines, which knows one kind of line end.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Returns a text as a browser has it in a field of one line: without line ends.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], "")
}

fn digest_field(RowDigest(digest): RowDigest) -> Html {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hidden(SHOWN, &hex)
}

/// Reads what the person was shown of the entry that a form is about; `None` if the form doesn't say it.
pub(super) fn read_shown(fields: &Parameters) -> Option<RowDigest> {
    read_digest(fields.get(SHOWN)?)
}

fn read_digest(hex: &str) -> Option<RowDigest> {
    let digits = hex.as_bytes().chunks(2).map(|pair| {
        let pair =
            std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        u8::from_str_radix(pair?, 16).ok()
    });
    let digest: Option<Vec<u8>> = digits.collect();
    digest?.try_into().ok().map(RowDigest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::{EntryId, UserId};

    fn entry(title: &str, content: &str, date: &str) -> Entry {
        Entry {
            id: EntryId::new(1),
            user_id: UserId::new(1),
            title: title.to_owned(),
            content: content.to_owned(),
            mood: Some("a\r\nb".to_owned()),
            location: None,
            weather: None,
            is_private: true,
            is_favorite: false,
            date: EntryDate::read(date).expect("a date"),
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            tags: Vec::new(),
        }
    }

    /// The fields as a browser sends them back.
    fn sent_back(typed: &Typed) -> Typed {
        let crlf = |text: &str| text.replace('\n', "\r\n");
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("title", &typed.title)
            .append_pair("content", &crlf(&typed.content))
            .append_pair("date", &typed.date)
            .append_pair("time", &typed.time)
            .append_pair("tags", &crlf(&typed.tags))
            .append_pair("mood", &typed.mood);
        let form = if typed.is_private { form.append_pair("private", "1") } else { &mut form };
        Typed::read(&Parameters::parse(form.finish().as_bytes()).expect("a form"))
    }

    #[test]
    fn changes_nothing_of_what_was_left_as_it_was() {
        for (title, content, date) in [
            ("Rain", "One\r\nTwo\rThree\n", "2025-01-31"),
            ("A\nB", "\n\na\u{200f}b\u{200b}", "2025-01-31T17:45:59-03:30"),
            ("\u{202e}x", "\u{ad}", "0001-01-01"),
        ] {
            let entry = entry(title, content, date);
            let change = sent_back(&Typed::of(&entry)).change_of(&entry, &Zone::utc());
            let change = change.unwrap_or_else(|problems| panic!("{}", problems[0].sentence));
            assert!(change.title.is_none() && change.content.is_none() && change.date.is_none(), "{title}");
            assert!(!change.only_these_tags, "{title}");
            assert!(
                change.mood.is_none() && change.location.is_none() && change.is_private.is_none(),
                "{title}"
            );
        }
    }

    #[test]
    fn reads_dates_and_times_as_the_clocks_of_the_zone_show_them() {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        for (date, time, expected) in [
            ("2025-01-31", "", Ok("2025-01-31")),
            ("2025-07-31", "09:30", Ok("2025-07-31T09:30:00+02:00")),
            ("2025-01-31", "23:59:59", Ok("2025-01-31T23:59:00+01:00")),
            // Skipped, and there twice.
            ("2025-03-30", "02:30", Ok("2025-03-30T02:30:00+01:00")),
            ("2025-10-26", "02:30", Ok("2025-10-26T02:30:00+02:00")),
            ("2025-02-29", "", Err(DATE)),
            ("31.1.2025", "", Err(DATE)),
            ("", "09:30", Err(DATE)),
            ("2025-01-31", "24:00", Err(TIME)),
            ("2025-01-31", "9:30", Err(TIME)),
            ("2025-01-31", "-1:30", Err(TIME)),
            ("2025-01-31", "09", Err(TIME)),
            ("2025-01-31", "09:30:x", Err(TIME)),
        ] {
            let typed = Typed { date: date.to_owned(), time: time.to_owned(), ..Typed::default() };
            let read = typed.entry_date(&zone).map_err(|problem| problem.field);
            let expected = expected.map(|text| EntryDate::read(text).ok());
            assert_eq!(read, expected, "{date} {time}");
        }
        let none = Typed::default().entry_date(&zone).map_err(|problem| problem.field);
        assert_eq!(none, Ok(None));
    }

    #[test]
    fn says_all_that_is_wrong_at_once() {
        let typed = Typed {
            title: " \u{200b}".to_owned(),
            content: "x".repeat(limits::CONTENT_CHARS_MAX + 1),
            mood: "a\0b".to_owned(),
            date: "x".to_owned(),
            tags: (0..=limits::TAGS_PER_ENTRY_MAX).map(|number| format!("{number}\n")).collect(),
            ..Typed::default()
        };
        let problems = typed.check(&Zone::utc(), &Typed::default()).err().expect("problems");
        let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["title", "content", "mood", "date", "tags"]);
        let tags = "sea\n\n SEA \n sea \na, b".to_owned();
        let names = Typed { tags, ..Typed::default() }.tag_names().map_err(|problem| problem.sentence);
        assert_eq!(names, Ok(["sea", "SEA", "a, b"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn reads_a_digest_that_it_wrote_and_nothing_else() {
        let digest = RowDigest([0xa7; 32]);
        assert_eq!(read_digest(&"a7".repeat(32)), Some(digest));
        for bad in [
            "",
            "a7",
            &"a7".repeat(31),
            &"a7".repeat(33),
            &"+7".repeat(32),
            &"é".repeat(32),
            &"x7".repeat(32),
        ] {
            assert_eq!(read_digest(bad), None, "{bad}");
        }
    }
}
