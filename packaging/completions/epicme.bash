# bash completion of epicme, made of `epicme help` by tests/packaging

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
            --listen | --public-url | --trusted-proxies | --allowed-origins | --backup-to | --every | --keep | --redirect-scheme | --log | --log-level | --authorization-server | --introspection-url | --introspection-id | --database | --scope | --expires | --label | --metadata | --format | --output | --at | --connect) value=yes ;;
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
        ' ') words='serve stdio user token client backup restore check status health export import explain doctor version help' ;;
        'user ') words='add list passwd zone remove remove-factor' ;;
        'token ') words='create list revoke' ;;
        'client ') words='add list remove' ;;
        'serve '*) options='--listen --public-url --trusted-proxies --allowed-origins --backup-to --every --keep --create --no-backup --demo --watch --require-confirmation --redirect-scheme --log --log-level --explain --authorization-server --introspection-url --introspection-id --database' ;;
        'stdio '*) options='--require-confirmation --log --log-level --explain --database' ;;
        'user add') options='--public-url --password-stdin --create --database' ;;
        'user list') options='--database' ;;
        'user passwd') options='--public-url --password-stdin --database' ;;
        'user zone') options='--database' ;;
        'user remove') options='--database' ;;
        'user remove-factor') options='--database' ;;
        'token create') options='--scope --expires --label --public-url --database' ;;
        'token list') options='--database' ;;
        'token revoke') options='--database' ;;
        'client add') options='--metadata --confidential --redirect-scheme --database' ;;
        'client list') options='--database' ;;
        'client remove') options='--database' ;;
        'backup '*) options='--database' names=file ;;
        'restore '*) options='--keep-access --database' names=file ;;
        'check '*) options='--database' names=file ;;
        'status '*) options='--database' ;;
        'health '*) options='--listen' ;;
        'export '*) options='--all --format --output --database' ;;
        'import '*) options='--dry-run --skip-invalid --database' names=file ;;
        'explain '*) options='--scope --at --listen --public-url --database' ;;
        'doctor '*) options='--connect --diagram --json' ;;
        'version '*) options='' ;;
        'help '*) options='' words='serve stdio user token client backup restore check status health export import explain doctor version help' ;;
    esac
    if [[ -n $value || -n $given ]]; then
        words= names= options=
        case $before in
            --database | --metadata | --output) names=file ;;
            --backup-to) names=folder ;;
            --log-level) words='info warn error' ;;
            --format) words='json markdown' ;;
            --explain) words='json' ;;
            --log) words='text json' ;;
            --scope) words='user:read entries:read entries:write tags:read tags:write' ;;
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
