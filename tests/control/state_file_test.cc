// State files: whole or refused, and the old one stays when the new one cannot be written.
#include "control/state_file.h"

#include "control/layout_store.h"
#include "control/state_folder.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/full_disk.h"
#include "tests/control/policies.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

using namespace portcullis;
using portcullis::test::FullDisk;
using portcullis::test::make_policy;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

constexpr StateFormat kFormat{0x1234, 3};

void write_numbers(const std::filesystem::path& path, std::uint64_t count) {
    StateWriter writer(path, kFormat);
    for (std::uint64_t i = 0; i < count; ++i) {
        writer.append_value(i);
    }
    REQUIRE(writer.commit());
}

std::string problem_of(const std::filesystem::path& path, StateFormat format = kFormat) {
    const auto payload = read_state(path, format);
    return payload ? "" : to_string(payload.errors());
}

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("a state file gives back what was put in") {
    const TempFolder folder;
    const auto path = folder.path() / "a.state";
    write_numbers(path, 100'000);  // several buffers
    const auto payload = read_state(path, kFormat);
    REQUIRE(payload);
    REQUIRE(payload.value());
    StateReader reader(*payload.value());
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        std::uint64_t number = 0;
        REQUIRE(reader.take_value(number));
        REQUIRE(number == i);
    }
    CHECK(reader.at_end());
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a file that is not there is no problem") {
    const TempFolder folder;
    const auto payload = read_state(folder.path() / "a.state", kFormat);
    REQUIRE(payload);
    CHECK_FALSE(payload.value());
}

TEST_CASE("any damage to a state file is noticed") {
    const TempFolder folder;
    const auto path = folder.path() / "a.state";
    write_numbers(path, 20);
    const std::string whole = contents(path);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        overwrite(path, whole.substr(0, size));
        CHECK_THAT(problem_of(path), Catch::Contains("truncated"));
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        if (i >= 12 && i < 16) {
            continue;  // reserved bytes of the header mean nothing
        }
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
        overwrite(path, damaged);
        INFO("byte " << i);
        CHECK(!problem_of(path).empty());
    }
    overwrite(path, whole + "x");
    CHECK_THAT(problem_of(path), Catch::Contains("longer than it says"));
    overwrite(path, whole);
    CHECK(problem_of(path).empty());
    CHECK_THAT(
        problem_of(path, {kFormat.magic, 4}),
        Catch::Contains("format version 3, this release reads 4")
    );
    CHECK_THAT(problem_of(path, {1, 3}), Catch::Contains("not a file of this kind"));
    const auto older = read_state_since(path, {kFormat.magic, 5}, 3);
    REQUIRE(older);
    CHECK(older.value()->version == 3);
    CHECK_FALSE(read_state_since(path, {kFormat.magic, 5}, 4));
    CHECK_FALSE(read_state_since(path, {kFormat.magic, 2}, 1));
}

TEST_CASE("when the disk is full the old file stays, and the error says so") {
    const TempFolder folder;
    const auto path = folder.path() / "a.state";
    write_numbers(path, 20);
    const std::string before = contents(path);
    {
        const FullDisk full(4'096);
        StateWriter writer(path, kFormat);
        for (std::uint64_t i = 0; i < 100'000; ++i) {
            writer.append_value(i);
        }
        const auto committed = writer.commit();
        REQUIRE(!committed);
        CHECK_THAT(
            to_string(committed.errors()),
            Catch::Contains("a.state.new: cannot be written: File too large (make room")
        );
    }
    CHECK(contents(path) == before);
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a folder that nobody can write to is an error, not a crash") {
    StateWriter writer("/proc/nowhere/a.state", kFormat);
    writer.append_value(std::uint64_t{1});
    const auto committed = writer.commit();
    REQUIRE(!committed);
    CHECK_THAT(to_string(committed.errors()), Catch::Contains("cannot be made"));
    CHECK_THAT(
        to_string(claim_state_folder("/proc/nowhere").errors()),
        Catch::Contains("cannot write to the state folder /proc/nowhere")
    );
}

TEST_CASE("a state folder belongs to one process at a time") {
    const TempFolder folder;
    const auto state = folder.path() / "made" / "when needed";
    {
        const auto mine = claim_state_folder(state);
        REQUIRE(mine);
        const auto theirs = claim_state_folder(state);
        REQUIRE(!theirs);
        CHECK_THAT(to_string(theirs.errors()), Catch::Contains("another portcullis-control uses"));
    }
    CHECK(claim_state_folder(state));
}

TEST_CASE("the slot layout survives a restart, a damaged one starts anew under another id") {
    const TempFolder folder;
    Errors problem;
    LayoutStore store(folder.path(), problem);
    CHECK(problem.empty());
    const auto first = store.layout().extended_for(*make_policy(pool_text("100.64.0.0/24")));
    REQUIRE(store.keep(first.value()));
    const auto second = store.layout().extended_for(*make_policy(pool_text("2001:db8::/40")));
    REQUIRE(store.keep(second.value()));
    CHECK(store.layout().ranges().size() == 2);

    const LayoutStore again(folder.path(), problem);
    CHECK(problem.empty());
    CHECK(again.layout().ranges() == store.layout().ranges());
    CHECK(again.id() == store.id());

    const auto path = folder.path() / "slots.state";
    std::string bytes = contents(path);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    overwrite(path, bytes);
    const LayoutStore damaged(folder.path(), problem);
    CHECK_THAT(to_string(problem), Catch::Contains("slots.state: checksum mismatch"));
    CHECK(damaged.layout().ranges().empty());
    CHECK(damaged.id() != store.id());
}

TEST_CASE("ranges that no layout can have are refused") {
    const TempFolder folder;
    Errors problem;
    LayoutStore store(folder.path(), problem);
    auto ranges =
        store.layout().extended_for(*make_policy(pool_text("100.64.0.0/24"))).value().ranges();
    const auto refused = [&](auto change) {
        auto changed = ranges;
        change(changed[0]);
        REQUIRE(store.keep(SlotLayout::from_ranges(changed)));
        Errors why;
        const LayoutStore again(folder.path(), why);
        return to_string(why).find("no slot layout") != std::string::npos;
    };
    CHECK_FALSE(refused([](SlotRange&) {}));
    CHECK(refused([](SlotRange& range) { range.first_slot = 2; }));
    CHECK(refused([](SlotRange& range) { range.slot_count = 255; }));
    CHECK(refused([](SlotRange& range) { range.region.subscriber_prefix_length = 33; }));
    CHECK(refused([](SlotRange& range) { range.region.prefix.length = 33; }));
    CHECK(refused([](SlotRange& range) { range.region.prefix.address.family = Family::none; }));
    CHECK(refused([](SlotRange& range) { range.region.prefix.length = 1; }));
}
