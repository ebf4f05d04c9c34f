#!/usr/bin/env bash
# tools/test is red when any step is, runs the later steps all the same, and ends with the release tests. Its steps are
# replaced by ones that only say what they were asked, and fail on demand. clang-tidy runs beside them, whenever that is.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir tools .ci
cp "$source_dir/tools/test" tools/
cp "$source_dir/.ci/run" .ci/

failures=0

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    failures=$((failures + 1))
}

# Each step is this program: notes its name and arguments, and fails if they are the line in the file `broken`.
cat >tools/dev <<'SH'
#!/usr/bin/env bash
set -euo pipefail
called="${0##*/}${*:+ $*}"
echo "$called" >>asked
[[ $called != "$(cat broken)" ]]
SH
chmod +x tools/dev
cp tools/dev tools/lint
cp tools/dev tools/install_packages

all='install_packages
dev build release
lint format rules scripts headers
dev asan
dev tsan
dev test fuzz
dev test release'
quick='install_packages
dev build release
dev test release'

# expect STATUS ASKED BROKEN COMMAND...: with BROKEN failing, the command ends with STATUS after asking for ASKED.
expect() {
    local status=$1 asked=$2 actual=0
    printf '%s\n' "$3" >broken
    shift 3
    rm -f asked
    "$@" >output 2>&1 || actual=$?
    [[ $actual -eq $status ]] || fail "$* with \"$(cat broken)\" broken: exit status $actual, expected $status"
    [[ "$(grep -vx 'lint tidy' asked)" == "$asked" ]] || fail "$* with \"$(cat broken)\" broken: asked for: $(cat asked)"
    [[ $(grep -cx 'lint tidy' asked) -eq $(grep -c '^lint format' <<<"$asked") ]] || fail "$*: clang-tidy ran $(grep -cx 'lint tidy' asked) times"
    if [[ $status -ne 0 ]] && ! tail -n 1 output | grep -q 'FAILED'; then
        fail "$*: the last line does not say FAILED: $(tail -n 1 output)"
    fi
}

expect 0 "$all" nothing tools/test
expect 0 "$quick" nothing tools/test --quick
expect 0 "$all" nothing bash .ci/run
for broken in 'lint format rules scripts headers' 'lint tidy' 'dev asan' 'dev tsan' 'dev test fuzz' 'dev test release'; do
    expect 1 "$all" "$broken" tools/test
    expect 1 "$all" "$broken" bash .ci/run
    grep -qE 'FAILED$' output || fail "no row of the table says FAILED"
done
expect 1 $'install_packages\ndev build release' 'dev build release' tools/test
expect 1 'install_packages' 'install_packages' tools/test

if [[ $failures -ne 0 ]]; then
    echo "$failures checks failed" >&2
    exit 1
fi
echo "all checks hold"
