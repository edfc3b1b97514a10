# The devices, the shape of their JSON, and what --device says.
try devices --json | sed -E -e 's/"detail":"([^"\\]|\\.)*"/"detail":"..."/g' \
    -e 's/("name":"cuda","ready":)(true|false)/\1_/'
quietly predict -q "$model" "$data/clockwise.mp4" --device ref
quietly predict -q "$model" "$data/clockwise.mp4" --device cuda:12345
