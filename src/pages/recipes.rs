//! How each client is connected to this server: one recipe for each, with the server's own URL filled in.
//!
//! Reads no request and knows no page. The first page shows the recipes, and `docs/clients.md` has the same ones: a
//! test compares the document with this table, and writes it anew with `UPDATE_DOCUMENTS=1`.

/// How one client is connected.
pub(crate) struct Recipe {
    /// The client's name.
    pub name: &'static str,
    /// Where the block goes, or how the place is reached to which it is pasted.
    pub place: &'static str,
    /// What is typed, written into a file or pasted, with [`URL`] in the place of the server's URL.
    pub block: &'static str,
    pub reach: Reach,
    /// Whether it needs a token of the command line, because the client doesn't ask its person to sign in.
    pub takes_token: bool,
    /// How the client gets its token, and what else a person has to know: one sentence on each line.
    pub note: &'static str,
    /// What the recipe was checked against, at the time that [`CHECKED`] says: the version that was run, or the pages
    /// of the client's documentation that were read.
    pub checked: &'static str,
}

/// When all recipes were checked.
pub(crate) const CHECKED: &str = "Checked in November 2026";

/// What stands in a block and in a note for the server's URL.
const URL: &str = "{url}";

/// From where a client calls the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// From the person's own machine, so that plain http to that machine will do.
    Anywhere,
    /// From its maker's servers, which come only to https that the internet reaches.
    Internet,
}

impl Recipe {
    /// Returns the block for the server with this URL.
    pub(crate) fn block_for(&self, url: &str) -> String {
        self.block.replace(URL, url)
    }

    /// Returns the note for the server with this URL.
    pub(crate) fn note_for(&self, url: &str) -> String {
        self.note.replace(URL, url)
    }

    /// Whether the client can use a server with this URL, as far as the URL says.
    pub(crate) fn fits(&self, url: &str) -> bool {
        self.reach == Reach::Anywhere || url.starts_with("https://")
    }
}

/// Every recipe, in the order in which they are shown.
pub(crate) const RECIPES: [Recipe; 16] = [
    Recipe {
        name: "Claude Code",
        place: "In a terminal:",
        block: "claude mcp add --transport http epicme {url}\nclaude mcp login epicme",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "The second command opens your browser to sign in; inside Claude Code, `/mcp` does the same.\n\
            With `--scope user` after `add`, every project has it.",
        checked: "version 2.1.197 was run: it signed in, and `claude mcp list` said that it is connected",
    },
    Recipe {
        name: "Claude Desktop",
        place: "In `claude_desktop_config.json` (Settings, Developer, Edit Config), with whole paths:",
        block: r#"{
  "mcpServers": {
    "epicme": {
      "command": "/usr/local/bin/epicme",
      "args": ["stdio", "--database", "/home/you/journal.db"],
      "env": { "EPICME_TOKEN": "TOKEN" }
    }
  }
}"#,
        reach: Reach::Anywhere,
        takes_token: true,
        note: "It opens no URL from that file: it starts a program, here on the machine that has the journal.\n\
            `epicme token create EMAIL` prints the token.\n\
            For a server elsewhere, add a connector as in claude.ai, which wants a public https URL.",
        checked: "https://support.claude.com/en/articles/11503834-building-custom-integrations-via-remote-mcp-servers",
    },
    Recipe {
        name: "claude.ai",
        place: "Customize, Connectors, +, Add custom connector; as its URL:",
        block: "{url}",
        reach: Reach::Internet,
        takes_token: false,
        note: "Then press Connect: it registers itself, and your browser asks you to sign in.\n\
            The calls come from Anthropic's servers, also those of Claude Desktop and of the mobile apps.",
        checked: "https://support.claude.com/en/articles/11503834-building-custom-integrations-via-remote-mcp-servers",
    },
    Recipe {
        name: "ChatGPT",
        place: "On the web, Plugins (`https://chatgpt.com/plugins`), +, Add custom MCP server; as its Server URL:",
        block: "{url}",
        reach: Reach::Internet,
        takes_token: false,
        note: "As its authentication choose OAuth: it registers itself, and your browser asks you to sign in.\n\
            A workspace may have to allow its developer mode first.",
        checked: "https://developers.openai.com/api/docs/guides/custom-mcp-server",
    },
    Recipe {
        name: "VS Code",
        place: "In a terminal:",
        block: r#"code --add-mcp '{"name":"epicme","type":"http","url":"{url}"}'"#,
        reach: Reach::Anywhere,
        takes_token: false,
        note: "Then start it with the command `MCP: List Servers`; it opens your browser to sign in.",
        checked: "https://code.visualstudio.com/docs/copilot/guides/mcp-developer-guide and \
            https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
    },
    Recipe {
        name: "Cursor",
        place: "In `~/.cursor/mcp.json`, or in `.cursor/mcp.json` of a project:",
        block: r#"{
  "mcpServers": {
    "epicme": { "url": "{url}" }
  }
}"#,
        reach: Reach::Anywhere,
        takes_token: false,
        note: "Turn it on on the page Customize, where Cursor offers to sign in with your browser.",
        checked: "https://cursor.com/docs/mcp",
    },
    Recipe {
        name: "Codex CLI",
        place: "In a terminal:",
        block: "codex mcp add epicme --url {url}",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "It opens your browser to sign in at once, and `codex mcp login epicme` does later.\n\
            The IDE extension of Codex reads the same configuration.",
        checked: "version 0.171.0 was run: it signed in, and `codex mcp list` said OAuth",
    },
    Recipe {
        name: "Gemini CLI",
        place: "In a terminal:",
        block: "gemini mcp add --scope user --transport http epicme {url}",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "Inside Gemini CLI, `/mcp auth epicme` opens your browser to sign in.\n\
            In a folder that you don't trust it turns every server off.",
        checked: "its own page on MCP servers, which version 0.61.0 brings; that version was run: it added the server, \
            and with a token in a header it said that it is connected",
    },
    Recipe {
        name: "Goose",
        place: "In `~/.config/goose/config.yaml`:",
        block: "extensions:\n  \
              epicme:\n    \
                name: epicme\n    \
                type: streamable_http\n    \
                uri: {url}\n    \
                enabled: true\n    \
                timeout: 300",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "Goose opens your browser to sign in when a session begins.\n\
            For one session: `goose session --with-streamable-http-extension {url}`",
        checked: "https://goose-docs.ai/docs/guides/config-files, and aaif-goose/goose#9181 for the sign-in",
    },
    Recipe {
        name: "Zed",
        place: "In its settings file (the command `zed: open settings file`):",
        block: r#"{
  "context_servers": {
    "epicme": { "url": "{url}" }
  }
}"#,
        reach: Reach::Anywhere,
        takes_token: false,
        note: "Without an `Authorization` header in the settings, Zed offers to sign in with your browser.",
        checked: "https://zed.dev/docs/ai/mcp, and zed-industries/zed#51768 for the sign-in",
    },
    Recipe {
        name: "opencode",
        place: "In a terminal:",
        block: "opencode mcp add epicme --url {url}\nopencode mcp auth epicme",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "The second command opens your browser to sign in.\n\
            Version 2 has `/mcps` inside opencode in its place, and wants `--global` for every project.",
        checked: "version 1.18.33 was run: it signed in, and `opencode mcp list` said connected; version 2 by \
            https://opencode.ai/docs/mcp-servers",
    },
    Recipe {
        name: "LibreChat",
        place: "In `librechat.yaml`:",
        block: "mcpServers:\n  epicme:\n    type: streamable-http\n    url: {url}",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "Each person signs in with the key beside the server's name.\n\
            LibreChat refuses a private address, unless `mcpSettings.allowedAddresses` has its host and port.\n\
            In a container, `127.0.0.1` is the container: give it a public https URL.",
        checked: "https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers and mcp_settings",
    },
    Recipe {
        name: "Open WebUI",
        place: "Admin Settings, Integrations, +, with the type MCP (Streamable HTTP); as its URL:",
        block: "{url}",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "As Auth choose OAuth 2.1, then Register Client, and Save. Only an administrator can.\n\
            Each person turns it on in a chat and signs in; it can't be one of a model's default tools.\n\
            In a container, `127.0.0.1` is the container: give it a public https URL.",
        checked: "https://docs.openwebui.com/features/extensibility/mcp",
    },
    Recipe {
        name: "mcp-remote",
        place: "In the configuration of a client that only starts programs:",
        block: r#"{
  "mcpServers": {
    "epicme": { "command": "npx", "args": ["-y", "mcp-remote", "{url}"] }
  }
}"#,
        reach: Reach::Anywhere,
        takes_token: false,
        note: "It opens your browser to sign in when the client starts it. It needs Node.",
        checked: "version 0.15.1 was run: it signed in, and called a tool",
    },
    Recipe {
        name: "MCP Inspector",
        place: "In a terminal:",
        block: "npx @modelcontextprotocol/inspector --transport http --server-url {url}",
        reach: Reach::Anywhere,
        takes_token: false,
        note: "It opens its page in your browser: press Connect there, and sign in. It needs Node 22.",
        checked: "version 2.12.0 was run, in Chromium and with `--cli`: it signed in, and called a tool",
    },
    Recipe {
        name: "curl",
        place: "In a terminal, with a token (`EPICME_TOKEN=$(epicme token create EMAIL)`):",
        block: "curl -s {url} -H \"Authorization: Bearer $EPICME_TOKEN\" -H 'Content-Type: application/json' \\\n  \
            -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}'",
        reach: Reach::Anywhere,
        takes_token: true,
        note: "Without a token, `curl -i {url}` shows the 401 that says where to get one.",
        checked: "the tests run it",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const DOCUMENT: &str = "docs/clients.md";
    const EXAMPLE: &str = "http://127.0.0.1:8787/mcp";

    /// The language that the document names for a block. That of commands has none, so that the document's own test
    /// runs only those of curl.
    fn fence(recipe: &Recipe) -> &'static str {
        match recipe.block {
            block if block.starts_with('{') && block.ends_with('}') && block != URL => "jsonc",
            block if block.contains(":\n") => "yaml",
            block if block.starts_with("curl ") => "sh",
            _ => "",
        }
    }

    /// The part of the document that has the recipes, up to what curl prints.
    fn document() -> String {
        let mut text = String::new();
        for recipe in &RECIPES {
            let url = match recipe.reach {
                Reach::Internet => "https://journal.example/mcp",
                Reach::Anywhere => EXAMPLE,
            };
            let fence = fence(recipe);
            let (block, note) = (recipe.block_for(url), recipe.note_for(url));
            let Recipe { name, place, checked, .. } = recipe;
            let needs = match recipe.reach {
                Reach::Internet => "It needs a public https URL.\n\n",
                Reach::Anywhere => "",
            };
            write!(
                text,
                "\n## {name}\n\n{needs}{place}\n\n```{fence}\n{block}\n```\n\n{note}\n{CHECKED}: {checked}.\n"
            )
            .expect("a text");
        }
        text
    }

    #[test]
    fn are_in_the_document_as_they_are_here() {
        let found = std::fs::read_to_string(DOCUMENT).expect("the document");
        let (before, rest) = found.split_once("\n## ").expect("a section");
        let expected = document();
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            let printed = rest.rsplit_once("\n```text\n").map_or("", |(_, printed)| printed);
            std::fs::write(DOCUMENT, format!("{before}{expected}\n```text\n{printed}")).expect("a file");
        } else {
            let same = found[before.len()..].starts_with(&expected);
            assert!(same, "{DOCUMENT} has other recipes: UPDATE_DOCUMENTS=1 cargo test recipes writes these");
        }
    }

    #[test]
    fn are_the_ones_of_the_readme() {
        let readme = std::fs::read_to_string("README.md").expect("the README");
        for name in ["Claude Code", "Claude Desktop", "VS Code"] {
            let recipe = RECIPES.iter().find(|recipe| recipe.name == name).expect("a recipe");
            assert!(readme.contains(&recipe.block_for(EXAMPLE)), "README.md has another recipe for {name}");
        }
    }

    #[test]
    fn can_be_read_by_the_client_that_they_are_for() {
        for recipe in &RECIPES {
            let block = recipe.block_for(EXAMPLE);
            let name = recipe.name;
            // Claude Desktop gets the program in place of the URL.
            assert!(block.contains(EXAMPLE) || name == "Claude Desktop", "{name}: {block}");
            assert!(!block.contains(URL) && !recipe.note_for(EXAMPLE).contains(URL), "{name}");
            match fence(recipe) {
                "jsonc" => assert!(json(&block).is_object(), "{name}: {block}"),
                "yaml" => assert!(is_yaml(&block), "{name}: {block}"),
                _ => {
                    for quoted in block.split('\'').filter(|part| part.starts_with('{')) {
                        assert!(json(quoted).is_object(), "{name}: {quoted}");
                    }
                }
            }
        }
    }

    fn json(text: &str) -> serde_json::Value {
        serde_json::from_str(text).expect("JSON")
    }

    /// Whether a text is maps of YAML whose keys and values are plain words, each map two blanks further in.
    fn is_yaml(text: &str) -> bool {
        let mut deepest = 0;
        text.lines().all(|line| {
            let key = line.trim_start();
            let depth = line.len() - key.len();
            let fits = depth % 2 == 0 && depth <= deepest;
            let plain = |text: &str| !text.contains(['"', '\'', '#', '{', '[', '\t']) && !text.contains(": ");
            match key.split_once(": ").or(key.strip_suffix(':').map(|key| (key, ""))) {
                Some((key, value)) => {
                    deepest = if value.is_empty() { depth + 2 } else { depth };
                    fits && !key.is_empty() && plain(key) && plain(value)
                }
                None => false,
            }
        })
    }
}
