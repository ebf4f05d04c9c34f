// Clients that send anything through the intake's socket, at random: they lose their connection and nothing else happens.
// INTAKE_SEED repeats a run.
#include "tests/dataplane/intake_fixture.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;
using namespace portcullis::dataplane::test;

namespace {

constexpr unsigned kMessages = 4'000;
constexpr std::uint64_t kGoodGeneration = 1'000;

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// Descriptors that are no image: of the wrong kind, unsealed, or sealed with damage inside.
std::vector<FileDescriptor> bad_descriptors(const ImageBytes& image) {
    std::vector<FileDescriptor> out;
    out.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    out.emplace_back(::eventfd(0, EFD_CLOEXEC));
    out.emplace_back(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    for (const std::size_t at :
         {std::size_t{0}, image.bytes().size() / 2, image.bytes().size() - 1}) {
        std::vector<std::byte> damaged(image.bytes().begin(), image.bytes().end());
        damaged[at] ^= std::byte{0x41};
        out.push_back(memfd_of(damaged));
    }
    return out;
}

template <typename Message>
std::vector<std::byte> bytes_of(const Message& message) {
    std::vector<std::byte> out(sizeof(message));
    std::memcpy(out.data(), &message, sizeof(message));
    return out;
}

class Dice {
public:
    explicit Dice(std::uint32_t seed)
        : engine_(seed) {}

    [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }

    [[nodiscard]] std::uint64_t any() {
        // Small numbers, huge ones, and those around powers of two.
        switch (below(4)) {
        case 0: return below(16);
        case 1: return ~std::uint64_t{0} - below(16);
        case 2: return (std::uint64_t{1} << below(64)) + below(3) - 1;
        default: return (engine_() << 32U) | engine_();
        }
    }

private:
    std::mt19937_64 engine_;
};

std::vector<std::byte> any_message(Dice& dice, std::uint64_t image_bytes) {
    std::vector<std::byte> out;
    switch (dice.below(5)) {
    case 0: out = bytes_of(Hello{}); break;
    case 1: {
        Amend amend;
        amend.generation = dice.below(2) == 0 ? kGoodGeneration : dice.any();
        // Sizes that are at odds with every descriptor: nothing of it can be taken.
        amend.overlay_bytes = 1 + dice.any() / 2;
        amend.shadow_image_bytes = dice.below(2) == 0 ? image_bytes : dice.any();
        amend.shadow_overlay_bytes = dice.any();
        amend.shadow = static_cast<ShadowChange>(dice.below(4));
        out = bytes_of(amend);
        break;
    }
    case 2:
    case 3: {
        Publish publish;
        publish.generation = dice.below(2) == 0 ? kGoodGeneration + 1 + dice.below(9) : dice.any();
        publish.image_bytes = dice.below(2) == 0 ? image_bytes : dice.any();
        publish.overlay_bytes = dice.below(2) == 0 ? 0 : dice.any();
        publish.keep_shadow = static_cast<std::uint32_t>(dice.below(3));
        out = bytes_of(publish);
        break;
    }
    default:
        out.resize(dice.below(300));
        for (std::byte& byte : out) {
            byte = static_cast<std::byte>(dice.below(256));
        }
        break;
    }
    // Now and then another type, a bit that is wrong, or another length.
    if (dice.below(3) == 0 && out.size() >= sizeof(IntakeHead)) {
        IntakeHead head;
        head.type = static_cast<IntakeType>(dice.below(8));
        std::memcpy(out.data(), &head, sizeof(head));
    }
    for (std::uint64_t i = dice.below(3); i > 0 && !out.empty(); --i) {
        out[dice.below(out.size())] ^= static_cast<std::byte>(1U << dice.below(8));
    }
    if (dice.below(5) == 0) {
        out.resize(dice.below(out.size() + 40));
    }
    return out;
}

}  // namespace

TEST_CASE("hostile clients of the intake lose their connection, and nothing else happens") {
    const char* const given = std::getenv("INTAKE_SEED");  // NOLINT(concurrency-mt-unsafe)
    const auto seed =
        given != nullptr ? static_cast<std::uint32_t>(std::stoul(given)) : std::random_device{}();
    INFO("INTAKE_SEED=" << seed);
    Dice dice(seed);
    RunningIntake intake;
    const ImageBytes image = image_of(kPolicyText);
    const FileDescriptor good = memfd_of(image.bytes());
    const std::vector<FileDescriptor> bad = bad_descriptors(image);
    Client honest(intake.path());
    REQUIRE(honest.greet().has_value());
    REQUIRE(
        honest.publish(kGoodGeneration, good.get(), image.bytes().size())->status
        == PublishStatus::effective
    );
    const std::size_t descriptors_before = open_descriptors();
    {
        std::vector<std::unique_ptr<Client>> clients(8);
        for (unsigned i = 0; i < kMessages; ++i) {
            std::unique_ptr<Client>& client = clients[dice.below(clients.size())];
            if (client == nullptr || dice.below(20) == 0) {
                client = std::make_unique<Client>(intake.path());
                if (dice.below(4) != 0 && !client->say(Hello{})) {
                    client.reset();
                    continue;
                }
            }
            const auto message = any_message(dice, image.bytes().size());
            const int descriptor = dice.below(4) == 0 ? -1 : bad[dice.below(bad.size())].get();
            // An empty message is the end of a connection; that, too, may come at any time.
            if (message.empty() || !client->send(message, descriptor)) {
                client.reset();
            }
            if (i % 100 == 0) {
                Client other(intake.path());
                const auto welcome = other.greet();
                REQUIRE(welcome.has_value());
                REQUIRE(welcome->generation == kGoodGeneration);
                REQUIRE(welcome->image_checksum == image_checksum(image.bytes()));
            }
        }
    }
    CHECK(intake.worker_generation() == kGoodGeneration);
    // The one that was there before them all is still served.
    const auto published = honest.publish(kGoodGeneration + 100, good.get(), image.bytes().size());
    REQUIRE(published.has_value());
    CHECK(published->status == PublishStatus::effective);
    // Nothing of what they sent is kept: neither connections nor descriptors.
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (open_descriptors() > descriptors_before && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(open_descriptors() <= descriptors_before);
}
