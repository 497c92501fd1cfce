//! The first page: what this server is, the URL to copy, and a recipe for each client.
//!
//! Reads no database and no request. A person who types the server's name into a browser should learn what to do with
//! it, and not meet a 404.

use super::recipes::{CHECKED, RECIPES, Recipe};
use super::{Html, account_link, journal_link, page};
use crate::http::response::Response;
use crate::site;

/// Answers `GET /`. If another authorization server issues the tokens, people have no account here and the command line
/// makes no token, so the page has no link to an account and no recipe that begins with such a token.
pub(crate) fn show(base_url: &str, has_accounts: bool) -> Response {
    let url = format!("{base_url}{}", site::MCP);
    let recipes = RECIPES.iter().filter(|recipe| has_accounts || !recipe.takes_token);
    let body = Html::markup("<p>You write and read this journal through any program that speaks MCP; ")
        .then("each person sees only their own entries.</p>\n<p>Give your program this URL and press Connect:</p>\n<pre>")
        .then_text(&url)
        .then("</pre>\n")
        .and(if has_accounts { journal_link().and(account_link()) } else { Html::default() })
        .then("<h2>How to connect</h2>\n")
        .and(Html::all(recipes.map(|recipe| section(recipe, &url))));
    page(200, "A private journal", body)
}

/// Builds a recipe that a person opens by its name. The browser does that without a script.
fn section(recipe: &Recipe, url: &str) -> Html {
    let summary = Html::markup("<details>\n<summary>").then(recipe.name).then("</summary>\n");
    let shown = if recipe.fits(url) {
        Html::markup("<p>")
            .and(with_code(recipe.place))
            .then("</p>\n<pre>")
            .then_text(&recipe.block_for(url))
            .then("</pre>\n<p class=\"hint\">")
            .and(with_code(&recipe.note_for(url)))
            .then("</p>\n<p class=\"hint\">")
            .then(CHECKED)
            .then(": ")
            .and(with_code(recipe.checked))
            .then(".</p>\n")
    } else {
        Html::markup(
            "<p>Its maker's servers call this one, so it needs an https URL that the internet reaches. ",
        )
        .then("This server has only ")
        .then_text(url)
        .then(". The person who runs it can put a proxy in front of it, and name that by ")
        .then("<code>epicme serve --public-url</code>.</p>\n")
    };
    summary.and(shown).then("</details>\n")
}

/// Shows what stands between backticks as code.
fn with_code(text: &str) -> Html {
    let pieces = text.split('`').enumerate();
    Html::all(pieces.map(|(place, piece)| match place % 2 {
        0 => Html::text(piece),
        _ => Html::markup("<code>").then_text(piece).then("</code>"),
    }))
}
