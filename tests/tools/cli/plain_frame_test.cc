#include "tools/cli/plain_frame.h"

#include "rules/frame_parser.h"

#include <catch2/catch.hpp>

namespace portcullis::cli {
namespace {

Key parse(const Flow& flow) {
    const std::vector<std::uint8_t> frame = plain_frame(flow);
    return parse_frame({frame.data(), static_cast<std::uint32_t>(frame.size())}, 0xFF);
}

void check_says(const Key& key, const Flow& flow) {
    CHECK(key.family == flow.source.family);
    CHECK(key.source == words_of(flow.source));
    CHECK(key.destination == words_of(flow.destination));
    CHECK(key.transport == flow.transport);
    CHECK(key.source_port == flow.source_port);
    CHECK(key.destination_port == flow.destination_port);
    CHECK(key.fragment == Fragment::whole);
    CHECK(key.faults.empty());
    CHECK(key.initial_syn == (flow.transport == Transport::tcp));
}

TEST_CASE("a plain frame says its flow") {
    const Address v4a = parse_address("100.64.7.9").value();
    const Address v4b = parse_address("203.0.113.255").value();
    const Address v6a = parse_address("2001:db8:1:2:3:4:5:6").value();
    const Address v6b = parse_address("fe80::ffff").value();
    for (const Transport transport : {Transport::tcp, Transport::udp}) {
        const Flow ipv4{v4a, v4b, transport, 0, 65'535};
        check_says(parse(ipv4), ipv4);
        const Flow ipv6{v6a, v6b, transport, 65'535, 25};
        check_says(parse(ipv6), ipv6);
    }
}

}  // namespace
}  // namespace portcullis::cli
