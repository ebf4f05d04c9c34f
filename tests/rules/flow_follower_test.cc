// Flows followed frame by frame, and what the image makes of a finding against what the reference model does.
#include "rules/flow_follower.h"

#include "rules/policy_text.h"
#include "rules/reference_model.h"
#include "rules/signature_decision.h"
#include "rules/tcp_segment.h"
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace portcullis;
using namespace portcullis::test;

namespace {

constexpr std::string_view kPolicy = R"(version = 1
[[pool]]
prefix = "100.64.0.0/24"
class = "mixed"
[[pool]]
prefix = "100.64.1.0/24"
class = "strict"
[[class]]
name = "mixed"
drop = ["files", "ssh"]
monitor = ["mail", "telnet"]
[[class]]
name = "strict"
reject = ["mail"]
monitor = ["session"]
[[class]]
name = "none"
drop = ["smtp"]
[unattributed]
class = "none"
[smarthosts]
addresses = ["192.0.2.25"]
[[signature]]
name = "mail"
protocol = "smtp"
ports_left_alone = [2525]
[[signature]]
name = "telnet"
pattern = '^\xFF[\xFB-\xFE]'
[[signature]]
name = "files"
protocol = "smb"
[[signature]]
name = "session"
protocol = "netbios-session"
[[signature]]
name = "ssh"
pattern = '^SSH-2'
[[exemption]]
subscriber = "100.64.0.9"
rules = ["mail", "ssh"]
reason = "own servers"
[[exemption]]
subscriber = "100.64.1.9"
rules = ["mail"]
reason = "own server"
expires = 2020-01-01
)";

constexpr UnixSeconds kNow = 1'800'000'000;

const test::CompiledPolicy& compiled() {
    static const test::CompiledPolicy kCompiled(
        parse_policy(kPolicy, "policy.toml", [](const auto&) { return std::string(); }).value(),
        kNow
    );
    return kCompiled;
}

struct Ends {
    std::string_view near = "100.64.0.7";
    std::string_view far = "198.51.100.7";
    std::uint16_t near_port = 40'000;
    std::uint16_t far_port = 2526;
};

Bytes frame_of(
    const Ends& ends,
    Direction direction,
    std::string_view payload,
    std::uint8_t flags = 0x10
) {
    const bool out = direction == Direction::outbound;
    return FrameBuilder()
        .ethernet()
        .ipv4({.source = out ? ends.near : ends.far, .destination = out ? ends.far : ends.near})
        .tcp(
            out ? ends.near_port : ends.far_port,
            out ? ends.far_port : ends.near_port,
            {.flags = flags}
        )
        .raw({payload.begin(), payload.end()})
        .bytes();
}

std::string text_of(Verdict verdict, Reason reason, std::optional<RuleIndex> rule, bool fresh) {
    return std::string(label(verdict)) + " " + std::string(label(reason))
           + (rule ? " " + compiled().policy().rules[rule->value].name : "")
           + (fresh ? " fresh" : "");
}

std::string text_of(const Judgement& judgement) {
    const std::uint8_t rule = judgement.outcome.rule;
    return text_of(
        judgement.outcome.verdict,
        judgement.outcome.reason,
        rule == kNoRule ? std::nullopt : std::optional(RuleIndex{rule}),
        judgement.initial_syn
    );
}

std::string by_reference(const Bytes& frame, Direction direction, const FlowFinding* carried) {
    const Policy& policy = compiled().policy();
    const ReferenceJudgement out =
        carried == nullptr ? reference_judge(policy, frame, direction, kNow)
                           : reference_judge_carried(policy, frame, direction, kNow, *carried);
    return text_of(out.verdict, out.reason, out.rule, out.initial_syn);
}

Judgement by_headers(const Bytes& frame, Direction direction) {
    return judge_frame(
        compiled().view(), {frame.data(), static_cast<std::uint32_t>(frame.size())}, direction
    );
}

// Asks follower and reference model, which must agree.
struct Border {
    std::string see(const Ends& ends, Direction direction, std::string_view payload) {
        const Bytes frame = frame_of(ends, direction, payload);
        Judgement judgement = by_headers(frame, direction);
        const auto carried = follower.follow(frame, direction, judgement);
        CHECK(by_reference(frame, direction, carried ? &*carried : nullptr) == text_of(judgement));
        return text_of(judgement);
    }

    FlowFollower follower = FlowFollower::create(compiled().view()).value();
};

static_assert(!std::is_copy_constructible_v<FlowFollower>);

constexpr Direction kOut = Direction::outbound;
constexpr Direction kIn = Direction::inbound;

}  // namespace

TEST_CASE("A flow is followed through both directions") {
    Border border;
    const Ends ends;
    CHECK(border.see(ends, kIn, "220 mx.example\r\n") == "pass no-rule");
    CHECK(border.see(ends, kOut, "EHLO me\r\n") == "pass payload-signature mail fresh");
    CHECK(border.see(ends, kIn, "250 ok\r\n") == "pass payload-signature mail");
    CHECK(border.see({.near_port = 40'001}, kOut, "x") == "pass no-rule");
    CHECK(
        border.see({.near_port = 40'002}, kOut, "SSH-2.0-x") == "drop payload-signature ssh fresh"
    );
    CHECK(
        border.see({.near_port = 40'003}, kIn, "\xFF\xFD\x18")
        == "pass payload-signature telnet fresh"
    );
}

TEST_CASE("A policy without signatures has nothing to follow") {
    const test::CompiledPolicy plain(
        parse_policy(
            "version = 1\n[[class]]\nname = \"c\"\ndrop = [\"smtp\"]\n[unattributed]\nclass = "
            "\"c\"\n",
            "policy.toml",
            [](const auto&) { return std::string(); }
        ).value(),
        kNow
    );
    FlowFollower follower = FlowFollower::create(plain.view()).value();
    const Bytes frame = frame_of({}, kOut, "SSH-2.0-x");
    Judgement judgement;
    judgement.outcome.reason = Reason::no_rule;
    CHECK_FALSE(follower.follow(frame, kOut, judgement));
}

namespace {

constexpr std::array<std::string_view, 5> kNears =
    {"100.64.0.7", "100.64.0.9", "100.64.1.7", "100.64.1.9", "9.9.9.9"};
constexpr std::array<std::string_view, 2> kFars = {"198.51.100.7", "192.0.2.25"};
constexpr std::array<std::uint16_t, 3> kNearPorts = {40'000, 25, 2525};
constexpr std::array<std::uint16_t, 4> kFarPorts = {2526, 25, 587, 2525};

std::vector<Ends> all_ends() {
    std::vector<Ends> out;
    for (const std::string_view near : kNears) {
        for (const std::string_view far : kFars) {
            for (const std::uint16_t near_port : kNearPorts) {
                for (const std::uint16_t far_port : kFarPorts) {
                    out.push_back({near, far, near_port, far_port});
                }
            }
        }
    }
    return out;
}

std::vector<FlowFinding> all_findings() {
    constexpr std::array<RuleSet, 3> kPatterns = {0, 1U << 3U, 1U << 6U};
    std::vector<FlowFinding> out;
    for (unsigned bits = 0; bits < 24; ++bits) {
        for (const RuleSet patterns : kPatterns) {
            FlowFinding finding;
            finding.protocols = static_cast<ProtocolSet>(bits & 7U);
            finding.patterns = patterns;
            finding.server = static_cast<FlowServer>(bits / 8);
            finding.fresh = finding.server == FlowServer::subscriber;
            out.push_back(finding);
        }
    }
    return out;
}

// What both say of a frame of a flow of which `finding` is known; they must agree.
std::string verdict_of(const Ends& ends, Direction direction, const FlowFinding& finding) {
    const ImageView& view = compiled().view();
    const Bytes frame = frame_of(ends, direction, "x");
    Judgement judgement = by_headers(frame, direction);
    const ClassIndex service_class = view.pools[judgement.attribution.pool].service_class;
    TcpSegment segment;
    REQUIRE(read_tcp_segment(frame, static_cast<std::uint32_t>(frame.size()), direction, segment));
    const bool asked = judgement.outcome.reason == Reason::no_rule
                       && wanted_signatures(view, segment, service_class).any();
    if (asked) {
        judgement.outcome = judge_carried(view, segment, finding, service_class);
        judgement.initial_syn = finding.fresh && judgement.outcome.reason != Reason::no_rule;
    }
    std::string said = by_reference(frame, direction, asked ? &finding : nullptr);
    INFO(ends.near << " " << ends.near_port << " " << ends.far << " " << ends.far_port);
    if (said != text_of(judgement)) {
        FAIL("reference: " << said << ", image: " << text_of(judgement));
    }
    return said;
}

}  // namespace

TEST_CASE("Image and reference model make the same of every finding") {
    std::set<std::string> seen;
    const std::vector<FlowFinding> findings = all_findings();
    for (const Ends& ends : all_ends()) {
        for (const FlowFinding& finding : findings) {
            seen.insert(verdict_of(ends, kOut, finding));
            seen.insert(verdict_of(ends, kIn, finding));
        }
    }
    for (const std::string outcome :
         {"pass payload-signature mail",
          "drop payload-signature mail",
          "drop payload-signature files",
          "drop payload-signature ssh",
          "pass payload-signature telnet",
          "pass payload-signature session",
          "pass smarthost mail",
          "pass exempt mail",
          "pass exempt ssh",
          "pass no-rule"}) {
        INFO(outcome);
        CHECK(seen.contains(outcome));
    }
}
