#!/usr/bin/env bash
# tools/lint_rules accepts a clean checkout and finds each breach of a rule, one at a time.
set -euo pipefail
lint=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/lint_rules
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

failures=0

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    failures=$((failures + 1))
}

# A checkout without a finding. Only what is tracked counts, so every file is added.
clean_checkout() {
    rm -rf tree
    mkdir -p tree/rules tree/control tree/tools
    printf '# rules\n' | tee tree/rules/README.md tree/control/README.md tree/tools/README.md >/dev/null
    printf '// What it is for.\n#pragma once\n\n#include <cstdint>\n' >tree/rules/key.h
    printf '#include "rules/key.h"\n' >tree/rules/key.cc
    printf '// What it is for.\n#include "rules/key.h"\n' >tree/control/main.cc
    printf '#!/usr/bin/env bash\n# --help\nset -euo pipefail\n' >tree/tools/dev
    git -C tree init --quiet
}

# finds RULE FILE TEXT: with TEXT as FILE (nothing: FILE is left as it is), there is just one finding, of RULE.
finds() {
    local rule=$1 file=$2 text=$3 output
    clean_checkout
    mkdir -p "$(dirname "tree/$file")"
    printf '%s\n' "$text" >"tree/$file"
    git -C tree add --all
    if output=$("$lint" --root tree 2>&1); then
        fail "$rule: nothing found in $file: $text"
    elif [[ $(grep -c '\]$' <<<"$output") -ne 1 ]] || ! grep -q "^$file:.*\[$rule\]" <<<"$output"; then
        fail "$rule: expected one finding in $file, got: $output"
    fi
}

# accepts FILE TEXT: with TEXT as FILE there is no finding.
accepts() {
    local file=$1 text=$2 output
    clean_checkout
    printf '%s\n' "$text" >"tree/$file"
    git -C tree add --all
    output=$("$lint" --root tree 2>&1) || fail "refused in $file: $text: $output"
}

accepts rules/README.md 'rules'
accepts rules/key_test.cc '#include "rules/key.h"'

head=$'// What it is for.\n'
finds include-ring rules/new.cc "$head"'#include "dataplane/worker.h"'
finds include-ring rules/new.cc "$head"'#include <rte_mbuf.h>'
finds include-ring control/main.cc "$head"'#include "dataplane/worker.h"'
finds pragma-once rules/key.h "$head"'#include <cstdint>'
finds own-header rules/key.cc $'#include <vector>\n\n#include "rules/key.h"'
finds own-header rules/key.cc '// No include.'
finds include-twice rules/key.h "$head"$'#pragma once\n#include <vector>\n#include <vector>'
finds head-comment rules/key.h '#pragma once'
finds head-comment control/main.cc 'int main() {}'
finds script-strict tools/dev $'#!/usr/bin/env bash\n# --help'
finds script-strict tools/dev $'#!/usr/bin/env bash\nset -euo pipefail'

# In two halves, because this file is looked at as well.
finds package-host rules/README.md 'from deb''.debian.org'
finds package-host rules/README.md 'from https://files.pythonhosted''.org/x'
finds home-path rules/README.md 'see /ho''me/somebody/notes'
finds home-path rules/README.md '`/Use''rs/somebody`'
accepts rules/README.md 'see https://www.debian.org/doc and build/home/x, ../home/x and /etc/portcullis'

clean_checkout
rm tree/control/README.md
git -C tree add --all
if output=$("$lint" --root tree 2>&1) || ! grep -q '^control:.*\[readme\]' <<<"$output"; then
    fail "readme: $output"
fi

if [[ $failures -ne 0 ]]; then
    echo "$failures checks failed" >&2
    exit 1
fi
echo "all checks hold"
