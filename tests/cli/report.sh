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
try report one nowhere -o none.html
try report page -o none.html
try report one -o one/report.html
try report one -o nowhere/index.html
try report
cp one/report.html page/explanation.h5
try report page -o none.html
head -c 20000 one/explanation.h5 >page/explanation.h5
try report page -o none.html
cp "$model" page/explanation.h5
try report page -o none.html
[ ! -e none.html ] || fail "what failed left a page"
