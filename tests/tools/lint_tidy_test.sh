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

# Sources that are compiled alike are looked at together: these three cannot all stand in one unit.
# make_three BODY: three sources; BODY is that of the third's function.
make_three() {
    make_checkout "$work/three"
    local name entries=()
    for name in a b c; do
        printf 'namespace {\nint same() {\n    return 1;\n}\n}\nint %s(int value) {\n    return same() + value;\n}\n' $name >rules/$name.cc
        entries+=("$(printf '{"directory": "%s/build", "file": "%s/rules/%s.cc", "command": "c++ -I%s -std=c++20 -Wshadow -o %s.o -c %s/rules/%s.cc"}' \
            "$PWD" "$PWD" $name "$PWD" $name "$PWD" $name)")
    done
    sed -i 's/same/another/' rules/b.cc
    printf '%s\n' "$1" >>rules/c.cc
    printf '[%s,%s,%s]\n' "${entries[@]}" >build/compile_commands.json
    git rm --quiet --cached rules/two.cc
    git add --all rules
    git rm --quiet --cached rules/two.cc
}

# expect_three STATUS TEXT WHAT: TEXT is in what is printed.
expect_three() {
    local output status=0
    output=$(tools/lint_tidy --build build --no-cache 2>&1) || status=$?
    if [[ $status -ne $1 ]] || ! grep -q "$2" <<<"$output" || ! grep -q "3 files, 0 remembered" <<<"$output"; then
        fail "$3: exit status $status (expected $1), expected \"$2\": $output"
    fi
}

make_three 'int d(int another) {
    return another;
}'
expect_three 0 "rules/a.cc and 1 more" "two in one unit, the third apart"
make_three 'int d() {
    if (sizeof(int) == 4) return 1;
    return 2;
}'
expect_three 1 "rules/c.cc:[0-9:]* error.*readability-braces-around-statements" "a finding in one of three"
make_three 'int d(bool choose) {
    int* const nothing = nullptr;
    return choose ? *nothing : 1;
}'
configure clang-analyzer-core.NullDereference
expect_three 1 "rules/c.cc:11:[0-9]*: error.*clang-analyzer-core.NullDereference" "what the static analyzer finds in one of three"
make_three '[[nodiscard]] int defined_in_another(int value);'
printf 'inline int defined_in_another(int value) {\n    return value;\n}\n' >>rules/a.cc
configure 'readability-braces-around-statements,clang-diagnostic-*'
expect_three 0 "3 files" "a compiler's warning that only two of three together bring about"
make_three 'int d() { return nothing; }'
expect_three 1 "rules/c.cc:[0-9:]* error.*clang-diagnostic-error" "one of three that does not compile"

if [[ $failures -ne 0 ]]; then
    echo "$failures checks failed" >&2
    exit 1
fi
echo "all checks hold"
