//! The completions of three shells.
//!
//! Knows no command: what can be typed where comes from `help`. Each script holds a table and what its shell needs to
//! look into it, so that a Tab starts no program.

use std::collections::BTreeMap;

use super::help::{self, Choice, Page, Row};

const MADE: &str = "made of `epicme help` by tests/packaging";

/// For bash, from 3.2 on, which macOS has, and without the package bash-completion.
pub fn bash(pages: &[Page]) -> String {
    let commands = names(pages.iter().map(|page| page.name.as_str()));
    let mut places = String::new();
    for page in pages.iter().filter(|page| !page.verbs().is_empty()) {
        places += &format!("        {}) words='{}' ;;\n", quoted_blank(&page.name, ""), names(page.verbs()));
    }
    for place in help::places(pages) {
        let (command, verb) = place.words.split_once(' ').unwrap_or((&place.words, ""));
        let pattern = if verb.is_empty() { format!("'{command} '*") } else { quoted_blank(command, verb) };
        let options = names(place.options.iter().map(|row| row.name.as_str()));
        let argument = match &place.argument {
            Choice::Words(words) => format!(" words='{}'", names(words.iter().map(String::as_str))),
            Choice::File => " names=file".to_owned(),
            Choice::Folder | Choice::Other => String::new(),
        };
        places += &format!("        {pattern}) options='{options}'{argument} ;;\n");
    }
    // Options whose values are of one kind stand on one line.
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut takes_value = Vec::new();
    for (row, choice) in help::values(pages).iter().filter(|(row, _)| !row.value.is_empty()) {
        if !row.is_optional {
            takes_value.push(row.name.as_str());
        }
        let what = match choice {
            Choice::Words(words) => format!("words='{}'", names(words.iter().map(String::as_str))),
            Choice::File => "names=file".to_owned(),
            Choice::Folder => "names=folder".to_owned(),
            Choice::Other => continue,
        };
        kinds.entry(what).or_default().push(&row.name);
    }
    let values: String = kinds
        .iter()
        .map(|(what, options)| format!("            {}) {what} ;;\n", options.join(" | ")))
        .collect();
    BASH.replace("MADE", MADE)
        .replace("COMMANDS", &commands)
        .replace("TAKES_VALUE", &takes_value.join(" | "))
        .replace("        PLACES\n", &places)
        .replace("            VALUES\n", &values)
}

const BASH: &str = r#"# bash completion of epicme, MADE

_epicme() {
    local line=${COMP_LINE:0:COMP_POINT} current before= command= verb= options= words= names= value= given= i
    local -a typed
    # Readline splits at : and = too, so COMP_WORDS has parts of a URL or of a scope; these are the whole words.
    read -r -a typed <<<"$line"
    case $line in
        *[[:space:]]) typed+=('') ;;
    esac
    for ((i = 1; i < ${#typed[@]} - 1; i++)); do
        if [[ -n $value ]]; then
            value=
            continue
        fi
        case ${typed[i]} in
            TAKES_VALUE) value=yes ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${typed[i]}; elif [[ -z $verb ]]; then verb=${typed[i]}; fi ;;
        esac
    done
    current=${typed[i]}
    case $current in
        --*=*) before=${current%%=*} current=${current#*=} given=yes ;;
        *) before=${typed[i - 1]} ;;
    esac
    case "$command $verb" in
        ' ') words='COMMANDS' ;;
        PLACES
    esac
    if [[ -n $value || -n $given ]]; then
        words= names= options=
        case $before in
            VALUES
        esac
    fi
    if [[ $current == -* || -z $words$names ]]; then
        words=$options names=
    fi
    COMPREPLY=()
    # Without a list Readline completes names of files; here also where neither is meant, in bash before 4.
    if [[ -z $names ]]; then
        compopt +o default 2>/dev/null
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        # What stands before the last : or = is a word of its own for Readline, and stays.
        i=${current%"${current##*[:=]}"}
        COMPREPLY=("${COMPREPLY[@]#"$i"}")
    elif [[ $names == folder ]]; then
        compopt -o dirnames 2>/dev/null
    fi
}

complete -o default -F _epicme epicme
"#;

/// For zsh, as a function that its completion system finds by its name.
pub fn zsh(pages: &[Page]) -> String {
    let described = |page: &Page| format!("        {}\n", single(&format!("{}:{}", page.name, page.about)));
    let commands: String = pages.iter().map(described).collect();
    let choices = help::values(pages);
    let mut places = String::new();
    for page in pages.iter().filter(|page| !page.verbs().is_empty()) {
        places += &format!("        '{} ') compadd {} ;;\n", page.name, names(page.verbs()));
    }
    for place in help::places(pages) {
        let (command, verb) = place.words.split_once(' ').unwrap_or((&place.words, ""));
        let pattern = if verb.is_empty() { format!("'{command} '*") } else { format!("'{command} {verb}'") };
        let mut specs: Vec<_> = place.options.iter().map(|row| single(&spec(row, &choices))).collect();
        specs.push(single(&format!("*:argument:{}", action(&place.argument))));
        let specs = specs.join(" \\\n                ");
        places += &format!("        {pattern})\n            _arguments -s \\\n                {specs} ;;\n");
    }
    let verbed: Vec<_> =
        pages.iter().filter(|page| !page.verbs().is_empty()).map(|page| page.name.as_str()).collect();
    ZSH.replace("MADE", MADE)
        .replace("VERBED", &verbed.join(" | "))
        .replace("        COMMANDS\n", &commands)
        .replace("        PLACES\n", &places)
}

/// An option as `_arguments` reads it.
fn spec(row: &Row, choices: &[(&Row, Choice)]) -> String {
    let about = row.about.replace('[', "\\[").replace(']', "\\]");
    let (sign, colons) = if row.is_optional { ("=-", "::") } else { ("=", ":") };
    if row.value.is_empty() {
        return format!("{}[{about}]", row.name);
    }
    let choice = choices.iter().find(|(known, _)| known.name == row.name).map(|(_, choice)| choice);
    let value = row.value.replace(':', "\\:");
    format!("{}{sign}[{about}]{colons}{value}:{}", row.name, action(choice.unwrap_or(&Choice::Other)))
}

fn action(choice: &Choice) -> String {
    match choice {
        Choice::Words(words) => format!("({})", words.join(" ").replace(':', "\\:")),
        Choice::File => "_files".to_owned(),
        Choice::Folder => "_files -/".to_owned(),
        Choice::Other => " ".to_owned(),
    }
}

const ZSH: &str = r#"#compdef epicme
# zsh completion of epicme, MADE

_epicme() {
    local curcontext=$curcontext state verb=
    local -a commands
    commands=(
        COMMANDS
    )
    if (( CURRENT == 2 )); then
        _describe -t commands command commands
        return
    fi
    local command=$words[2]
    # `_arguments` takes the first word for the name of the program: that is the last of those that are read here.
    shift words
    (( CURRENT-- ))
    case $command in
        VERBED)
            if (( CURRENT > 2 )); then
                verb=$words[2]
                shift words
                (( CURRENT-- ))
            fi ;;
    esac
    case "$command $verb" in
        PLACES
    esac
}

_epicme "$@"
"#;

/// For fish.
pub fn fish(pages: &[Page]) -> String {
    let mut lines = FISH.replace("MADE", MADE);
    for page in pages {
        lines +=
            &format!("complete -c epicme -n '__epicme_is' -a {} -d {}\n", page.name, single(&page.about));
    }
    for page in pages {
        for verb in page.verbs() {
            lines += &format!("complete -c epicme -n '__epicme_is {}' -a {verb}\n", page.name);
        }
    }
    let choices = help::values(pages);
    for place in help::places(pages) {
        let at = format!("complete -c epicme -n '__epicme_at {}'", place.words);
        match &place.argument {
            Choice::Words(words) => lines += &format!("{at} -a '{}'\n", words.join(" ")),
            Choice::File => lines += &format!("{at} -F\n"),
            Choice::Folder | Choice::Other => {}
        }
        for row in &place.options {
            let choice = choices.iter().find(|(known, _)| known.name == row.name).map(|(_, choice)| choice);
            let value = match choice {
                _ if row.value.is_empty() => String::new(),
                // A value that may be left out is given with = alone.
                Some(Choice::Words(words)) if row.is_optional => format!(" -a '{}'", words.join(" ")),
                Some(Choice::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
                Some(Choice::File) => " -r -F".to_owned(),
                Some(Choice::Folder) => " -x -a '(__fish_complete_directories)'".to_owned(),
                _ => " -x".to_owned(),
            };
            lines += &format!("{at} -l {}{value} -d {}\n", &row.name[2..], single(&row.about));
        }
    }
    lines
}

const FISH: &str = r#"# fish completion of epicme, MADE

# The words before the one that is typed.
function __epicme_words
    set -l words (commandline -opc)
    set -e words[1]
    string join ' ' -- $words
end

# Whether these are all of them.
function __epicme_is
    test "$(__epicme_words)" = "$argv"
end

# Whether they begin with these.
function __epicme_at
    string match -q -- "$argv *" "$(__epicme_words) "
end

complete -c epicme -f
"#;

fn names<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

fn quoted_blank(command: &str, verb: &str) -> String {
    format!("'{command} {verb}'")
}

/// A text as one word of a shell, as bash, zsh and fish read it.
fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}
