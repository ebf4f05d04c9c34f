// The client against a fake dataplane: the way in, every refusal, and every wait's deadline.
#include "control/dataplane_client.h"

#include "tests/control/fake_dataplane.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <fcntl.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

using namespace portcullis;
using namespace std::chrono_literals;
using portcullis::test::add_dropped;
using portcullis::test::FakeDataplane;
using portcullis::test::TempFolder;

namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::byte> some_bytes(std::size_t size) {
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<std::byte>(i * 31U >> 3U);
    }
    return out;
}

std::string errors_of(const Errors& errors) {
    return to_string(errors);
}

std::string connect_errors(const std::filesystem::path& path) {
    const auto client = DataplaneClient::connect(path, 100ms);
    return client ? "connected" : errors_of(client.errors());
}

}  // namespace

TEST_CASE("a client is welcomed and reads the dataplane's counters") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock", {.workers = 3, .instance = 77});
    dataplane.counters().worker(2).received[0].add(5, 500);
    dataplane.counters().header().slots_used = 10;
    add_dropped(dataplane.counters().slot(1, 9), 0, {4, 0, 0});

    const auto client = DataplaneClient::connect(folder.path() / "dp.sock", 1s);
    REQUIRE(client);
    CHECK(client.value().welcome().instance == 77);
    const CounterMapping& counters = *client.value().counters();
    REQUIRE(counters.workers().size() == 3);
    CHECK(counters.workers()[2].received[0].bytes.read() == 500);
    REQUIRE(counters.used_slots(1).size() == 10);
    CHECK(counters.used_slots(1)[9].dropped(0).frames == 4);
    CHECK(counters.used_slots(0)[9].dropped(0).frames == 0);

    dataplane.counters().header().slots_used = 1'000'000'000;
    CHECK(counters.used_slots(0).size() == dataplane.counters().header().slot_capacity);
}

TEST_CASE("an image arrives whole, sealed, and is answered with its generation") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    auto client = DataplaneClient::connect(folder.path() / "dp.sock", 1s);
    REQUIRE(client);
    const std::vector<std::byte> image = some_bytes(1'000'003);

    const auto answer = client.value().publish(Generation{7}, image, 1s);
    REQUIRE(answer);
    CHECK(answer.value().effective());
    CHECK(answer.value().running == Generation{7});
    const auto images = dataplane.images();
    REQUIRE(images.size() == 1);
    CHECK(images[0].generation == 7);
    CHECK(images[0].bytes == image);
    CHECK(images[0].seals == (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));

    dataplane.answer_with(PublishStatus::bad_image, "checksum mismatch");
    const auto refusal = client.value().publish(Generation{8}, image, 1s);
    REQUIRE(refusal);
    CHECK(refusal.value().status == PublishStatus::bad_image);
    CHECK(refusal.value().running == Generation{7});
    CHECK(refusal.value().message == "checksum mismatch");
    CHECK(client.value().is_connected());
}

TEST_CASE("where no dataplane listens, the error says so and what to do") {
    const TempFolder folder;
    const std::filesystem::path path = folder.path() / "dp.sock";
    const std::string cure = " (start portcullis-dataplane, or give --dataplane-socket)\n";
    CHECK(connect_errors(path) == "no dataplane listens at " + path.string() + cure);

    SECTION("also when something else stands there") {
        std::ofstream(path).put('x');
        CHECK(connect_errors(path) == "no dataplane listens at " + path.string() + cure);
    }
    SECTION("a path that no socket can have") {
        CHECK_THAT(
            connect_errors(folder.path() / std::string(200, 'x')),
            Catch::Contains("is too long (use one of at most 107 bytes)")
        );
    }
}

TEST_CASE("a dataplane of another release is refused by name") {
    const TempFolder folder;
    const std::filesystem::path path = folder.path() / "dp.sock";
    SECTION("protocol") {
        const FakeDataplane dataplane(path, {.protocol_version = kIntakeVersion + 1});
        CHECK_THAT(connect_errors(path), Catch::Contains("speaks another protocol"));
    }
    SECTION("image format") {
        const FakeDataplane dataplane(path, {.image_version = 9});
        CHECK_THAT(connect_errors(path), Catch::Contains("reads images of version 9"));
    }
    SECTION("counters") {
        FakeDataplane dataplane(path);
        dataplane.counters().header().version = 99;
        CHECK_THAT(connect_errors(path), Catch::Contains("another version of their layout"));
    }
    SECTION("counters that claim more than there is") {
        FakeDataplane dataplane(path);
        dataplane.counters().header().slots_stride += dataplane.counters().bytes();
        CHECK_THAT(connect_errors(path), Catch::Contains("out of bounds"));
    }
    SECTION("exemptions beyond the end") {
        FakeDataplane dataplane(path);
        dataplane.counters().header().exemptions_offset = dataplane.counters().bytes() - 64;
        CHECK_THAT(connect_errors(path), Catch::Contains("out of bounds"));
    }
    SECTION("a shadow's counters beyond the end") {
        FakeDataplane dataplane(path);
        dataplane.counters().header().shadow_offset += sizeof(ShadowCounters) * 2;
        CHECK_THAT(connect_errors(path), Catch::Contains("out of bounds"));
    }
    SECTION("workers that claim more than there is") {
        FakeDataplane dataplane(path);
        dataplane.counters().header().workers_offset = std::uint64_t{0} - 128;
        CHECK_THAT(connect_errors(path), Catch::Contains("out of bounds"));
    }
}

TEST_CASE("a dataplane that hangs costs no more than the deadline") {
    const TempFolder folder;
    const std::filesystem::path path = folder.path() / "dp.sock";
    SECTION("before Welcome") {
        const FakeDataplane dataplane(path, {.answer_hello = false});
        const auto start = Clock::now();
        CHECK_THAT(connect_errors(path), Catch::Contains("did not answer within 100 ms"));
        CHECK(Clock::now() - start < 1s);
    }
    SECTION("before Published: the connection is closed, a late answer belongs to nobody") {
        const FakeDataplane dataplane(path, {.answer_publish = false});
        auto client = DataplaneClient::connect(path, 1s);
        REQUIRE(client);
        const auto start = Clock::now();
        const auto answer = client.value().publish(Generation{1}, some_bytes(64), 100ms);
        CHECK(Clock::now() - start < 1s);
        REQUIRE(!answer);
        CHECK_THAT(errors_of(answer.errors()), Catch::Contains("did not answer within 100 ms"));
        CHECK_FALSE(client.value().is_connected());
    }
}

TEST_CASE("when the dataplane dies, the client notices and the counters stay readable") {
    const TempFolder folder;
    const std::filesystem::path path = folder.path() / "dp.sock";
    std::optional<FakeDataplane> dataplane(std::in_place, path);
    dataplane->counters().worker(0).received[0].add(3, 180);
    auto client = DataplaneClient::connect(path, 1s);
    REQUIRE(client);
    CHECK(client.value().is_connected());

    dataplane.reset();
    CHECK_FALSE(client.value().is_connected());
    CHECK(client.value().counters()->workers()[0].received[0].frames.read() == 3);
    const auto answer = client.value().publish(Generation{1}, some_bytes(64), 100ms);
    REQUIRE(!answer);
    CHECK_THAT(errors_of(answer.errors()), Catch::Contains("closed the connection"));
}
