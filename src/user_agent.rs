//! `User-Agent` → a few plain words, by which a person recognizes a browser of theirs.
//!
//! Invariant: every word that it returns is one of this file, so nothing that a stranger sends is stored or shown. The
//! words are a help to remember, and no proof: any program can send any `User-Agent`.

/// What a browser's `User-Agent` holds, and its name. The first that fits counts, because most browsers name others
/// too.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", " on an iPhone"),
    ("iPad", " on an iPad"),
    ("Android", " on Android"),
    ("CrOS", " on ChromeOS"),
    ("Windows", " on Windows"),
    ("Macintosh", " on a Mac"),
    ("Linux", " on Linux"),
    ("BSD", " on BSD"),
];

/// Describes a browser.
pub(crate) fn describe(user_agent: &str) -> String {
    let word = |list: &[(&str, &'static str)]| {
        list.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, word)| *word)
    };
    let browser = word(&BROWSERS).unwrap_or("A browser");
    format!("{browser}{}", word(&SYSTEMS).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_browser_in_plain_words_and_repeats_nothing_of_a_stranger() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (user_agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(), "Firefox on Linux"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36"), "Chrome on Windows"),
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0"),
                "Edge on Windows",
            ),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {webkit} Chrome/140.0.0.0 Mobile Safari/537.36"), "Chrome on Android"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1"
                    .to_owned(),
                "Safari on an iPhone",
            ),
            ("curl/8.14.1".to_owned(), "curl"),
            ("<script>evil</script>".to_owned(), "A browser"),
            (String::new(), "A browser"),
        ] {
            assert_eq!(describe(&user_agent), words, "{user_agent}");
        }
    }
}
