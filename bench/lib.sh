# What the scripts of this folder share; they source it after cd to the repository's root.
# It builds what they name into $tmp, starts servers and ends them again. It needs python3.

tmp=$(mktemp -d)
servers=
cleanup() {
	for pid in $servers; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# pin CORE: what runs a command there, when there are two cores and taskset.
pin() {
	if test "$(nproc)" -ge 2 && command -v taskset >/dev/null; then echo "taskset -c $1"; fi
}

# build PACKAGE...: into $tmp.
build() { go build -o "$tmp/" "$@"; }

# serve NAME COMMAND...: starts a server on the second core and leaves what it prints first,
# its address, in $address.
serve() {
	name=$1
	shift
	# A server is the child itself, so that its pid ends it, and keeps no descriptor of ours.
	$(pin 1) "$@" >"$tmp/$name.addr" 3>&- 4>&- 9>&- &
	servers="$servers $!"
	until test -s "$tmp/$name.addr"; do sleep 0.1; done
	address=$(head -n 1 "$tmp/$name.addr")
}

# cpu_of COMMAND...: runs it on the first core, its output in $tmp/out, and leaves its user
# and system seconds and its highest memory in kB in $tmp/cpu.
cpu_of() {
	$(pin 0) python3 -c '
import resource, subprocess, sys
with open(sys.argv[1] + "/out", "w") as out:
    subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.STDOUT)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime, used.ru_stime, used.ru_maxrss)' "$tmp" "$@" >"$tmp/cpu"
}

# json EXPRESSION: in Python, of the run as d, from the JSON file that it wrote to $tmp/run.json.
json() { python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$tmp/run.json" "$1"; }
