#include "bench/profile_options.h"

#include "rules/key.h"

#include <CLI/CLI.hpp>

#include <array>
#include <charconv>

namespace portcullis::bench {

namespace {

constexpr std::uint32_t kFcsBytes = 4;
constexpr std::uint32_t kFrameSizeMin = 64;
constexpr std::uint32_t kFrameSizeMax =
    2048;  // what one buffer of a port that replays a file holds
constexpr std::uint32_t kFramesMax = 1U << 22U;

// Seven small, four medium, one large: the simple IMIX.
constexpr const char* kImixGenome = "aaaaaaaddddg";

// RFC 6985 section 4: the sizes that letters stand for, with FCS.
constexpr std::array<std::uint32_t, 7> kGenomeSizes = {64, 128, 256, 512, 1024, 1280, 1518};

FlowMix flows_of(const std::string& word) {
    if (word == "syn") {
        return FlowMix::syn;
    }
    return word == "elephant" ? FlowMix::elephant : FlowMix::many;
}

void add_signature_options(CLI::App& command, ProfileOptions& options) {
    CLI::IsMember mix({"many", "syn", "elephant"});
    CLI::IsMember action({"none", "monitor"});
    CLI::Range percent(0.0, 100.0);
    mix.description("");
    action.description("");
    percent.description("");
    command
        .add_option(
            "--signatures",
            options.signatures,
            "What the policy does about SMTP, SMB and NetBIOS sessions on any port: none, monitor"
        )
        ->type_name("NAME")
        ->check(action)
        ->capture_default_str();
    command
        .add_option(
            "--inspected-share",
            options.inspected_percent,
            "Of subscribers whose class monitors signatures"
        )
        ->type_name("PERCENT")
        ->check(percent)
        ->capture_default_str();
    command
        .add_option(
            "--flows",
            options.flows,
            "many: each frame is of a flow of its own, stamped with another subscriber a new one;\n"
            "syn: the same, and each is its SYN; elephant: all are of one flow"
        )
        ->type_name("NAME")
        ->check(mix)
        ->capture_default_str();
}

}  // namespace

std::vector<std::uint32_t> frame_bytes_of(const std::string& text) {
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    if (const auto [rest, error] = std::from_chars(text.data(), end, number);
        error == std::errc() && rest == end) {
        const bool possible = number >= kFrameSizeMin && number <= kFrameSizeMax;
        return possible ? std::vector<std::uint32_t>{number - kFcsBytes}
                        : std::vector<std::uint32_t>{};
    }
    std::vector<std::uint32_t> out;
    for (const char letter : text == "imix" ? std::string(kImixGenome) : text) {
        const auto index = static_cast<std::size_t>(letter - 'a');
        if (letter < 'a' || index >= kGenomeSizes.size()) {
            return {};
        }
        out.push_back(kGenomeSizes[index] - kFcsBytes);
    }
    return out;
}

void add_profile_options(CLI::App& command, ProfileOptions& options) {
    CLI::Range percent(0.0, 100.0);
    percent.description("");
    const auto range = [](std::uint32_t least, std::uint32_t most) {
        return CLI::Range(least, most);
    };
    command
        .add_option("--subscribers", options.subscribers, "Subscribers in the pools of the policy")
        ->type_name("N")
        ->check(range(1, kSubscribersMax))
        ->capture_default_str();
    command
        .add_option(
            "--exemptions", options.exemptions, "IPv4 subscribers who may send mail themselves"
        )
        ->type_name("N")
        ->check(range(0, kExemptionsMax))
        ->capture_default_str();
    command.add_option("--smarthosts", options.smarthosts, "Prefixes of the ISP's mail servers")
        ->type_name("N")
        ->check(range(1, kSmarthostsMax))
        ->capture_default_str();
    command.add_option("--smtp-share", options.smtp_percent, "Of frames that are port 25")
        ->type_name("PERCENT")
        ->check(percent)
        ->capture_default_str();
    command.add_option("--ipv6-share", options.ipv6_percent, "Of frames that are IPv6")
        ->type_name("PERCENT")
        ->check(percent)
        ->capture_default_str();
    command.add_option("--frames", options.frames, "Distinct frames in the file that is replayed")
        ->type_name("N")
        ->check(range(64, kFramesMax))
        ->capture_default_str();
    command
        .add_option(
            "--frame-size",
            options.frame_size,
            "Bytes with FCS (RFC 2544: 64 128 256 512 1024 1280 1518), imix, or an IMIX\n"
            "genome of RFC 6985: a=64 b=128 c=256 d=512 e=1024 f=1280 g=1518"
        )
        ->type_name("SIZE")
        ->check([](const std::string& text) {
            return frame_bytes_of(text).empty()
                       ? "'" + text + "' is no frame size: 64 to 2048, imix, or letters a to g"
                       : std::string();
        })
        ->capture_default_str();
    command.add_option("--vlan-tags", options.vlan_tags, "Of every frame: 1 VLAN, 2 QinQ")
        ->type_name("N")
        ->check(range(0, kVlanTagsMax))
        ->capture_default_str();
    command.add_option("--extension-headers", options.extension_headers, "Of every IPv6 frame")
        ->type_name("N")
        ->check(range(0, kExtensionHeadersMax))
        ->capture_default_str();
    command.add_flag(
        "--worst-case",
        options.worst_case,
        "All frames spend every budget of the parser: 4 tags, 16 labels, 16 headers"
    );
    command.add_flag(
        "--drop-spoofed", options.drop_spoofed, "The policy drops what comes from no pool (BCP 38)"
    );
    add_signature_options(command, options);
    command.add_option("--seed", options.seed, "Of everything that is drawn at random")
        ->type_name("N")
        ->capture_default_str();
}

Profile profile_of(const ProfileOptions& options) {
    constexpr double kPercent = 100;
    Profile out;
    out.subscribers = options.subscribers;
    out.exemptions = options.exemptions;
    out.smarthosts = options.smarthosts;
    out.smtp_share = options.smtp_percent / kPercent;
    out.ipv6_share = options.ipv6_percent / kPercent;
    out.frame_count = options.frames;
    out.frame_bytes = frame_bytes_of(options.frame_size);
    out.vlan_tags = options.vlan_tags;
    out.extension_headers = options.extension_headers;
    out.worst_case = options.worst_case;
    out.drop_spoofed = options.drop_spoofed;
    out.flows = flows_of(options.flows);
    out.signatures = options.signatures == "monitor";
    out.inspected_share = options.inspected_percent / kPercent;
    out.seed = options.seed;
    return out;
}

}  // namespace portcullis::bench
