#!/bin/sh
# The licences of all crates in the binary, each with the name of its crate: they allow to pass the program on if their
# authors are named. The registry's copies of the crates lie in the folder that is given.
set -eu
crates=$1
cargo tree --locked --edges normal,no-proc-macro --prefix none --no-dedupe --format '{p}' | grep -v '(' |
    LC_ALL=C sort -u | while read -r name version; do
    set -- "$crates"/registry/src/*/"$name-${version#v}"
    crate=$1
    texts=$(find "$crate" -maxdepth 1 -type f | grep -iE '/(licen[cs]e|copying|unlicense|notice)[^/]*$' | LC_ALL=C sort)
    if [ -z "$texts" ]; then
        # One stands at the head of the source.
        head=$(sed -n '1{/^\/\*/!q;};p;/\*\//q' "$crate/src/lib.rs" | tr -d '\r')
        case $head in
            *"Permission is hereby granted"*) printf '=== %s %s: src/lib.rs\n\n%s\n\n' "$name" "${version#v}" "$head" ;;
            *)
                echo "$name has no text of its licence" >&2
                exit 1
                ;;
        esac
        continue
    fi
    printf '%s\n' "$texts" | while read -r text; do
        printf '=== %s %s: %s\n\n' "$name" "${version#v}" "${text##*/}"
        tr -d '\r' <"$text"
        printf '\n'
    done
done
