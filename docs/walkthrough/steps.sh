# Chapters 5, 6 and 7 as three functions, so that the chapters behind them can begin where they need to.
# They use $BASE, and $PASSWORD of demo@localhost.

# PKCE: the code challenge of the verifier $1, its hash.
challenge_of() {
  printf %s "$1" | sha256sum | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | basenc --base64url | tr -d =
}

# The value of a hidden field of a page.
hidden() {
  sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p"
}

# The value of a member that is a string, of JSON.
member() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# Chapter 5: sets CLIENT_ID.
client_registers() {
  CLIENT_ID=$(curl -s "$BASE/register" -H 'Content-Type: application/json' \
    -d '{"client_name":"My terminal","redirect_uris":["http://127.0.0.1:6274/callback"]}' | member client_id)
}

# The owner's browser comes with the request in QUERY, and signs in; JAR is its memory.
owner_signs_in() {
  FORM=$(curl -s -b "$JAR" -c "$JAR" "$BASE/authorize?$QUERY" | hidden form)
  [ "$(curl -s -o /dev/null -w '%{http_code}' -b "$JAR" -c "$JAR" "$BASE/sign-in" \
    --data-urlencode "request=$QUERY" -d "form=$FORM" \
    -d email=demo@localhost --data-urlencode "password=$PASSWORD")" = 303 ] ||
    echo "the sign-in failed: is '$PASSWORD' the password of demo@localhost?"
}

# Chapter 6, for the scopes in $1: sets VERIFIER and CODE.
owner_allows() {
  JAR=$(mktemp)
  VERIFIER=$(head -c 32 /dev/urandom | basenc --base64url | tr -d '=\n')
  QUERY="response_type=code&client_id=$CLIENT_ID&code_challenge_method=S256&code_challenge=$(challenge_of "$VERIFIER")"
  QUERY="$QUERY&state=s1&scope=$(printf %s "$1" | tr ' ' +)&resource=$BASE/mcp"
  owner_signs_in
  FORM=$(curl -s -b "$JAR" -c "$JAR" "$BASE/authorize?$QUERY" | hidden form)
  TICKS=$(for scope in $(printf %s "$1"); do printf '&%s=1' "$scope"; done)
  CODE=$(curl -s -i -b "$JAR" -c "$JAR" "$BASE/authorize" --data-urlencode "request=$QUERY" \
    -d "form=$FORM$TICKS&decision=allow" | sed -n 's/^Location: .*[?&]code=\([^&]*\).*/\1/p')
  rm -f "$JAR"
}

# Chapter 7: sets ACCESS and REFRESH.
client_trades() {
  ANSWER=$(curl -s "$BASE/token" -d grant_type=authorization_code -d "client_id=$CLIENT_ID" -d "code=$CODE" \
    -d "code_verifier=$VERIFIER" -d "resource=$BASE/mcp")
  ACCESS=$(printf %s "$ANSWER" | member access_token)
  REFRESH=$(printf %s "$ANSWER" | member refresh_token)
}
