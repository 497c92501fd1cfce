//! Which characters of a foreign text may be shown to a person: in a terminal, on a page or in a question; what can be
//! the name of something; how a text is a word of a command that a person pastes into a shell; and how a number of
//! things is written.
//!
//! Knows no terminal, no markup and no journal. It takes away what no format shows; what a format gives a meaning
//! to, such as `<` in HTML, is escaped by the room that writes that format. Lines of the log have a stricter rule of
//! their own (`stderr::shown`): they hold ASCII alone, because an operator reads bytes there and not names.

use std::error::Error;
use std::fmt;

use crate::limits;
use crate::terms;

/// What a character does to a text in which it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    /// It is seen.
    Visible,
    /// It takes room and nothing is seen: a blank of any width.
    Blank,
    /// It changes how its neighbours look, and is itself not seen: the joiners, and the selectors of a letter's or
    /// emoji's form. `👩‍💻` holds a joiner and `❤️` a selector, and Persian words need the non-joiner.
    Joins,
    /// It is drawn on the character before it, as the accent of an `é` that is written as two characters.
    Marks,
    /// Nothing is seen of it.
    Invisible,
    /// It moves the cursor or ends the line, or it changes the direction of the text around it.
    Moves,
}

/// Says what a character does. With those that aren't seen, a name could read as something that it isn't: a client
/// could register the name of another one with an invisible character in it, and the person would take it for that
/// one on the consent page. An entry's title could turn around the rest of the question whether it may be deleted.
///
/// The invisible ones are the default-ignorable code points of Unicode (UTS #39 §3.1 allows none in identifiers), the
/// marks of interlinear annotation, and two that have a glyph without ink. Those that change the direction are from
/// UAX #9. The marks are the blocks of Unicode whose marks go with the letters of any script. Those of one script, such
/// as the vowels of Thai or Hebrew, count as visible: to tell them from letters would take a table of hundreds of
/// ranges. Letters of different scripts that look alike (a Cyrillic `а` for a Latin `a`) are visible: to refuse them
/// would refuse people's own names.
fn effect(character: char) -> Effect {
    match character {
        _ if character.is_control() => Effect::Moves,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Effect::Moves
        }
        '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' => Effect::Joins,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => Effect::Invisible,
        '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{2060}'..='\u{206f}' | '\u{3164}' => Effect::Invisible,
        '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => Effect::Invisible,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => {
            Effect::Invisible
        }
        // Code points that are no characters, and formats of Egyptian and Syriac writing.
        _ if u32::from(character) & 0xfffe == 0xfffe => Effect::Invisible,
        '\u{fdd0}'..='\u{fdef}' | '\u{70f}' | '\u{13430}'..='\u{13440}' => Effect::Invisible,
        // The braille pattern without dots, and a musical note without a head.
        '\u{2800}' | '\u{1d159}' => Effect::Invisible,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' => Effect::Marks,
        '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' => Effect::Marks,
        _ if character.is_whitespace() => Effect::Blank,
        _ => Effect::Visible,
    }
}

/// Returns each character of a text, and whether it may be shown. A joiner or selector may follow a visible character
/// outside of ASCII, and nothing else: there it has a use, and between the letters of `Claude` it would only make
/// another name that looks the same. Two sequences of emoji need more (UTS #51 ED-16, ED-14c): a joiner after a
/// selector, between symbols (`❤️‍🔥`), and a selector in a keycap (`1️⃣`). The flags that are written with tag
/// characters are left without them: such characters can spell a whole text that a model reads and no person sees.
///
/// A mark may follow a visible character, at most [`limits::MARKS_PER_CHARACTER_MAX`] of them. At the beginning of a
/// name it would be drawn on the page's own text, and nothing of the name would be seen; a tall stack of marks covers
/// the lines above and below.
pub(crate) fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    let is_symbol = |character: char| {
        !character.is_ascii() && !character.is_alphanumeric() && effect(character) == Effect::Visible
    };
    // `base` is the visible character that a joiner, selector or mark would change, and `is_emoji` says that it is a
    // symbol with its selector.
    let (mut base, mut is_emoji, mut marks_left) = (None::<char>, false, 0);
    let following = text.chars().skip(1).map(Some).chain([None]);
    text.chars().zip(following).map(move |(character, next)| {
        let effect = effect(character);
        let shown = match (effect, character) {
            (Effect::Visible | Effect::Blank, _) => true,
            (Effect::Joins, '\u{200d}') if is_emoji => next.is_some_and(is_symbol),
            (Effect::Joins, _) if is_emoji => false,
            (Effect::Joins, '\u{fe0f}') if next == Some('\u{20e3}') => base.is_some_and(begins_keycap),
            (Effect::Joins, _) => base.is_some_and(|base| !base.is_ascii()),
            (Effect::Marks, _) => marks_left > 0,
            (Effect::Invisible | Effect::Moves, _) => false,
        };
        is_emoji = shown && character == '\u{fe0f}' && base.is_some_and(is_symbol);
        base = match effect {
            Effect::Visible => Some(character),
            Effect::Marks => base,
            Effect::Joins if is_emoji => base,
            _ => None,
        };
        marks_left = match effect {
            Effect::Visible => limits::MARKS_PER_CHARACTER_MAX,
            Effect::Marks => marks_left.saturating_sub(1),
            // These are between a character and its mark without parting them.
            Effect::Joins | Effect::Invisible => marks_left,
            Effect::Blank | Effect::Moves => 0,
        };
        (character, shown)
    })
}

/// Returns whether a keycap (U+20E3) can be put around this character (UTS #51 ED-14c).
fn begins_keycap(character: char) -> bool {
    character.is_ascii_digit() || character == '#' || character == '*'
}

/// A text without the characters that may not be shown: for a line in a terminal, a question about a row, and a name
/// that is kept. An id beside it says what is meant, so the characters are only left out, and a name that is kept is
/// clean wherever it is shown later. A page puts a sign in their place (`Html::text`): there a person decides about a
/// client by its name alone.
pub(crate) fn displayable(text: &str) -> String {
    judged(text).filter_map(|(character, shown)| shown.then_some(character)).collect()
}

/// A title or name as it may stand between quotation marks in a sentence: on one line, at most
/// [`limits::SHOWN_NAME_CHARS_MAX`] characters, and without the quotation mark that would end it. A title of
/// `x" (ID: 9)? Sure` would otherwise write the rest of a question itself.
pub(crate) fn displayable_name(name: &str) -> String {
    let mut shown = displayable(name).replace('"', "'");
    if let Some((end, _)) = shown.char_indices().nth(limits::SHOWN_NAME_CHARS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// Why a text can't be a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadName {
    /// Nothing of it would be seen.
    Blank,
    /// It holds a character that moves the cursor, ends the line or changes the direction of the text.
    Moves,
}

/// The rest of a sentence that begins with what the name is for.
impl fmt::Display for BadName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            BadName::Blank => "must not be blank",
            BadName::Moves => "must not contain control characters, line ends or changes of direction",
        })
    }
}

impl Error for BadName {}

/// Checks and cleans a name: that of a client, a tag or a token. Removes the blanks around it and every character in
/// it that may not be shown, writes each run of blanks as one, and composes letters with their marks (Unicode's form
/// NFC): so two names that look the same are the same.
///
/// What moves the cursor or turns the text around is refused: no program writes it by mistake, and its author should
/// learn that the name isn't taken as it was sent. What is only invisible is left out without a word, since people
/// paste such characters without knowing.
pub(crate) fn name(text: &str) -> Result<String, BadName> {
    let text = text.trim();
    if text.chars().any(|character| effect(character) == Effect::Moves) {
        return Err(BadName::Moves);
    }
    let cleaned = displayable(text);
    let words: Vec<_> = cleaned.split_whitespace().collect();
    if has_visible(&cleaned) { Ok(terms::composed(&words.join(" "))) } else { Err(BadName::Blank) }
}

/// Returns whether anything of a text is seen. One of blanks, joiners and marks alone looks like no text at all.
pub(crate) fn has_visible(text: &str) -> bool {
    text.chars().any(|character| effect(character) == Effect::Visible)
}

/// Writes a number with the word for what it counts: `1 entry`, `2 entries`.
pub(crate) fn counted<N: From<u8> + PartialEq + fmt::Display>(count: N, one: &str, several: &str) -> String {
    let noun = if count == N::from(1) { one } else { several };
    format!("{count} {noun}")
}

/// Returns the text as one word of a POSIX shell: as it is if no character of it could mean something there, else in
/// single quotes, in which none does (POSIX.1-2024, Shell Command Language §2.2.2). An address like `$(id)@example.com`
/// would otherwise run a program when the person pastes the command that a message proposes.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/@+:,%".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_name_as_what_it_is() {
        assert_eq!(displayable_name("a\u{1b}[2Jb\u{202e}c\nd\u{2028}e\u{61c}f"), "a[2Jbcdef");
        assert_eq!(displayable_name("x\" (ID: 9)? \u{200b}\u{feff}Sure"), "x' (ID: 9)? Sure");
        assert_eq!(displayable_name(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(displayable_name(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
        assert_eq!(displayable("Ada's \"ré-sumé\" ☂\t\u{200b}"), "Ada's \"ré-sumé\" ☂");
    }

    #[test]
    fn takes_no_code_point_without_a_character_for_a_name() {
        for nothing in ["\u{ffff}", "\u{1fffe}", "\u{fdd0}", "\u{13430}", "\u{70f}"] {
            assert_eq!(name(nothing), Err(BadName::Blank), "{nothing:?}");
            assert_eq!(name(&format!("{nothing}x")), Ok("x".to_owned()), "{nothing:?}");
        }
        assert_eq!(
            name("\u{fdcf}\u{1342f}"),
            Ok("\u{fdcf}\u{1342f}".to_owned()),
            "their neighbours are seen"
        );
    }

    #[test]
    fn leaves_out_what_is_not_seen_and_keeps_what_an_emoji_or_a_script_needs() {
        let invisible = "\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{180e}\u{200b}\u{2060}\u{206f}\u{2800}\u{3164}\
                         \u{fe00}\u{feff}\u{ffa0}\u{fff0}\u{fff9}\u{1bca0}\u{1d159}\u{1d173}\u{e0041}\u{e01ef}";
        for character in invisible.chars() {
            assert_eq!(
                displayable(&format!("Clau{character}de")),
                "Claude",
                "{:?}",
                character.escape_unicode()
            );
        }
        for kept in ["❤️", "👩\u{200d}💻", "می\u{200c}خواهم", "a\u{a0}b\u{3000}c", "\u{ac00}", "🇬🇧"]
        {
            assert_eq!(displayable(kept), kept);
        }
        assert_eq!(displayable("Cl\u{200d}au\u{fe0f}de\u{200c}"), "Claude");
        assert_eq!(displayable("❤\u{fe0f}\u{fe0f}\u{200d}x"), "❤\u{fe0f}x", "one of them, not a row of them");
    }

    #[test]
    fn keeps_a_joiner_after_a_selector_between_symbols_alone() {
        let kept = [
            "👁\u{fe0f}\u{200d}🗨\u{fe0f}",
            "🏴\u{200d}☠\u{fe0f}",
            "❤\u{fe0f}\u{200d}🔥 and 🧑\u{200d}🤝\u{200d}🧑",
            "🏳\u{fe0f}\u{200d}🌈x",
            "🏳\u{fe0f}\u{200d}⚧\u{fe0f}",
            "🕵\u{fe0f}\u{200d}♂\u{fe0f}",
            "🕵🏿\u{200d}♀\u{fe0f}",
            "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏻",
            "⛓\u{fe0f}\u{200d}💥",
            "1\u{fe0f}\u{20e3}#\u{fe0f}\u{20e3}*\u{fe0f}\u{20e3}",
        ];
        for kept in kept {
            assert_eq!(name(kept), Ok(kept.to_owned()), "{}", kept.escape_unicode());
        }
        for (text, shown) in [
            ("❤\u{fe0f}\u{200d}", "❤\u{fe0f}"),
            ("❤\u{fe0f}\u{200d}x", "❤\u{fe0f}x"),
            ("❤\u{fe0f}\u{200d} 🔥", "❤\u{fe0f} 🔥"),
            ("❤\u{fe0f}\u{200d}é", "❤\u{fe0f}é"),
            ("❤\u{fe0f}\u{200d}\u{200d}🔥", "❤\u{fe0f}🔥"),
            ("❤\u{fe0f}\u{200c}🔥", "❤\u{fe0f}🔥"),
            ("❤\u{fe0e}\u{200d}🔥", "❤\u{fe0e}🔥"),
            ("é\u{fe0f}\u{200d}🔥", "é\u{fe0f}🔥"),
            ("x\u{fe0f}\u{200d}🔥", "x🔥"),
            ("\u{fe0f}\u{200d}🔥", "🔥"),
            ("x\u{fe0f}\u{20e3}1\u{fe0f}2", "x\u{20e3}12"),
            ("🏴\u{e0067}\u{e0062}\u{e007f}", "🏴"),
        ] {
            assert_eq!(displayable(text), shown, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn leaves_out_a_mark_without_a_character_and_a_stack_of_marks() {
        let mark = "\u{301}";
        let most = mark.repeat(limits::MARKS_PER_CHARACTER_MAX);
        for (text, shown) in [
            (mark.to_owned(), String::new()),
            (format!("{mark}x"), "x".to_owned()),
            (format!("a {mark}b\u{a0}{mark}c"), "a b\u{a0}c".to_owned()),
            (format!("x{most}y{most}"), format!("x{most}y{most}")),
            (format!("x{most}{mark}y{}", mark.repeat(169)), format!("x{most}y{most}")),
            (format!("x{most}\u{200b}\u{20dd}"), format!("x{most}")),
        ] {
            assert_eq!(displayable(&text), shown, "{}", text.escape_unicode());
        }
        for nothing in ["\u{301}", "\u{489} \u{1ab0}", "\u{1dc0}\u{20dd}\u{fe20}\u{200b}"] {
            assert_eq!(name(nothing), Err(BadName::Blank), "{}", nothing.escape_unicode());
        }
        assert_eq!(name("\u{301}x"), Ok("x".to_owned()));
    }

    #[test]
    fn keeps_the_marks_that_a_language_needs() {
        let kept = [
            // Vietnamese, polytonic Greek, phonetic and Cyrillic letters, with each mark as a character of its own.
            "Nguye\u{302}\u{303}n Tie\u{302}\u{301}ng Vie\u{323}\u{302}t",
            "α\u{314}\u{301}\u{345}",
            "e\u{330}\u{302}\u{301}",
            "й и\u{306}",
            // Thai, Hindi, pointed Hebrew, Arabic with harakat, and an emoji of a key.
            "ที่นี่ กำลัง น้ำ",
            "हिन्दी क्षत्रिय",
            "שָׁלוֹם בְּרֵאשִׁ֖ית",
            "مُحَمَّدٌ اللّٰه",
            "1\u{20e3}",
        ];
        for kept in kept {
            assert_eq!(displayable(kept), kept, "{kept}");
            assert_eq!(name(kept), Ok(terms::composed(kept)), "{kept}");
        }
        // A joiner after a mark belongs to the letter below the mark.
        assert_eq!(displayable("ж\u{301}\u{200c}ж x\u{301}\u{200c}x"), "ж\u{301}\u{200c}ж x\u{301}x");
    }

    #[test]
    fn takes_a_name_of_which_something_is_seen_on_one_line() {
        let rows = [
            (" \t sea\u{a0}", Ok("sea")),
            ("a \u{200b}", Ok("a")),
            ("❤️ travel", Ok("❤️ travel")),
            ("", Err(BadName::Blank)),
            ("\u{3164}\u{2060}\u{ad}", Err(BadName::Blank)),
            ("\u{2800} \u{2003}\u{3000}", Err(BadName::Blank)),
            ("\u{fe0f}\u{200d}", Err(BadName::Blank)),
            ("a\nb", Err(BadName::Moves)),
            ("a\0", Err(BadName::Moves)),
            ("a\u{85}b", Err(BadName::Moves)),
            ("a\u{2029}b", Err(BadName::Moves)),
            ("\u{202e}a", Err(BadName::Moves)),
            ("a\u{200f}b", Err(BadName::Moves)),
            ("a\u{2066}b", Err(BadName::Moves)),
        ];
        for (text, expected) in rows {
            assert_eq!(name(text), expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn finds_what_is_seen_between_all_that_is_not() {
        let unseen =
            " \n\t\u{a0}\u{3000}\u{200b}\u{200d}\u{fe0f}\u{2060}\u{202e}\u{3164}\u{2800}\u{e0041}\u{301}";
        assert!(!has_visible(unseen) && !has_visible(""));
        for seen in ["x", ".", "☂", "字", "ا"] {
            assert!(has_visible(&format!("{unseen}{seen}{unseen}")), "{seen}");
        }
    }

    #[test]
    fn says_one_of_a_thing_and_several_of_it() {
        let said = |count: i64| counted(count, "entry", "entries");
        assert_eq!([0, 1, 2, 21].map(said), ["0 entries", "1 entry", "2 entries", "21 entries"]);
        assert_eq!(counted(1_usize, "day", "days"), "1 day");
    }

    #[test]
    fn gives_a_shell_each_text_as_one_word() {
        for plain in ["epicme", "../target/epicme", "ada+1@example.com", "http://127.0.0.1:8787/mcp"] {
            assert_eq!(shell_word(plain), plain);
        }
        for text in [
            "",
            " ",
            "sp ace/epicme",
            "it's.db",
            "''",
            "o'brien@x.y",
            "a;id@x.y",
            "$(id)@x.y",
            "~",
            "a=b",
            "é",
            "a\nb",
        ] {
            let command = format!("printf '%s|' {} {}", shell_word(text), shell_word("next"));
            let run = std::process::Command::new("/bin/sh").args(["-c", &command]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&run.stdout), format!("{text}|next|"), "{command}");
        }
    }
}
