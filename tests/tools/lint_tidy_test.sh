#!/usr/bin/env bash
# tools/lint_tidy remembers clean files only: a change of source, header, comment or configuration is looked at again.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if ! command -v clang-tidy >/dev/null; then
    echo "SKIPPED: there is no clang-tidy (tools/install_packages test)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache

failures=0

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    failures=$((failures + 1))
}

# configure CHECK: only that one.
configure() {
    printf 'Checks: "-*,%s"\nWarningsAsErrors: "*"\nHeaderFilterRegex: ".*"\n' "$1" >.clang-tidy
}

# make_checkout DIRECTORY: one source and one header, both clean, with a compile database.
make_checkout() {
    mkdir -p "$1/tools" "$1/rules" "$1/build"
    cp "$source_dir/tools/lint_tidy" "$1/tools/"
    cd "$1"
    configure readability-braces-around-statements
    printf 'inline int one() {\n    return 1;\n}\n' >rules/one.h
    printf '#include "rules/one.h"\nint two() {\n    return one() + 1;\n}\n' >rules/two.cc
    printf '[{"directory": "%s/build", "file": "%s/rules/two.cc", "command": "c++ -I%s -std=c++20 -o two.o -c %s/rules/two.cc"}]\n' \
        "$1" "$1" "$1" "$1" >build/compile_commands.json
    git init --quiet
    git add --all
}

# expect STATUS REMEMBERED WHAT
expect() {
    local output status=0
    output=$(tools/lint_tidy --build build 2>&1) || status=$?
    if [[ $status -ne $1 ]] || ! grep -q "1 files, $2 remembered" <<<"$output"; then
        fail "$3: exit status $status (expected $1), expected $2 remembered: $(tail -n 5 <<<"$output")"
    fi
}

dirty='inline int one() {\n    if (sizeof(int) == 4) return 1;\n    return 2;\n}\n'

make_checkout "$work/first"
expect 0 0 "the first run"
expect 0 1 "nothing changed"
# shellcheck disable=SC2059
printf "$dirty" >rules/one.h
expect 1 0 "a finding in a header"
expect 1 0 "a finding is not remembered"
sed -i 's|return 1;|return 1;  // NOLINT|' rules/one.h
expect 0 0 "only a comment changed"
sed -i 's|  // NOLINT||' rules/one.h
expect 1 0 "and back"
configure misc-static-assert
expect 0 0 "the configuration changed"
sed -i 's|-std=c++20|-std=c++17|' build/compile_commands.json
expect 0 0 "the compile command changed"
expect 0 1 "nothing changed again"

make_checkout "$work/second"
expect 0 1 "another checkout of the same text"

if [[ $failures -ne 0 ]]; then
    echo "$failures checks failed" >&2
    exit 1
fi
echo "all checks hold"
