# The report's address, and the page that lists many.
clip=$data/clockwise.mp4
here() { # this folder, as a URL, is not for a golden
    sed -e "s|file://$(pwd -P)|HERE|g"
}
for name in one 'two #2 é%'; do
    "$cfp" explain -q "$model" "$clip" -o "$name" --format h5,html --depth 2 || fail "status $?"
done
"$cfp" explain -q "$model" "$clip" -o page --format html --tubes none --depth 1 || fail "status $?"
try view one | here
try view 'two #2 é%' | here
try view one --json | here
try view nowhere
try view
try view one two
try report one 'two #2 é%' -o index.html
grep -o '"href":"[^"]*"' index.html
mkdir -p deep/er
try report one -q -o deep/er/i.html
grep -o '"href":"[^"]*"' deep/er/i.html
try report one --json -q

# One that cannot be read is named, the others are listed; the page itself is no explanation.
try report one nowhere page 'two #2 é%' -o some.html
grep -o '"href":"[^"]*"' some.html
mkdir -p out/empty
cp -r one out
echo a note >out/notes.txt
for time in 1 2; do
    try report out/* -o out/index.html
done
grep -o '"href":"[^"]*"' out/index.html
try report out/index.html -o out/index.html
try report out/empty nowhere -o none.html
try report page -o none.html
try report one -o one/report.html
try report one -o nowhere/index.html
try report one -o one
try report

# What is not one whole run is said to be incomplete, and listed nowhere.
cp -r one part
rm part/run.json
try view part
try report part -o none.html
mkdir -p part/.cfp-run/ready
try view part
rm -r part
cp -r one part
"$cfp" explain -q "$model" "$clip" -o part --format json,png --depth 1 || fail "status $?"
[ ! -e part/explanation.h5 ] || fail "a file of the run before is still there"
cp one/report.html one/explanation.h5 part
try view part
try report part -o none.html
"$cfp" explain -q "$model" "$clip" -o part --format json,html --tubes none --depth 1 || fail "status $?"
rm part/pyramid.json
try view part

"$cfp" explain -q "$model" "$clip" -o page --format h5,html --tubes none --depth 1 || fail "status $?"
cp one/report.html page/explanation.h5
try report page -o none.html
head -c 20000 one/explanation.h5 >page/explanation.h5
try report page -o none.html
cp "$model" page/explanation.h5
try report page -o none.html
[ ! -e none.html ] || fail "what failed left a page"
