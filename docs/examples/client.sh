#!/bin/sh
# The smallest MCP client: from a URL and nothing else to an entry in the journal, with curl. It needs no prior knowledge
# of the server: each answer names the next URL. A client does the same, only with the person's own browser in step 5.
#
#   EMAIL=demo@localhost PASSWORD=… docs/examples/client.sh http://127.0.0.1:8787/mcp 'A title' 'Some content'
set -eu
MCP=$1 TITLE=$2 CONTENT=$3
CALLBACK=http://127.0.0.1:6274/callback # where this client would listen for the browser
JAR=$(mktemp)                           # the browser's cookies
trap 'rm -f "$JAR"' EXIT

fail() { echo "client.sh: $1" >&2 && exit 1; }

# The value of the member $1 of the JSON on standard input: a string, or the first of an array of strings. A real client
# parses JSON; sed is enough for these flat documents.
member() { sed -n "s/.*\"$1\": *\[* *\"\([^\"]*\)\".*/\1/p"; }
# The text $1 as the inside of a JSON string, which holds no line end, tab or other control character as it is (RFC 8259
# §7). Those that have no short escape become blanks.
quoted() {
  printf %s "$1" | sed "s/[\\\"]/\\\\&/g; s/$(printf '\t')/\\\\t/g" |
    awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }' | tr '\1-\37' ' '
}
base64url() { basenc --base64url | tr -d '=\n'; }
random() { head -c 32 /dev/urandom | base64url; }
sha256() { sha256sum | cut -c 1-64 | tr a-f A-F | basenc --base16 -d; }

# 1. Ask without a token. The 401 names the document that describes this resource (RFC 9728 §5.1),
#    and the scopes to ask for (RFC 6750 §3).
CHALLENGE=$(curl -s -o /dev/null -D - -X POST "$MCP" | tr -d '\r' | sed -n 's/^WWW-Authenticate: *//p')
METADATA=$(printf %s "$CHALLENGE" | sed -n 's/.*resource_metadata="\([^"]*\)".*/\1/p')
SCOPE=$(printf %s "$CHALLENGE" | sed -n 's/.*scope="\([^"]*\)".*/\1/p')
[ "$METADATA" ] || fail "$MCP answers without a challenge that names its metadata"

# 2. The document says which authorization server makes tokens for it. It must be about the URL that was asked, or a
#    foreign server could have this client fetch a token for somebody else's resource (RFC 9728 §3.3).
RESOURCE=$(curl -s "$METADATA")
[ "$(echo "$RESOURCE" | member resource)" = "$MCP" ] || fail "$METADATA is about another resource"
ISSUER=$(echo "$RESOURCE" | member authorization_servers)

# 3. The authorization server says where to register, where to send the person, and where to trade (RFC 8414). Without
#    S256 a client must stop: the code would be worth something to everyone who sees it.
SERVER=$(curl -s "$ISSUER/.well-known/oauth-authorization-server")
[ "$(echo "$SERVER" | member issuer)" = "$ISSUER" ] || fail "$ISSUER calls itself something else"
[ "$(echo "$SERVER" | member code_challenge_methods_supported)" = S256 ] || fail "$ISSUER doesn't support PKCE"
AUTHORIZE=$(echo "$SERVER" | member authorization_endpoint)

# 4. Register (RFC 7591). The answer holds the name of this client from now on.
CLIENT=$(curl -s "$(echo "$SERVER" | member registration_endpoint)" -H 'Content-Type: application/json' \
  -d "{\"client_name\":\"client.sh\",\"redirect_uris\":[\"$CALLBACK\"]}" | member client_id)

# 5. Send the person's browser to the authorization server. The verifier stays here and only its hash goes along, so the
#    code that comes back is worth nothing to others who see it (PKCE, RFC 7636). The state comes back as it went.
VERIFIER=$(random) STATE=$(random)
QUERY="response_type=code&client_id=$CLIENT&redirect_uri=$CALLBACK&state=$STATE&resource=$MCP"
QUERY="$QUERY&code_challenge=$(printf %s "$VERIFIER" | sha256 | base64url)&code_challenge_method=S256"
QUERY="$QUERY&scope=$(printf %s "$SCOPE" | tr ' ' +)"

#    From here to the redirect curl plays the browser and the person: it fills in the two forms. A client never does
#    this. It opens "$AUTHORIZE?$QUERY" in the browser, waits on the port of its redirect URI, and sees no password.
browse() { curl -s -b "$JAR" -c "$JAR" "$@"; }
submit() { # fills in the form on the page "$PAGE": the hidden fields as they are, the rest from the arguments
  ACTION=${AUTHORIZE%/authorize}$(printf %s "$PAGE" | sed -n 's/.*<form [^>]*action="\([^"]*\)".*/\1/p')
  FORM=$(printf %s "$PAGE" | sed -n 's/.*name="form" value="\([^"]*\)".*/\1/p')
  browse "$ACTION" --data-urlencode "request=$QUERY" --data-urlencode "form=$FORM" "$@"
}
PAGE=$(browse "$AUTHORIZE?$QUERY")
PAGE=$(submit -L --data-urlencode "email=$EMAIL" --data-urlencode "password=$PASSWORD")
case $PAGE in *'name="decision"'*) ;; *) fail "not signed in: is that the password of $EMAIL?" ;; esac
TICKS=$(for scope in $SCOPE; do printf '&%s=1' "$scope"; done)
LOCATION=$(submit -o /dev/null -D - -d "decision=allow$TICKS" | tr -d '\r' | sed -n 's/^Location: *//p')

#    The browser comes back to the redirect URI. Only a code with the state that was sent, from the issuer that was asked,
#    is the answer to this request (OAuth 2.1 §4.1.2, RFC 9207).
parameter() { printf '%s\n' "${LOCATION#*\?}" | tr '&' '\n' | sed -n "s/^$1=//p"; }
[ "$(parameter code)" ] || fail "no code came back"
[ "$(parameter state)" = "$STATE" ] || fail "another state came back"
[ "$(parameter iss | sed 's/%3A/:/g; s,%2F,/,g')" = "$ISSUER" ] || fail "another server answered"

# 6. Trade the code and the verifier for a token (OAuth 2.1 §4.1.3), directly and not through the browser.
TOKEN=$(curl -s "$(echo "$SERVER" | member token_endpoint)" -d grant_type=authorization_code -d "client_id=$CLIENT" \
  -d "code=$(parameter code)" -d "code_verifier=$VERIFIER" -d "resource=$MCP" | member access_token)
[ "$TOKEN" ] || fail "the code wasn't traded for a token"

# 7. Call the tool. Since 2026-07-28 a call needs no session: the request says itself which version it speaks, in `_meta`
#    and in headers, which must agree.
ANSWER=$(curl -s "$MCP" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' \
  -H 'Mcp-Method: tools/call' -H 'Mcp-Name: create_entry' -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{
    "name":"create_entry","arguments":{"title":"'"$(quoted "$TITLE")"'","content":"'"$(quoted "$CONTENT")"'"},
    "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}')
printf '%s\n' "$ANSWER"

#    A tool that failed says so in its result; a call that the server didn't run has an error in place of one.
case $ANSWER in
  *'"isError":true'*) fail "the tool failed" ;;
  *'"result":'*) ;;
  *) fail "the call was refused" ;;
esac
