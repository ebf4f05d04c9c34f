#!/usr/bin/env bash
# tools/check_hot_path accepts clean objects, and refuses those that allocate, print, lock or lean on shared inline code.
set -euo pipefail
check=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/check_hot_path
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

failures=0

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    failures=$((failures + 1))
}

# compile NAME: NAME.o from the source on standard input.
compile() {
    c++ -std=c++20 -O2 -g -fPIC -c -x c++ -o "$1.o" -
}

# expect STATUS REGEX ARGUMENT...: the check with these arguments ends with STATUS and prints REGEX.
expect() {
    local status=$1 regex=$2 output actual=0
    shift 2
    output=$("$check" --allow allow "$@" 2>&1) || actual=$?
    if [[ $actual -ne $status ]]; then
        fail "check_hot_path $*: exit status $actual, expected $status: $output"
    elif ! grep -qE -- "$regex" <<<"$output"; then
        fail "check_hot_path $*: does not say \"$regex\" but: $output"
    fi
}

cat >allow <<'TEXT'
# a comment, and an empty line

memcpy            # copies header bytes
clean::helper\(.*  # demangled names match too
TEXT

compile clean <<'CXX'
#include <cstring>
namespace clean {
int helper(int);
int use(char* to, const char* from, unsigned n) { std::memcpy(to, from, n); return helper(to[0]); }
}
CXX
compile allocates <<'CXX'
#include <cstdlib>
void* take(unsigned n) { return std::malloc(n); }
CXX
compile prints <<'CXX'
#include <cstdio>
void say(int n) { std::printf("%d frames\n", n); }
CXX
compile locks <<'CXX'
#include <pthread.h>
void lock(pthread_mutex_t* mutex) { pthread_mutex_lock(mutex); }
CXX
compile grows <<'CXX'
#include <vector>
void grow(std::vector<int>& values) { values.push_back(1); }
CXX
compile inline_copy <<'CXX'
struct Shared { [[gnu::noinline]] static int twice(int n) { return 2 * n; } };
int use(int n) { return Shared::twice(n); }
CXX
compile caller <<'CXX'
int callee(int);
int call(int n) { return callee(n); }
CXX
compile callee <<'CXX'
int callee(int n) { return n + 1; }
CXX

expect 0 'all allowed' clean.o
expect 0 'allowed by line 3: memcpy' --list clean.o
expect 1 'hot path: malloc' allocates.o
expect 1 'at .*:2' allocates.o
expect 1 'hot path: printf' prints.o
expect 1 'hot path: pthread_mutex_lock' locks.o
expect 1 'operator new' grows.o
expect 1 'Shared::twice\(int\)' inline_copy.o
expect 1 'callee\(int\)' caller.o
expect 0 'all allowed' caller.o callee.o

ar rcs all.a clean.o locks.o
expect 1 'called in .*all\.a.*locks\.o' all.a
ar rcs pair.a caller.o callee.o
expect 0 'all allowed' pair.a

expect 2 'there is no missing\.o' missing.o
echo 'malloc' >allow
expect 2 'allow:1: an entry needs its reason' clean.o
echo 'malloc(  # unbalanced' >allow
expect 2 'allow:1: not a regular expression' clean.o

if [[ $failures -ne 0 ]]; then
    echo "$failures checks failed" >&2
    exit 1
fi
echo "all checks hold"
