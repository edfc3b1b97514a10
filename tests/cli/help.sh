# Help is a golden: an option that changes shows up in review.
try --help
try explain --help
try predict -h
try inspect --help
try bench --help
try devices --help
try view --help
try report --help
try sweep --help
try evaluate --help
try contrast --help
try aggregate --help
try dataset --help
