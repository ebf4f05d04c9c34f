// The fast path and the reference model agree on random frames under random policies. Runs for
// PORTCULLIS_AGREEMENT_CASES frames (default: about 20 seconds of them), starting at the seed
// PORTCULLIS_AGREEMENT_SEED; a failure prints the seed that shows it at once.
#include "tests/rules/agreement.h"

#include "tests/rules/random_frame.h"
#include "tests/rules/random_policy.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace portcullis::test {

namespace {

constexpr std::uint64_t kFramesPerPolicy = 2'000;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoull(text);
}

// How often each verdict and reason was the answer of the fast path.
using Coverage = std::array<std::array<std::uint64_t, kReasonCount>, kVerdictCount>;

// Judges `frames` frames under one policy, all derived from `seed`: the first difference, or nothing.
std::string try_seed(std::uint64_t seed, std::uint64_t frames, Coverage& coverage) {
    Dice dice(seed);
    const CompiledPolicy compiled(random_policy(dice), kRandomPolicyNow);
    for (std::uint64_t i = 0; i < frames; ++i) {
        const AddressChoices addresses = interesting_addresses(compiled.policy(), dice);
        for (std::uint64_t k = 0; k < 50 && i < frames; ++k, ++i) {
            const Bytes frame = random_frame(dice, addresses);
            const Direction direction = dice.one_in(2) ? Direction::inbound : Direction::outbound;
            const Comparison found = compare(compiled, frame, direction);
            if (!found.difference.empty()) {
                return found.difference;
            }
            ++coverage[index_of(found.outcome.verdict)][index_of(found.outcome.reason)];
        }
    }
    return {};
}

}  // namespace

TEST_CASE("the fast path agrees with the reference model") {
    const std::uint64_t cases = number_from_environment("PORTCULLIS_AGREEMENT_CASES", 2'500'000);
    const std::uint64_t first_seed = number_from_environment("PORTCULLIS_AGREEMENT_SEED", 1);
    Coverage coverage{};
    for (std::uint64_t done = 0; done < cases; done += kFramesPerPolicy) {
        const std::uint64_t seed = first_seed + done / kFramesPerPolicy;
        const std::string difference =
            try_seed(seed, std::min(kFramesPerPolicy, cases - done), coverage);
        INFO("PORTCULLIS_AGREEMENT_SEED=" << seed);
        REQUIRE(difference == "");
    }
    // Agreement is worth something only if the frames reach every verdict for every reason.
    for (const ReasonInfo& row : kReasons) {
        // Neither a missing policy nor what flows carry is seen in one frame.
        if (row.reason == Reason::no_policy || row.reason == Reason::payload_signature) {
            continue;
        }
        if (cases >= 1'000'000) {
            INFO(row.label);
            CHECK((coverage[0][index_of(row.reason)] > 0) == row.may_pass);
            CHECK((coverage[1][index_of(row.reason)] > 0) == row.may_drop);
        }
    }
}

}  // namespace portcullis::test
