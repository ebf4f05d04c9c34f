// exemptions.state: what was answered is kept whatever happens to the file's end, and no failure loses what was there.
#include "control/exemption_store.h"

#include "control/state_file.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/full_disk.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace portcullis;
using portcullis::test::FullDisk;
using portcullis::test::TempFolder;

namespace {

namespace fs = std::filesystem;

ExemptionObject object_of(const char* subscriber, const char* rule = "smtp") {
    ExemptionObject out;
    out.subscriber = *parse_prefix(subscriber);
    out.rule = rule;
    out.reason = "own mail server";
    out.reference = "ticket 4711";
    out.user = "operator";
    out.uid = 1'000;
    out.created = 1'800'000'000;
    out.expires = 1'900'000'000;
    out.place = OverlayPlace{7};
    out.frames = 3;
    out.flows = 2;
    out.counted_instance = 77;
    out.counted_frames = 1;
    out.counted_flows = 1;
    return out;
}

ExemptionStep putting(const char* subscriber, const char* rule = "smtp") {
    return {{}, {object_of(subscriber, rule)}};
}

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

struct Loaded {
    std::string names;  // "subscriber rule", separated by commas
    std::string problems;
    ExemptionObjects objects;
};

std::string names_of(const ExemptionObjects& objects) {
    std::string out;
    for (const auto& [key, object] : objects) {
        out += (out.empty() ? "" : ", ") + to_string(key.subscriber) + " " + key.rule;
    }
    return out;
}

Loaded load(const fs::path& path) {
    ExemptionStore store(path);
    Errors problems;
    Loaded out;
    out.objects = store.load(problems);
    out.names = names_of(out.objects);
    out.problems = problems.empty() ? "" : to_string(problems);
    return out;
}

// A store of a new file, ready to be appended to.
ExemptionStore make_store(const fs::path& path) {
    ExemptionStore out(path);
    Errors problems;
    REQUIRE(out.load(problems).empty());
    REQUIRE(problems.empty());
    REQUIRE(out.must_be_rewritten());
    REQUIRE(out.rewrite({}));
    REQUIRE_FALSE(out.must_be_rewritten());
    return out;
}

}  // namespace

TEST_CASE("exemptions are there again as they were put, and those erased are not") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    {
        ExemptionStore store = make_store(path);
        REQUIRE(store.append(putting("100.64.0.7")));
        REQUIRE(store.append(putting("2001:db8:0:700::/56", "netbios-smb")));
        REQUIRE(store.append(putting("100.64.0.8")));
        ExemptionStep step = putting("100.64.0.7", "netbios-smb");
        step.erased = {{*parse_prefix("100.64.0.7"), "smtp"}};
        REQUIRE(store.append(step));
    }
    const Loaded loaded = load(path);
    CHECK(loaded.problems.empty());
    CHECK(
        loaded.names == "100.64.0.7 netbios-smb, 100.64.0.8 smtp, 2001:db8:0:700::/56 netbios-smb"
    );
    const ExemptionObject& one = loaded.objects.at({*parse_prefix("100.64.0.8"), "smtp"});
    CHECK(one.reason == "own mail server");
    CHECK(one.reference == "ticket 4711");
    CHECK(one.user == "operator");
    CHECK(one.uid == 1'000);
    CHECK(one.created == 1'800'000'000);
    CHECK(one.expires == 1'900'000'000);
    CHECK(one.place == OverlayPlace{7});
    CHECK(one.frames == 3);
    CHECK(one.flows == 2);
    CHECK(one.counted_instance == 77);
}

TEST_CASE("a change costs the disk what it changed, however many objects there are") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    ExemptionStore store = make_store(path);
    ExemptionStep many;
    for (unsigned i = 0; i < 10'000; ++i) {
        many.put.push_back(object_of("100.64.0.0"));
        many.put.back().subscriber.address.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
        many.put.back().subscriber.address.bytes[3] = static_cast<std::uint8_t>(i);
    }
    REQUIRE(store.append(many));
    const auto before = fs::file_size(path);
    REQUIRE(store.append(putting("10.0.0.1")));
    CHECK(fs::file_size(path) - before < 512);
}

TEST_CASE("a record that is torn at any byte is cut off and told, what stands before it is kept") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    std::size_t whole_before = 0;
    {
        ExemptionStore store = make_store(path);
        REQUIRE(store.append(putting("100.64.0.7")));
        whole_before = fs::file_size(path);
        REQUIRE(store.append(putting("100.64.0.8")));
    }
    const std::string whole = contents(path);
    for (std::size_t size = whole_before; size < whole.size(); ++size) {
        INFO("torn at " << size);
        // With nothing behind, and with what a file system may leave there.
        for (const std::string& rest :
             {std::string(), std::string(whole.size() - size, '\0'), std::string(4'096, '\xFF')}) {
            overwrite(path, whole.substr(0, size) + rest);
            const bool nothing_torn = size == whole_before && rest.empty();
            ExemptionStore store(path);
            Errors problems;
            CHECK(names_of(store.load(problems)) == "100.64.0.7 smtp");
            CHECK(problems.empty() == nothing_torn);
            if (!problems.empty()) {
                CHECK_THAT(to_string(problems), Catch::Contains("the end, are no whole record"));
            }
            // It goes on from there.
            REQUIRE_FALSE(store.must_be_rewritten());
            REQUIRE(store.append(putting("100.64.0.9")));
            const Loaded again = load(path);
            CHECK(again.names == "100.64.0.7 smtp, 100.64.0.9 smtp");
            CHECK(again.problems.empty());
        }
    }
}

TEST_CASE("a damaged record in the middle loses itself alone, and is told") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    std::size_t first = 0;
    std::size_t second = 0;
    {
        ExemptionStore store = make_store(path);
        REQUIRE(store.append(putting("100.64.0.7")));
        first = fs::file_size(path);
        REQUIRE(store.append(putting("100.64.0.8")));
        second = fs::file_size(path);
        REQUIRE(store.append(putting("100.64.0.9")));
    }
    const std::string whole = contents(path);
    for (std::size_t at = first; at < second; ++at) {
        INFO("byte " << at);
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        overwrite(path, damaged);
        const Loaded loaded = load(path);
        CHECK(loaded.names == "100.64.0.7 smtp, 100.64.0.9 smtp");
        CHECK_THAT(loaded.problems, Catch::Contains("are damaged"));
    }
    // It is written anew before it is appended to.
    ExemptionStore store(path);
    Errors problems;
    const ExemptionObjects objects = store.load(problems);
    CHECK(store.must_be_rewritten());
    REQUIRE(store.rewrite(objects));
    CHECK(load(path).problems.empty());
    CHECK(load(path).names == "100.64.0.7 smtp, 100.64.0.9 smtp");
}

TEST_CASE("the step that was appended last can be taken back, once") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    ExemptionStore store = make_store(path);
    REQUIRE(store.append(putting("100.64.0.7")));
    REQUIRE(store.append(putting("100.64.0.8")));
    {
        const FullDisk full(0);  // taking back needs no room
        REQUIRE(store.take_back());
    }
    CHECK(load(path).names == "100.64.0.7 smtp");
    REQUIRE(store.take_back());
    CHECK(load(path).names == "100.64.0.7 smtp");
    REQUIRE(store.append(putting("100.64.0.9")));
    CHECK(load(path).names == "100.64.0.7 smtp, 100.64.0.9 smtp");
}

TEST_CASE("when the disk is full an exemption is refused, and nothing of it stays") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    ExemptionStore store = make_store(path);
    REQUIRE(store.append(putting("100.64.0.7")));
    const std::string before = contents(path);
    ExemptionObjects many;
    for (unsigned i = 0; i < 100; ++i) {
        ExemptionObject one = object_of("10.0.0.0");
        one.subscriber.address.bytes[3] = static_cast<std::uint8_t>(i);
        many.emplace(key_of(one), one);
    }
    for (const std::size_t room : {std::size_t{0}, std::size_t{1}, std::size_t{100}}) {
        const FullDisk full(before.size() + room);
        const auto refused = store.append(putting("100.64.0.8"));
        REQUIRE_FALSE(refused);
        CHECK_THAT(
            to_string(refused.errors()), Catch::Contains("cannot be written: File too large")
        );
        CHECK(contents(path) == before);
        // Nor does a file that cannot be written anew take the old one's place.
        CHECK_FALSE(store.rewrite(many));
        CHECK(contents(path) == before);
        CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
    }
    REQUIRE(store.append(putting("100.64.0.8")));
    CHECK(load(path).names == "100.64.0.7 smtp, 100.64.0.8 smtp");
}

TEST_CASE("a crash between writing anew and moving to its place loses nothing") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    ExemptionStore store = make_store(path);
    REQUIRE(store.append(putting("100.64.0.7")));
    // What such a crash leaves: a whole file beside, or a part of one.
    const std::string beside = contents(path);
    REQUIRE(store.append(putting("100.64.0.8")));
    for (const std::string& left : {beside, beside.substr(0, beside.size() / 2), std::string()}) {
        overwrite(folder.path() / "exemptions.state.new", left);
        CHECK(load(path).names == "100.64.0.7 smtp, 100.64.0.8 smtp");
        CHECK(load(path).problems.empty());
    }
    const ExemptionObjects objects = load(path).objects;
    REQUIRE(store.rewrite(objects));
    CHECK(load(path).names == "100.64.0.7 smtp, 100.64.0.8 smtp");
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
    // Appended to is the new file.
    REQUIRE(store.append(putting("100.64.0.9")));
    CHECK(load(path).objects.size() == 3);
}

TEST_CASE("a file that has grown to twice what it held is written anew") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    ExemptionStore store = make_store(path);
    ExemptionObjects objects;
    objects.emplace(key_of(object_of("100.64.0.7")), object_of("100.64.0.7"));
    std::size_t appended = 0;
    while (!store.has_grown()) {
        REQUIRE(++appended < 10'000);
        REQUIRE(store.append({{}, {objects.begin()->second}}));
    }
    CHECK(fs::file_size(path) > 65'536);
    REQUIRE(store.rewrite(objects));
    CHECK_FALSE(store.has_grown());
    CHECK(fs::file_size(path) < 512);
    CHECK(load(path).names == "100.64.0.7 smtp");
}

TEST_CASE("the format before is read, and written anew in this one") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    {
        StateWriter writer(path, {0x3150'5845'4C55'4350ULL, 1});
        const ExemptionObject one = object_of("100.64.0.7");
        writer.append_value(one.subscriber.address.bytes);
        for (const std::uint32_t value :
             {static_cast<std::uint32_t>(Family::ipv4), 32U, 1'000U, 7U}) {
            writer.append_value(value);
        }
        for (const std::uint64_t value :
             {std::uint64_t{1'800'000'000},
              std::uint64_t{1'900'000'000},
              std::uint64_t{3},
              std::uint64_t{2},
              std::uint64_t{77},
              std::uint64_t{1},
              std::uint64_t{1}}) {
            writer.append_value(value);
        }
        for (const char* const text : {"smtp", "own mail server", "ticket 4711", "operator"}) {
            writer.append_text(text);
        }
        REQUIRE(writer.commit());
    }
    ExemptionStore store(path);
    Errors problems;
    const ExemptionObjects objects = store.load(problems);
    CHECK(problems.empty());
    REQUIRE(names_of(objects) == "100.64.0.7 smtp");
    CHECK(objects.begin()->second.expires == 1'900'000'000);
    CHECK(objects.begin()->second.place == OverlayPlace{7});
    CHECK(objects.begin()->second.counted_instance == 77);
    REQUIRE(store.must_be_rewritten());
    REQUIRE(store.rewrite(objects));
    REQUIRE(store.append(putting("100.64.0.8")));
    CHECK(load(path).names == "100.64.0.7 smtp, 100.64.0.8 smtp");
}

TEST_CASE("a file that is none of ours is told, and kept aside") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    overwrite(path, "something else, and longer than the header of a state file is");
    const Loaded loaded = load(path);
    CHECK(loaded.objects.empty());
    CHECK_THAT(loaded.problems, Catch::Contains("not a file of this kind"));
    CHECK_THAT(contents(path.string() + ".unreadable"), Catch::Contains("something else"));
}

TEST_CASE("a file that somebody has put in another's place is not appended to") {
    const TempFolder folder;
    const auto path = folder.path() / "exemptions.state";
    ExemptionStore store = make_store(path);
    CHECK_FALSE(store.must_be_rewritten());
    fs::rename(path, path.string() + ".mine");
    CHECK(store.must_be_rewritten());
    overwrite(path, "x");
    CHECK(store.must_be_rewritten());
    REQUIRE(store.rewrite({}));
    CHECK_FALSE(store.must_be_rewritten());
}
