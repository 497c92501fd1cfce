# fish completion of epicme, made of `epicme help` by tests/packaging

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
complete -c epicme -n '__epicme_is' -a serve -d 'serve the journal until SIGTERM, SIGINT (Ctrl-C) or SIGHUP'
complete -c epicme -n '__epicme_is' -a stdio -d 'MCP over standard input and output'
complete -c epicme -n '__epicme_is' -a user -d 'add a person, list all, set the password or the time zone of one, take away a second factor, or remove one with their whole journal'
complete -c epicme -n '__epicme_is' -a token -d 'make a token for a client that can'"'"'t sign in, list all, or revoke one'
complete -c epicme -n '__epicme_is' -a client -d 'register a client that can'"'"'t register itself, list all, or remove one'
complete -c epicme -n '__epicme_is' -a backup -d 'copy the whole database into FILE, also while a server runs'
complete -c epicme -n '__epicme_is' -a restore -d 'put a backup in the place of the database'
complete -c epicme -n '__epicme_is' -a check -d 'look through the database, or a backup, and change nothing'
complete -c epicme -n '__epicme_is' -a status -d 'say what the database holds and how it is kept'
complete -c epicme -n '__epicme_is' -a health -d 'ask a server whether it is well'
complete -c epicme -n '__epicme_is' -a export -d 'write the whole journal of a person'
complete -c epicme -n '__epicme_is' -a import -d 'read an export of epicme, Day One, jrnl or Obsidian'
complete -c epicme -n '__epicme_is' -a explain -d 'what the gate does with a token; -: on standard input'
complete -c epicme -n '__epicme_is' -a doctor -d 'go a client'"'"'s way to a server, and say where it ends'
complete -c epicme -n '__epicme_is' -a version -d 'the version of the program'
complete -c epicme -n '__epicme_is' -a help -d 'what the command does, and all of its options'
complete -c epicme -n '__epicme_is user' -a add
complete -c epicme -n '__epicme_is user' -a list
complete -c epicme -n '__epicme_is user' -a passwd
complete -c epicme -n '__epicme_is user' -a zone
complete -c epicme -n '__epicme_is user' -a remove
complete -c epicme -n '__epicme_is user' -a remove-factor
complete -c epicme -n '__epicme_is token' -a create
complete -c epicme -n '__epicme_is token' -a list
complete -c epicme -n '__epicme_is token' -a revoke
complete -c epicme -n '__epicme_is client' -a add
complete -c epicme -n '__epicme_is client' -a list
complete -c epicme -n '__epicme_is client' -a remove
complete -c epicme -n '__epicme_at serve' -l listen -x -d 'where to listen, 127.0.0.1:8787; port 0: a free one'
complete -c epicme -n '__epicme_at serve' -l public-url -x -d 'https://HOST, as clients call it through a proxy'
complete -c epicme -n '__epicme_at serve' -l trusted-proxies -x -d 'ADDR[/BITS],... that say who the client is'
complete -c epicme -n '__epicme_at serve' -l allowed-origins -x -d 'pages, extensions, apps that may use the endpoint'
complete -c epicme -n '__epicme_at serve' -l backup-to -x -a '(__fish_complete_directories)' -d 'back the database up into this folder'
complete -c epicme -n '__epicme_at serve' -l every -x -d 'how often, 24h'
complete -c epicme -n '__epicme_at serve' -l keep -x -d 'how many of these backups are kept, 7'
complete -c epicme -n '__epicme_at serve' -l create -d 'make a new journal of an empty file that is there'
complete -c epicme -n '__epicme_at serve' -l no-backup -d 'bring an earlier version up to date without a copy'
complete -c epicme -n '__epicme_at serve' -l demo -d 'fill a new database with an example'
complete -c epicme -n '__epicme_at serve' -l watch -d 'show each exchange at /watch, to this machine alone'
complete -c epicme -n '__epicme_at serve' -l require-confirmation -d 'refuse a delete that no person can confirm'
complete -c epicme -n '__epicme_at serve' -l redirect-scheme -x -d 'let apps have this scheme; may be there repeatedly'
complete -c epicme -n '__epicme_at serve' -l log -x -a 'text json' -d 'how requests are written to standard error'
complete -c epicme -n '__epicme_at serve' -l log-level -x -a 'info warn error' -d 'all; those refused or failed; those that failed'
complete -c epicme -n '__epicme_at serve' -l explain -a 'json' -d 'show each request, check by check'
complete -c epicme -n '__epicme_at serve' -l authorization-server -x -d 'tokens come from that server; it needs these three:'
complete -c epicme -n '__epicme_at serve' -l introspection-url -x -d 'where that server tells what a token is'
complete -c epicme -n '__epicme_at serve' -l introspection-id -x -d 'the name of this server there'
complete -c epicme -n '__epicme_at serve' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at stdio' -l require-confirmation -d 'refuse a delete that no person can confirm'
complete -c epicme -n '__epicme_at stdio' -l log -x -a 'text json' -d 'how requests are written to standard error'
complete -c epicme -n '__epicme_at stdio' -l log-level -x -a 'info warn error' -d 'all; those refused or failed; those that failed'
complete -c epicme -n '__epicme_at stdio' -l explain -a 'json' -d 'show each request, check by check'
complete -c epicme -n '__epicme_at stdio' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at user add' -l public-url -x -d 'of the server, if it has one; then a password must be longer'
complete -c epicme -n '__epicme_at user add' -l password-stdin -d 'take the password from standard input'
complete -c epicme -n '__epicme_at user add' -l create -d 'make a journal of an empty file that is there'
complete -c epicme -n '__epicme_at user add' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at user list' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at user passwd' -l public-url -x -d 'of the server, if it has one; then a password must be longer'
complete -c epicme -n '__epicme_at user passwd' -l password-stdin -d 'take the password from standard input'
complete -c epicme -n '__epicme_at user passwd' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at user zone' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at user remove' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at user remove-factor' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at token create' -l scope -x -a 'user:read entries:read entries:write tags:read tags:write' -d 'user:read {entries,tags}:{read,write}'
complete -c epicme -n '__epicme_at token create' -l expires -x -d 'like 90s 15m 12h 30d, the default'
complete -c epicme -n '__epicme_at token create' -l label -x -d 'a name for your lists'
complete -c epicme -n '__epicme_at token create' -l public-url -x -d 'for the server that has this URL'
complete -c epicme -n '__epicme_at token create' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at token list' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at token revoke' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at client add' -l metadata -r -F -d 'the client'"'"'s own registration, as JSON'
complete -c epicme -n '__epicme_at client add' -l confidential -d 'with a secret, which is shown once'
complete -c epicme -n '__epicme_at client add' -l redirect-scheme -x -d 'let it have this scheme of its own'
complete -c epicme -n '__epicme_at client add' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at client list' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at client remove' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at backup' -F
complete -c epicme -n '__epicme_at backup' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at restore' -F
complete -c epicme -n '__epicme_at restore' -l keep-access -d 'leave tokens and sign-ins as the backup has them'
complete -c epicme -n '__epicme_at restore' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at check' -F
complete -c epicme -n '__epicme_at check' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at status' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at health' -l listen -x -d 'ask the server that listens here, 127.0.0.1:8787'
complete -c epicme -n '__epicme_at export' -l all -d 'of every person, each into a file of its own'
complete -c epicme -n '__epicme_at export' -l format -x -a 'json markdown' -d 'json, the default, loses nothing'
complete -c epicme -n '__epicme_at export' -l output -r -F -d 'the file or folder to write; -: standard output'
complete -c epicme -n '__epicme_at export' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at import' -F
complete -c epicme -n '__epicme_at import' -l dry-run -d 'say what would be done, and do nothing'
complete -c epicme -n '__epicme_at import' -l skip-invalid -d 'leave out what can'"'"'t be kept, import the rest'
complete -c epicme -n '__epicme_at import' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at explain' -l scope -x -a 'user:read entries:read entries:write tags:read tags:write' -d 'check for these scopes, or for a tool, too'
complete -c epicme -n '__epicme_at explain' -l at -x -d 'check as at 2026-07-28[T09:30:00Z]'
complete -c epicme -n '__epicme_at explain' -l listen -x -d 'of the server that the token is brought to'
complete -c epicme -n '__epicme_at explain' -l public-url -x -d 'of the server that the token is brought to'
complete -c epicme -n '__epicme_at explain' -l database -r -F -d 'the file of the journal, default epicme.db'
complete -c epicme -n '__epicme_at doctor' -l connect -x -d 'where a proxy forwards to that server; or a list, with https://HOST=ADDR:PORT for each further one'
complete -c epicme -n '__epicme_at doctor' -l diagram -d 'print the exchanges as a Mermaid sequence diagram'
complete -c epicme -n '__epicme_at doctor' -l json -d 'print one JSON object, for programs'
complete -c epicme -n '__epicme_at help' -a 'serve stdio user token client backup restore check status health export import explain doctor version help'
