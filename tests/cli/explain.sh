# A whole run: what it says, what it writes, the keys of its JSON.
clip=$data/clockwise.mp4
keys() { # the keys of JSON in order, numbers and strings aside
    sed -E -e 's/("[A-Za-z_]+":)("([^"\\]|\\.)*"|-?[0-9.e+-]+)/\1_/g'
}
"$cfp" explain -q "$model" "$clip" -o one --json >one.json || fail "status $?"
keys <one.json | sed -E -e 's/(\{"layer":_,"depth":_,"kernels":_,"selected":_\},?)+/LAYERS/' -e 's/"files":\[[^]]*\]/"files":FILES/'
for file in $(grep -o '"one/[^"]*"' one.json | tr -d '"'); do
    [ -s "$file" ] || fail "$file is listed but not there"
done
[ "$(grep -o '"one/[^"]*"' one.json | wc -l)" -eq "$(find one -type f | wc -l)" ] || fail "files that are not listed"

# The same again: the same bytes, run.json with its times and paths aside.
"$cfp" explain -q "$model" "$clip" -o two || fail "status $?"
diff -r -q -x run.json one two || fail "two runs, different bytes"

# A machine without fonts: the contact sheet is written all the same, and one line says what it lacks.
echo '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>' >no-fonts
FONTCONFIG_FILE=$PWD/no-fonts "$cfp" explain -q "$model" "$clip" -o plain --format png --depth 1 2>&1 || fail "status $?"
[ -s plain/contact-sheet.png ] || fail "no contact sheet"
rm -r no-fonts plain

# Every format of pictures, of layers and of kernels.
"$cfp" explain -q "$model" "$clip" -o all --format png,frames,mp4,gif,stack --tubes kernels --layers mix.b3.conv --depth 1 --top 2 --rule cfp ||
    fail "status $?"
find all -type f | grep -v '/00000[1-9]\|/00001' | LC_ALL=C sort
rm -r all

# Without -o: named after the clip, in the current folder.
"$cfp" explain -q "$model" "$clip" --format json --tubes none || fail "status $?"
ls clockwise-explained
# Standard output stays empty without --json, standard error with -q.
"$cfp" explain -q "$model" "$clip" --format json --tubes none 2>&1 | wc -c

# Where a pyramid is saturated one line says so, and what would help for the rule; else none does.
for more in "" "--rule cfp" "--propagate path" "--class-relevance contrast" "--rule grad --theta 0" "--rule grad" "--rule cfp --theta 0.95"; do
    # shellcheck disable=SC2086
    "$cfp" explain "$model" "$clip" --format json --tubes none -o saturated $more 2>&1 | grep 'saturated:'
    echo "= ${more:-default}"
done
rm -r saturated

"$cfp" predict "$model" "$clip" -q --json --top 2 | keys | sed -E 's/"indices":\[[0-9,]*\]/"indices":[_]/'
"$cfp" inspect "$model" --json | keys | sed -E 's/^(.{400}).*/\1 .../' | sed -E 's/"(inputs|shape)":\[[^]]*\]/"\1":[_]/g' | cut -c 1-160
"$cfp" bench -q "$model" --json --runs 2 --batch 2 | keys
