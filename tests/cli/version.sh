# The version, for people and for programs; digits differ from machine to machine.
try --version | sed -E 's/ [0-9]+\.[0-9.]+/ N/g'
try --version --json | sed 's/"[0-9][0-9.]*"/"N"/g'
try explain --version | sed -E 's/ [0-9]+\.[0-9.]+/ N/g'
