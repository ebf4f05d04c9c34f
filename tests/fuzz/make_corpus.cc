// Writes the seeds of decision_fuzz, frame_parser_fuzz and policy_image_fuzz: make_corpus DIRECTORY (of the
// corpora). Run it again when a header or a limit is new; inputs that once broke something stay beside them.
#include "rules/image.h"
#include "rules/key.h"
#include "rules/policy_compiler.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/sample_policy.h"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace portcullis;
using namespace portcullis::test;

FrameBuilder ethernet() {
    return FrameBuilder().ethernet();
}

struct Seed {
    std::string name;
    Bytes frame;
};

std::vector<Seed> link_seeds() {
    FrameBuilder labels = ethernet();
    for (unsigned i = 0; i <= kMplsLabelsMax; ++i) {
        labels.mpls(16 + i);
    }
    FrameBuilder tags = ethernet().vlan(1, 0x88A8).vlan(2).vlan(3, 0x9100).vlan(4);
    return {
        {"ipv4-smtp", ethernet().ipv4().tcp(40000, 25, {.flags = 0x02}).padding(6).bytes()},
        {"ipv6-smtp", ethernet().ipv6().tcp(40000, 25).bytes()},
        {"netbios", ethernet().ipv4().udp(137, 137).payload(8).bytes()},
        {"arp", ethernet().raw(Bytes(28)).bytes()},
        {"vlan-4", FrameBuilder(tags).ipv4().tcp(1, 25).bytes()},
        {"vlan-5", FrameBuilder(tags).vlan(5).ipv4().tcp(1, 25).bytes()},
        {"snap", ethernet().snap().ipv4().tcp(1, 25).bytes()},
        {"pppoe", ethernet().pppoe().ipv6().tcp(1, 25).bytes()},
        {"pppoe-short", ethernet().pppoe(true).ipv4().tcp(1, 25).bytes()},
        {"mpls", ethernet().mpls(16).mpls(17).ipv6().tcp(1, 25).bytes()},
        {"mpls-null", ethernet().mpls(0).ipv4().tcp(1, 25).bytes()},
        {"mpls-pseudowire", ethernet().mpls(16).raw(Bytes(4)).bytes()},
        {"mpls-17", labels.ipv4().tcp(1, 25).bytes()},
        {"runt", ethernet().cut(13)},
    };
}

std::vector<Seed> ip_seeds() {
    const Bytes loose_route = {1, 131, 7, 4, 203, 0, 113, 1};
    FrameBuilder chain = ethernet().ipv6();
    for (unsigned i = 0; i <= kExtensionHeadersMax; ++i) {
        chain.extension(60);
    }
    return {
        {"ipv4-options", ethernet().ipv4({.options = loose_route}).tcp(1, 25).bytes()},
        {"ipv4-first-fragment", ethernet().ipv4({.more_fragments = true}).tcp(1, 25).bytes()},
        {"ipv4-tiny-fragment",
         ethernet().ipv4({.more_fragments = true}).tcp(1, 80, {.bytes = 8}).bytes()},
        {"ipv4-overlap", ethernet().ipv4({.fragment_offset = 1}).tcp(1, 25).bytes()},
        {"ipv4-later-fragment", ethernet().ipv4({.fragment_offset = 2}).payload(16).bytes()},
        {"ipv4-authentication", ethernet().ipv4().authentication().tcp(1, 25).bytes()},
        {"ipv4-long", ethernet().ipv4({.total_length = 1500}).tcp(1, 25).bytes()},
        {"ipv4-short", ethernet().ipv4({.total_length = 23}).tcp(1, 25).bytes()},
        {"ipv6-chain",
         ethernet()
             .ipv6()
             .extension(0)
             .extension(60, {.bytes = 24})
             .authentication()
             .tcp(1, 25)
             .bytes()},
        {"ipv6-chain-17", chain.tcp(1, 25).bytes()},
        {"ipv6-far", ethernet().ipv6().extension(60, {.bytes = 968}).tcp(1, 25).bytes()},
        {"ipv6-routing",
         ethernet().ipv6().routing({.type = 2, .segments_left = 1}).tcp(1, 25).bytes()},
        {"ipv6-first-fragment", ethernet().ipv6().fragment({.more = true}).tcp(1, 25).bytes()},
        {"ipv6-atomic-fragment", ethernet().ipv6().fragment().udp(1, 445).bytes()},
        {"ipv6-low-fragment", ethernet().ipv6().fragment({.offset = 15}).payload(8).bytes()},
        {"ipv6-jumbo", ethernet().ipv6({.payload_length = 0}).extension(0).tcp(1, 25).bytes()},
        {"smarthost", ethernet().ipv4({.destination = "192.0.2.25"}).tcp(1, 25).bytes()},
        {"smarthost-nat64",
         ethernet().ipv6({.destination = "64:ff9b::c000:219"}).tcp(1, 25).bytes()},
        {"exempt", ethernet().ipv4({.source = "100.64.7.10"}).tcp(1, 25).bytes()},
    };
}

std::vector<Seed> tunnel_seeds() {
    FrameBuilder nested = ethernet().ipv4();
    for (unsigned i = 0; i <= kTunnelsMax; ++i) {
        nested.ipv4();
    }
    const GreFields all_fields{
        .checksum = true, .key = true, .sequence = true, .routes = {Bytes(4)}, .type = {}};
    return {
        {"ipip", ethernet().ipv4({.source = "203.0.113.1"}).ipv4().tcp(1, 25).bytes()},
        {"6in4", ethernet().ipv4().ipv6().tcp(1, 25).bytes()},
        {"4in6", ethernet().ipv6().ipv4().tcp(1, 25).bytes()},
        {"6in6", ethernet().ipv6().ipv6().tcp(1, 25).bytes()},
        {"gre", ethernet().ipv4().gre(all_fields).ipv4().tcp(1, 25).bytes()},
        {"gre-mpls", ethernet().ipv6().gre().mpls(16).ipv4().tcp(1, 25).bytes()},
        {"gre-ethernet", ethernet().ipv4().gre().ethernet().vlan(5).ipv6().tcp(1, 25).bytes()},
        {"vxlan",
         ethernet().ipv4().udp(1, 4789).vxlan().ethernet().vlan(5).ipv4().tcp(1, 25).bytes()},
        {"teredo",
         ethernet()
             .ipv4()
             .udp(3544, 1)
             .teredo_authentication(1, 2)
             .teredo_origin()
             .ipv6()
             .tcp(1, 25)
             .bytes()},
        {"tunnels-5", nested.tcp(1, 25).bytes()},
        {"first-fragment-tunnel",
         ethernet()
             .ipv4({.more_fragments = true})
             .ipv6({.payload_length = 1400})
             .tcp(1, 25)
             .bytes()},
    };
}

void write(const std::filesystem::path& path, const Bytes& bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    for (const std::uint8_t byte : bytes) {
        out.put(static_cast<char>(byte));
    }
    if (!out.flush()) {
        throw std::runtime_error("cannot write " + path.string());
    }
}

void write_frames(const std::filesystem::path& corpora) {
    std::uint8_t number = 0;
    for (const auto& seeds : {link_seeds(), ip_seeds(), tunnel_seeds()}) {
        for (const Seed& seed : seeds) {
            // Policies 0 to 3 of decision_fuzz in turn; the direction changes every four.
            Bytes decision = {
                static_cast<std::uint8_t>(number % 4), static_cast<std::uint8_t>(number / 4 % 2)};
            Bytes parser = {(1U << kTunnelCount) - 1};
            decision.insert(decision.end(), seed.frame.begin(), seed.frame.end());
            parser.insert(parser.end(), seed.frame.begin(), seed.frame.end());
            write(corpora / "decision" / seed.name, decision);
            write(corpora / "frame_parser" / seed.name, parser);
            ++number;
        }
    }
    // Choices for the frame generator.
    for (std::uint8_t policy = 0; policy < 16; policy = static_cast<std::uint8_t>(policy + 5)) {
        Bytes choices = {policy, 2};
        for (unsigned i = 0; i < 64; ++i) {
            choices.push_back(static_cast<std::uint8_t>(policy + i * i * 7));
        }
        write(corpora / "decision" / ("choices-" + std::to_string(policy)), choices);
    }
}

void write_images(const std::filesystem::path& corpora) {
    // A whole image, of a policy that is as small as possible.
    Policy policy;
    policy.rules = {built_in_rules()[0]};
    policy.classes = {{"only", {Action::drop}, {}}};
    policy.unclassifiable.fill(Verdict::drop);
    const SlotLayout layout = SlotLayout{}.extended_for(policy).value();
    const ImageBytes image = compile(policy, layout, kSampleNow).value();
    Bytes whole = {1};
    for (const std::byte byte : image.bytes()) {
        whole.push_back(std::to_integer<std::uint8_t>(byte));
    }
    write(corpora / "policy_image" / "whole", whole);

    write(corpora / "policy_image" / "unchanged", {0});
    const std::vector<std::pair<const char*, std::size_t>> fields = {
        {"slot-count", offsetof(ImageHeader, slot_count)},
        {"tunnels", offsetof(ImageHeader, tunnels)},
        {"rule-count", offsetof(ImageHeader, rule_count)},
        {"skip-bytes", offsetof(ImageHeader, skip_bytes6)},
        {"skip-mask", offsetof(ImageHeader, skip_mask_high)},
        {"port-maps", offsetof(ImageHeader, port_maps)},
        {"classes", offsetof(ImageHeader, classes)},
        {"port-pages", offsetof(ImageHeader, port_pages)},
        {"pools", offsetof(ImageHeader, pools)},
        {"trie4", offsetof(ImageHeader, trie4)},
        {"trie6", offsetof(ImageHeader, trie6)},
        {"smarthost-tables4", offsetof(ImageHeader, smarthost_tables4)},
        {"exemptions6", offsetof(ImageHeader, exemptions6)},
    };
    for (const auto& [name, offset] : fields) {
        const Bytes edit = {
            0,
            static_cast<std::uint8_t>(offset / 256),
            static_cast<std::uint8_t>(offset),
            3,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0};
        write(corpora / "policy_image" / name, edit);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    try {
        write_frames(argv[1]);
        write_images(argv[1]);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s: %s\n", argv[0], problem.what());
        return 2;
    }
    return 0;
}
