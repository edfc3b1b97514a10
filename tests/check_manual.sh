#!/bin/bash
# Man pages and shell completions, as installed: every command and every option of --help is in them, and they are
# good man pages and good scripts.  What is not here (man, zsh, fish) is passed over, and said.
#   check_manual.sh PREFIX
set -uo pipefail
prefix=$1
cfp=$prefix/bin/cfp-gpu share=$prefix/share bad=0
wrong() {
    echo "WRONG: $*"
    bad=1
}
missing() { echo "not checked here: no $1"; }
options_of() { # those that --help lists
    "$cfp" "$1" --help all | sed -n 's/^ \{2,6\}\(-[a-z], \)\?\(--[a-z-]*\).*/\2/p' | sort -u
}
mapfile -t commands < <("$cfp" --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')
[ ${#commands[@]} -ge 8 ] || wrong "--help lists only ${commands[*]}"

# Man pages.
pages=$share/man/man1
if command -v man >/dev/null; then
    for page in "$pages"/*.1; do
        said=$(LC_ALL=C.UTF-8 MANWIDTH=200 man --warnings=w -l "$page" 2>&1 >/dev/null)
        [ -z "$said" ] || wrong "$page: $said"
    done
else
    missing man
fi
for command in "${commands[@]}"; do
    page=$pages/cfp-gpu-$command.1
    [ -s "$page" ] || { wrong "no $page"; continue; }
    grep -q "^.BR cfp.-gpu.-$command (1)" "$pages/cfp-gpu.1" || wrong "cfp-gpu.1 does not name $command"
    while read -r option; do
        grep -q -F "\\fB${option//-/\\-}\\fR" "$page" || wrong "$page lacks $option"
    done < <(options_of "$command")
done
[ "$(find "$pages" -name '*.1' | wc -l)" -eq $((${#commands[@]} + 1)) ] || wrong "more pages than commands"

# The formats of a page are those that the command takes.
for command in explain 'contrast --class 0 --against 1'; do
    # shellcheck disable=SC2086
    taken=$("$cfp" $command model.h5 clip.mp4 --format none 2>&1 | sed 's/.*there are //; s/,//g' | xargs -n 1 | sort | xargs)
    page=$pages/cfp-gpu-${command%% *}.1
    listed=$(sed -n '/^\.RS/,/^\.RE/s/^\\fB\([a-z0-9]*\)\\fR$/\1/p' "$page" | sort | xargs)
    [ "$listed" = "$taken" ] || wrong "$page lists the formats $listed, but $command takes $taken"
done

# bash: what is offered behind a line; its last word is the one that is being typed.
script=$share/bash-completion/completions/cfp-gpu
bash -n "$script" || wrong "$script"
offers() {
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cfp_gpu; printf "%s\n" "${COMPREPLY[@]}"' _ "$script" "$@" | sort -u
}
expect() { # WORDS LINE...: those words and no others
    local want=$1
    shift
    [ "$(offers "$@" | xargs)" = "$want" ] || wrong "bash: behind '$*' it offers: $(offers "$@" | xargs)"
}
for command in "${commands[@]}"; do
    [ "$(offers cfp-gpu "$command" --)" = "$({ options_of "$command"; echo --help; } | sort -u)" ] ||
        wrong "bash: the options of $command"
    offers cfp-gpu '' | grep -q -x "$command" || wrong "bash: no $command"
done
expect 'grad' cfp-gpu explain m c --rule g
expect 'grad' cfp-gpu explain m c --rule = g
expect 'cfp grad reference' cfp-gpu explain m c --rule =
expect 'h5,png' cfp-gpu explain m c --format h5,pn
expect 'cfp,grad' cfp-gpu sweep m c --rule cfp,g
expect 'auto' cfp-gpu predict --device a
expect '' cfp-gpu devices x

# Files, where an operand or a path is wanted.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/clips" && touch "$work/clip.mp4"
here=$(cd "$work" && offers cfp-gpu explain cl | xargs)
[ "$here" = 'clip.mp4 clips' ] || wrong "bash: operands: $here"
here=$(cd "$work" && offers cfp-gpu explain -o cl | xargs)
[ "$here" = 'clip.mp4 clips' ] || wrong "bash: -o: $here"

# zsh and fish.
if command -v zsh >/dev/null; then
    zsh -n "$share/zsh/site-functions/_cfp-gpu" || wrong "_cfp-gpu: zsh does not read it"
else
    missing zsh
fi
if command -v fish >/dev/null; then
    fish_offers() {
        HOME=$work fish --no-config -c "source $share/fish/vendor_completions.d/cfp-gpu.fish; complete -C '$1'" | cut -f 1 | sort
    }
    [ "$(fish_offers 'cfp-gpu explain --rule ' | xargs)" = 'cfp grad reference' ] || wrong "fish: --rule"
    for command in "${commands[@]}"; do
        [ "$(fish_offers "cfp-gpu $command --" | sed 's/=$//' | sort -u)" = "$({ options_of "$command"; echo --help; } | sort -u)" ] ||
            wrong "fish: the options of $command"
    done
else
    missing fish
fi
for file in "$share/zsh/site-functions/_cfp-gpu" "$share/fish/vendor_completions.d/cfp-gpu.fish"; do
    for command in "${commands[@]}"; do
        grep -q -w -- "$command" "$file" || wrong "$file lacks $command"
        while read -r option; do
            grep -q -w -- "${option#--}" "$file" || wrong "$file lacks $option"
        done < <(options_of "$command")
    done
done
[ "$bad" -eq 0 ] && echo "man pages and completions of ${#commands[@]} commands"
exit "$bad"
