# What fails at run time: status 1 (or 2 where the command line is to blame), one line, no files.
clip=$data/clockwise.mp4
try inspect missing.h5
try inspect "$clip"
try inspect .
: >empty.h5
try inspect empty.h5
rm empty.h5
quietly explain -q "$model" missing.mp4 -o out
quietly explain -q "$model" "$model" -o out
quietly explain -q "$model" "$clip" -o out --class no-such-class
quietly explain -q "$model" "$clip" -o out --class 99
quietly explain -q "$model" "$clip" -o out --layers 'nothing*'
quietly explain -q "$model" "$clip" -o out --start 100000
quietly explain -q "$model" "$clip" -o out --device ref --precision bf16
[ ! -e out ] || fail "a failed run left $(find out)"
: >a-file
quietly explain -q "$model" "$clip" -o a-file
quietly explain -q "$model" "$clip" -o a-file/out
rm a-file
quietly explain -q "$model" "$clip" -o out --format png --tubes none

# A string heap whose first object has no size: HDF5 1.10 would read it for ever.
cp "$model" endless.h5
heap=$(LC_ALL=C grep -abo -m1 GCOL endless.h5 | head -n 1 | cut -d: -f1)
dd if=/dev/zero of=endless.h5 bs=1 seek=$((heap + 16)) count=16 conv=notrunc status=none
quietly inspect endless.h5
rm endless.h5

# What is explained is never written over; what is no file is not waited for.
mkdir -p own/overlay
cp "$model" own/explanation.h5
quietly explain -q own/explanation.h5 "$clip" -o own --tubes none --format h5
cmp "$model" own/explanation.h5 || fail "the model was written over"
cp "$clip" own/overlay/stem.conv.mp4
quietly explain -q "$model" own/overlay/stem.conv.mp4 -o own --format mp4 --layers stem.conv
cmp "$clip" own/overlay/stem.conv.mp4 || fail "the clip was written over"
rm -r own
mkfifo a-pipe
quietly inspect a-pipe
rm a-pipe

# One clip of several fails: the others are done.
quietly predict -q "$model" "$clip" missing.mp4 "$clip"
"$cfp" predict -q "$model" "$clip" missing.mp4 "$clip" 2>/dev/null | grep -c clockwise.mp4

# The same among many of every kind, decoded ahead: each clip's lines stay in their place.
mkdir folder empty
printf 'P6\n2 2\n255\n000000000000' >folder/1.ppm
head -c 4000 "$clip" >cut.mp4
: >nothing.mp4
for threads in 1 16; do
    show predict -q "$model" "$clip" folder cut.mp4 "$model" "$clip" nothing.mp4 empty missing --threads "$threads"
    "$cfp" predict -q "$model" "$clip" folder cut.mp4 "$model" "$clip" nothing.mp4 empty missing --threads "$threads" \
        --top 1 --device cpu --check-input never 2>&1 | neutral | sed 's/^  *[0-9.]* %  */  /'
    echo "= ${PIPESTATUS[0]}"
done
quietly predict -q "$model" "$clip" folder missing --start 100
rm -r folder empty cut.mp4 nothing.mp4

# A full disk behind standard output.
for command in "devices --json" "inspect $model" "--help" "--version"; do
    # shellcheck disable=SC2086
    show $command ">/dev/full"
    # shellcheck disable=SC2086
    "$cfp" $command >/dev/full
    echo "= $?"
done

# The same behind a reader that goes away, and where there is no standard output at all.
show predict --json "$model" "$clip" "| true"
{ sleep 1; "$cfp" predict -q --json "$model" "$clip" 2>said.txt; echo "= $?" >>said.txt; } | true
cat said.txt
show inspect --json "$model" ">&-"
"$cfp" inspect --json "$model" >&-
echo "= $?"
# No file becomes the standard stream that is closed: nothing is written into it.
for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    show explain -q "$model" "$clip" -o shut "$closed"
    eval "\"\$cfp\" explain \"\$model\" \"\$clip\" -o shut --format h5,json --depth 1 --tubes none $closed" 2>/dev/null
    status=$?
    echo "= $status"
    [ -e reference ] || cp -r shut reference
    cmp shut/explanation.h5 reference/explanation.h5 && cmp shut/pyramid.json reference/pyramid.json ||
        fail "other bytes"
done
rm -r shut reference said.txt

# A folder that leads elsewhere is not followed, and no output goes into a pipe.
mkdir elsewhere away
ln -s ../elsewhere away/overlay
quietly explain -q "$model" "$clip" -o away --format png --depth 1
[ -z "$(ls -A elsewhere away)" ] || [ "$(ls -A elsewhere)" = "" ] || fail "it was followed"
mkfifo away/explanation.h5
quietly explain -q "$model" "$clip" -o away --format h5 --depth 1
mkfifo a-page
"$cfp" explain -q "$model" "$clip" -o page --format h5,html --depth 1 --tubes none
quietly report page -o a-page
rm -r elsewhere away a-page page

# What this device, or this version, has not.
try bench -q "$model" --profile --device ref
quietly explain -q "$model" "$clip" -o out --profile --device cpu
try bench -q "$model" --autotune choices --device ref
quietly explain -q "$model" "$clip" -o out --autotune choices --device cpu
[ ! -e choices ] || fail "autotune was refused and left a file"
[ ! -e out ] || fail "a refused run left $(find out)"
