#include "tests/dataplane/intake_fixture.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;
using namespace portcullis::dataplane::test;

namespace {

std::string message_of(const Published& published) {
    return published.message.data();
}

bool says(const Published& published, const std::string& text) {
    INFO(message_of(published));
    const bool found = message_of(published).find(text) != std::string::npos;
    CHECK(found);
    return found;
}

}  // namespace

TEST_CASE("Hello is answered with what the dataplane is, and with its counters") {
    RunningIntake intake;
    Client client(intake.path());
    const auto welcome = client.greet();
    REQUIRE(welcome.has_value());
    CHECK(welcome->instance == intake.header().instance);
    CHECK(welcome->generation == 0);
    CHECK(welcome->image_version == kImageVersion);
    CHECK(welcome->slot_capacity == kPolicySlots);
    REQUIRE(client.descriptor() >= 0);
    void* data =
        ::mmap(nullptr, welcome->counter_bytes, PROT_READ, MAP_SHARED, client.descriptor(), 0);
    REQUIRE(data != MAP_FAILED);
    CHECK(static_cast<const CounterHeader*>(data)->instance == welcome->instance);
    ::munmap(data, welcome->counter_bytes);
}

TEST_CASE("an image is answered when the worker uses it") {
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const FileDescriptor memfd = memfd_of(image.bytes());
    Client client(intake.path());
    REQUIRE(client.greet().has_value());
    for (const std::uint64_t generation : {5U, 6U}) {
        const auto published = client.publish(generation, memfd.get(), image.bytes().size());
        REQUIRE(published.has_value());
        CHECK(published->status == PublishStatus::effective);
        CHECK(published->generation == generation);
        CHECK(intake.worker_generation() == generation);
        CHECK(intake.header().generation.load() == generation);
    }
    CHECK(intake.header().slots_used.load() == kPolicySlots);
    Client later(intake.path());
    const auto welcome = later.greet();
    REQUIRE(welcome.has_value());
    CHECK(welcome->generation == 6);
    CHECK(welcome->image_checksum == image_checksum(image.bytes()));
}

TEST_CASE("what cannot be published is refused, by name, and the running policy stays") {
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const std::uint64_t size = image.bytes().size();
    const FileDescriptor good = memfd_of(image.bytes());
    Client client(intake.path());
    REQUIRE(client.greet().has_value());
    REQUIRE(client.publish(10, good.get(), size)->status == PublishStatus::effective);

    std::optional<Published> answer;
    PublishStatus expected = PublishStatus::bad_descriptor;
    SECTION("a memfd that can still be written") {
        const FileDescriptor open = memfd_of(image.bytes(), F_SEAL_GROW | F_SEAL_SHRINK);
        answer = client.publish(11, open.get(), size);
        REQUIRE(answer.has_value());
        says(*answer, "not sealed");
    }
    SECTION("a memfd that can still shrink") {
        const FileDescriptor open = memfd_of(image.bytes(), F_SEAL_GROW | F_SEAL_WRITE);
        answer = client.publish(11, open.get(), size);
        REQUIRE(answer.has_value());
        says(*answer, "not sealed");
    }
    SECTION("a pipe") {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        const FileDescriptor read(ends[0]);
        const FileDescriptor write(ends[1]);
        answer = client.publish(11, read.get(), size);
        REQUIRE(answer.has_value());
        says(*answer, "no memfd");
    }
    SECTION("an ordinary file") {
        const TempFolder folder;
        const FileDescriptor file(::open((folder / "f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)
        );
        answer = client.publish(11, file.get(), size);
        REQUIRE(answer.has_value());
        says(*answer, "no memfd");
    }
    SECTION("no descriptor at all") {
        answer = client.publish(11, -1, size);
        REQUIRE(answer.has_value());
    }
    SECTION("a size that is not the memfd's") {
        answer = client.publish(11, good.get(), size + 1);
        REQUIRE(answer.has_value());
        says(*answer, std::to_string(size + 1));
    }
    SECTION("an empty memfd") {
        const FileDescriptor empty = memfd_of({});
        answer = client.publish(11, empty.get(), 0);
        REQUIRE(answer.has_value());
    }
    SECTION("bytes that are no image") {
        const std::vector<std::byte> garbage(size, std::byte{0x5A});
        const FileDescriptor memfd = memfd_of(garbage);
        answer = client.publish(11, memfd.get(), size);
        expected = PublishStatus::bad_image;
    }
    SECTION("an image with one bit turned") {
        std::vector<std::byte> bytes(image.bytes().begin(), image.bytes().end());
        bytes.back() ^= std::byte{1};
        const FileDescriptor memfd = memfd_of(bytes);
        answer = client.publish(11, memfd.get(), size);
        expected = PublishStatus::bad_image;
    }
    SECTION("the running generation again") {
        answer = client.publish(10, good.get(), size);
        expected = PublishStatus::stale_generation;
        REQUIRE(answer.has_value());
        says(*answer, "10");
    }
    SECTION("an older generation") {
        answer = client.publish(9, good.get(), size);
        expected = PublishStatus::stale_generation;
    }
    SECTION("more subscribers than there are slots") {
        const ImageBytes large = image_of(
            std::string(kPolicyText)
            + "[[pool]]\nprefix = \"192.0.2.0/30\"\nclass = \"residential\"\n"
        );
        const FileDescriptor memfd = memfd_of(large.bytes());
        answer = client.publish(11, memfd.get(), large.bytes().size());
        expected = PublishStatus::too_many_slots;
        REQUIRE(answer.has_value());
        says(*answer, "--subscriber-slots " + std::to_string(kPolicySlots + 4));
    }
    REQUIRE(answer.has_value());
    CHECK(answer->status == expected);
    CHECK_FALSE(message_of(*answer).empty());
    CHECK(answer->generation == 10);
    CHECK(intake.worker_generation() == 10);
    // And the next good one is taken.
    CHECK(client.publish(12, good.get(), size)->status == PublishStatus::effective);
}

TEST_CASE("a client that sends rubbish loses its connection, and others do not notice") {
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const FileDescriptor memfd = memfd_of(image.bytes());
    Client good(intake.path());
    REQUIRE(good.greet().has_value());
    Client bad(intake.path());
    SECTION("bytes") {
        const std::vector<std::byte> garbage(100, std::byte{0xFF});
        REQUIRE(bad.send(garbage));
    }
    SECTION("one byte") {
        const std::array<std::byte, 1> garbage{};
        REQUIRE(bad.send(garbage));
    }
    SECTION("a message that is too long") {
        const std::vector<std::byte> garbage(60'000, std::byte{0});
        REQUIRE(bad.send(garbage));
    }
    SECTION("a head of an unknown type") {
        REQUIRE(bad.greet().has_value());
        Hello odd;
        odd.head.type = static_cast<IntakeType>(77);
        REQUIRE(bad.say(odd));
    }
    SECTION("Publish without Hello") {
        Publish message;
        message.generation = 1;
        message.image_bytes = image.bytes().size();
        REQUIRE(bad.say(message, memfd.get()));
    }
    SECTION("Publish cut short") {
        REQUIRE(bad.greet().has_value());
        const Publish message;
        REQUIRE(bad.send(std::as_bytes(std::span<const Publish, 1>(&message, 1)).first(20)));
    }
    CHECK(bad.is_closed_by_peer());
    CHECK(intake.worker_generation() == 0);
    CHECK(good.publish(1, memfd.get(), image.bytes().size())->status == PublishStatus::effective);
}

TEST_CASE("a client of another version learns ours, and then has to go") {
    RunningIntake intake;
    Client client(intake.path());
    Hello hello;
    hello.head.version = kIntakeVersion + 1;
    REQUIRE(client.say(hello));
    const auto welcome = client.hear<Welcome>();
    REQUIRE(welcome.has_value());
    CHECK(welcome->head.version == kIntakeVersion);
    CHECK(client.is_closed_by_peer());
}

TEST_CASE("a client that never reads its answers does not hold up the others") {
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const FileDescriptor memfd = memfd_of(image.bytes());
    const Client slow(intake.path());
    // Until the intake has had enough of it: every Hello makes an answer that nobody fetches.
    unsigned sent = 0;
    while (sent < 100'000 && slow.say(Hello{})) {
        ++sent;
        if (sent % 64 == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    const auto began = std::chrono::steady_clock::now();
    Client good(intake.path());
    REQUIRE(good.greet().has_value());
    CHECK(good.publish(1, memfd.get(), image.bytes().size())->status == PublishStatus::effective);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
}

TEST_CASE("a client that says nothing costs nothing") {
    RunningIntake intake;
    const Client silent(intake.path());
    Client good(intake.path());
    CHECK(good.greet().has_value());
}

TEST_CASE("more clients than there is room for are turned away, until one leaves") {
    RunningIntake intake;
    std::vector<Client> clients;
    for (unsigned i = 0; i < Intake::kClientsMax; ++i) {
        clients.emplace_back(intake.path());
        REQUIRE(clients.back().greet().has_value());
    }
    Client surplus(intake.path());
    CHECK(surplus.is_closed_by_peer());
    clients.pop_back();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    Client next(intake.path());
    CHECK(next.greet().has_value());
}

TEST_CASE("while a worker hangs, one publication waits, others are told, and it ends with the truth"
) {
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const FileDescriptor memfd = memfd_of(image.bytes());
    const std::uint64_t size = image.bytes().size();
    Client first(intake.path());
    Client second(intake.path());
    REQUIRE(first.greet().has_value());
    REQUIRE(second.greet().has_value());
    intake.hold_worker(true);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    Publish message;
    message.generation = 1;
    message.image_bytes = size;
    REQUIRE(first.say(message, memfd.get()));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const auto other = second.publish(2, memfd.get(), size);
    REQUIRE(other.has_value());
    CHECK(other->status == PublishStatus::busy);

    SECTION("it takes the policy in time") {
        intake.hold_worker(false);
        const auto published = first.hear<Published>();
        REQUIRE(published.has_value());
        CHECK(published->status == PublishStatus::effective);
    }
    SECTION("it takes the policy too late") {
        const auto published = first.hear<Published>();
        REQUIRE(published.has_value());
        CHECK(published->status == PublishStatus::busy);
        CHECK(published->generation == 0);
        says(*published, "worker 0");
        intake.hold_worker(false);
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        CHECK(intake.header().generation.load() == 1);
    }
    CHECK(second.publish(2, memfd.get(), size)->status == PublishStatus::effective);
}

TEST_CASE("the client that publishes may go away meanwhile") {
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const FileDescriptor memfd = memfd_of(image.bytes());
    intake.hold_worker(true);
    {
        Client client(intake.path());
        REQUIRE(client.greet().has_value());
        Publish message;
        message.generation = 3;
        message.image_bytes = image.bytes().size();
        REQUIRE(client.say(message, memfd.get()));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    intake.hold_worker(false);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(intake.header().generation.load() == 3);
    Client next(intake.path());
    CHECK(next.greet()->generation == 3);
}
