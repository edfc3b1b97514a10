# Help is a golden: an option that changes shows up in review.
try --help
try predict -h
try help devices
try devices --help all
for command in explain predict inspect bench view report rerun sweep evaluate contrast aggregate dataset batch; do
    try $command --help
    try $command --help all
done
