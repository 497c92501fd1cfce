#!/bin/sh
# The licences of what is in the binary beside this program: of all crates, each with the name of its crate, of Rust's
# standard library and of the C library. They allow to pass the program on if their authors are named. The registry's
# copies of the crates lie in the folder that is given.
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

# --- the standard library: the toolchain has its notices as a page ---

page=$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html
if [ ! -f "$page" ]; then
    echo "there is no $page: take a toolchain of rustup, which has it" >&2
    exit 1
fi
printf '=== rust-std %s: COPYRIGHT-library.html\n\n' "$(rustc --version | cut -d ' ' -f 2)"
sed -e 's/<[^>]*>//g' -e 's/&#60;/</g' -e 's/&#62;/>/g' -e 's/&#34;/"/g' -e "s/&#39;/'/g" -e 's/&amp;/\&/g' \
    -e 's/[[:space:]]*$//' "$page" | cat -s
printf '\n'

# --- the C library, where it is linked statically ---

case $(rustc -vV | sed -n 's/^host: //p') in *-linux-gnu*) ;; *) exit 0 ;; esac
notices=/usr/share/doc/libc6-dev/copyright
licence=/usr/share/common-licenses/LGPL-2.1
if [ ! -f $notices ] || [ ! -f $licence ]; then
    echo "there are no $notices and $licence: pack the program on Debian, as release.yml does" >&2
    exit 1
fi
version=$(dpkg-query --show --showformat '${source:Version}' libc6-dev)
printf '=== glibc %s: how it is used\n\n' "$version"
cat <<END
The program has parts of the GNU C Library (glibc) in it, linked statically. The library and its use are covered by the
GNU Lesser General Public License, version 2.1, which follows, with the notices of the library.

You may change the library, put the changed one into the program, and take the program apart to find what is wrong with
it then. For this there are two sources. That of the program is complete and under the licence in the file LICENSE: it
lies where this release lies. \`make build\` there compiles it, and links it with the libc.a of the machine. To take
another one, name its folder:

    cargo build --release --config 'target."cfg(unix)".rustflags = ["-L", "native=FOLDER"]'

That of the library is Debian's source package glibc $version, whose files lie beside the release too.
A person who passes the program on passes these on with it.

Parts of GCC's runtime library are in it as well. The GCC Runtime Library Exception asks for nothing more.

END
printf '=== glibc %s: copyright\n\n' "$version"
cat $notices
printf '\n=== glibc %s: LGPL-2.1\n\n' "$version"
cat $licence
