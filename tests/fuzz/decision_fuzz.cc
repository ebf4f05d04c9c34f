// The fast path against the reference model, on any frame under one of a few policies: they must agree.
//
// Input: which policy, how to read the rest (bit 0: direction; bit 1: the rest is a frame, or else the choices
// of the frame generator, which finds deep stacks sooner), the rest.
#include "tests/rules/agreement.h"
#include "tests/rules/random_frame.h"
#include "tests/rules/random_policy.h"
#include "tests/rules/sample_policy.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

namespace {

using namespace portcullis;
using namespace portcullis::test;

struct Case {
    CompiledPolicy compiled;
    AddressChoices addresses;
};

std::vector<std::unique_ptr<Case>> make_cases() {
    constexpr std::uint64_t kRandomPolicies = 12;
    std::vector<std::unique_ptr<Case>> out;
    const auto add = [&](const Policy& policy, UnixSeconds now, std::uint64_t seed) {
        Dice dice(seed);
        out.push_back(std::make_unique<Case>(Case{
            CompiledPolicy(policy, now), interesting_addresses(policy, dice)}));
    };
    Policy policy = sample_policy();
    add(policy, kSampleNow, 0);
    policy.tunnels = (1U << kTunnelCount) - 1;
    add(policy, kSampleNow, 1);
    policy.drop_spoofed = true;
    add(policy, kSampleNow, 2);
    policy.unclassifiable.fill(Verdict::pass);
    add(policy, kSampleNow, 3);
    for (std::uint64_t seed = 4; seed < 4 + kRandomPolicies; ++seed) {
        Dice dice(seed);
        add(random_policy(dice), kRandomPolicyNow, seed);
    }
    return out;
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    static const std::vector<std::unique_ptr<Case>> kCases = make_cases();
    if (size < 2) {
        return 0;
    }
    const Case& chosen = *kCases[data[0] % kCases.size()];
    const Direction direction = (data[1] & 1U) != 0 ? Direction::inbound : Direction::outbound;
    const std::span<const std::uint8_t> rest(data + 2, size - 2);
    Dice dice(rest);
    const Bytes frame = (data[1] & 2U) != 0 ? random_frame(dice, chosen.addresses)
                                            : Bytes(rest.begin(), rest.end());
    const Comparison found = compare(chosen.compiled, frame, direction);
    if (!found.difference.empty()) {
        std::fprintf(stderr, "policy %zu, %s", data[0] % kCases.size(), found.difference.c_str());
        std::abort();
    }
    return 0;
}
