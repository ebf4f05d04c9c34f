#include "tools/cli/child_process.h"

#include "tests/tools/cli/pcap_bytes.h"
#include "tools/cli/temp_dir.h"

#include <catch2/catch.hpp>

#include <csignal>

namespace portcullis::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLong{20'000};

struct Shell {
    TempDir dir = TempDir::create().value();
    std::filesystem::path log = dir.file("log");

    [[nodiscard]] ChildProcess run(const std::string& script) const {
        return ChildProcess::start("/bin/sh", {"-c", script}, log).value();
    }
};

TEST_CASE("a child's end and output are known") {
    const Shell shell;
    ChildProcess child = shell.run("echo out; echo err >&2; exit 7");
    const std::optional<ProcessEnd> end = child.wait_for(kLong);
    REQUIRE(end.has_value());
    CHECK_FALSE(end->success());
    CHECK(describe(*end) == "ended with status 7");
    CHECK(load(shell.log) == "out\nerr\n");
    CHECK(child.wait_for(milliseconds(0)).has_value());  // and it stays known
}

TEST_CASE("a child that is killed is told from one that ends") {
    const Shell shell;
    ChildProcess child = shell.run("kill -SEGV $$");
    CHECK(
        describe(child.wait_for(kLong).value()) == "was killed by signal 11 (Segmentation fault)"
    );
    CHECK(shell.run("exit 0").wait_for(kLong)->success());
}

TEST_CASE("waiting ends when the time is over") {
    const Shell shell;
    ChildProcess child = shell.run("exec sleep 60");
    CHECK_FALSE(child.wait_for(milliseconds(20)).has_value());
    child.send(SIGTERM);
    CHECK(child.wait_for(kLong)->signal == SIGTERM);
}

TEST_CASE("a child does not outlive its object") {
    const Shell shell;
    {
        ChildProcess child =
            shell.run("trap 'echo ended >&2; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
            );
        for (int i = 0; i < 1000 && load(shell.log).empty(); ++i) {
            CHECK_FALSE(child.wait_for(milliseconds(10)).has_value());
        }
    }
    CHECK(load(shell.log) == "ready\nended\n");
}

TEST_CASE("a program that cannot be run ends as in a shell") {
    const Shell shell;
    ChildProcess child = ChildProcess::start("/no/such/program", {}, shell.log).value();
    CHECK(child.wait_for(kLong)->exit_status == 127);
}

}  // namespace
}  // namespace portcullis::cli
