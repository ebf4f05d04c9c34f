#include "tests/rules/answer_check.h"

#include "rules/byte_order.h"

#include <algorithm>

namespace portcullis::test {

namespace {

// RFC 1071, one byte after the other: 0 when a checksum in `bytes` is right.
std::uint32_t checksum(std::span<const std::uint8_t> bytes, std::uint64_t sum) {
    bool high = true;
    for (const std::uint8_t byte : bytes) {
        sum += high ? std::uint64_t{byte} * 256 : byte;
        high = !high;
    }
    while (sum > 0xFFFF) {
        sum = sum % 0x1'0000 + sum / 0x1'0000;
    }
    return static_cast<std::uint32_t>(0xFFFF - sum);
}

std::string fault_of_tcp(std::span<const std::uint8_t> segment) {
    constexpr std::uint8_t kRst = 0x04;
    constexpr std::uint8_t kRstAck = 0x14;
    if (segment.size() != 20 || segment[12] != 0x50) {
        return "not a bare TCP header";
    }
    const std::uint8_t flags = segment[13];
    const std::uint32_t sequence = load_be32(segment.data() + 4);
    const std::uint32_t acknowledged = load_be32(segment.data() + 8);
    if (flags == kRst) {
        return acknowledged == 0 ? "" : "acknowledges without saying so";
    }
    return flags == kRstAck && sequence == 0 ? "" : "flags of no reset";
}

std::string fault_of_icmp(std::span<const std::uint8_t> message, AnswerKind kind, bool ipv4) {
    const bool prohibited =
        ipv4 ? message[0] == 3 && message[1] == 13 : message[0] == 1 && message[1] == 1;
    const bool right_kind = kind == (ipv4 ? AnswerKind::icmp : AnswerKind::icmp6);
    if (!right_kind || !prohibited || load_be32(message.data() + 4) != 0) {
        return "not administratively prohibited";
    }
    return "";
}

}  // namespace

std::string fault_of_answer(
    FrameBytes frame,
    const Key& key,
    Answer answer,
    std::span<const std::uint8_t> bytes
) {
    if (answer.kind == AnswerKind::none) {
        return answer.length == 0 ? "" : "no answer, but bytes";
    }
    if (answer.length < 60 || answer.length > bytes.size()) {
        return "length " + std::to_string(answer.length);
    }
    bytes = bytes.first(answer.length);
    const Key back = parse_frame({bytes.data(), answer.length}, 0);
    if (!back.faults.empty() || back.fragment != Fragment::whole || back.family != key.family) {
        return "does not parse";
    }
    if (back.source != key.destination || back.destination != key.source) {
        return "addresses are not turned round";
    }
    if (!std::equal(bytes.begin(), bytes.begin() + 6, frame.data + 6)
        || !std::equal(bytes.begin() + 6, bytes.begin() + 12, frame.data)) {
        return "Ethernet addresses are not turned round";
    }
    // The IP header stands where it stands in the frame: behind the same link headers.
    const bool ipv4 = key.family == Family::ipv4;
    const std::uint32_t header_bytes = ipv4 ? 20 : 40;
    std::uint32_t pppoe = 0;
    std::uint32_t ip = 14;
    for (std::uint16_t type = load_be16(bytes.data() + 12); type != 0x0800 && type != 0x86DD;) {
        if (type == 0x8864) {
            pppoe = ip;
            ip += (bytes[ip + 6] & 1U) != 0 ? 7U : 8U;
            break;
        }
        ip += 4;
        if (ip > 60) {
            return "no IP header";
        }
        type = load_be16(bytes.data() + ip - 2);
    }
    for (std::uint32_t i = 12; i < ip; ++i) {
        const bool length_of_session = pppoe != 0 && (i == pppoe + 4 || i == pppoe + 5);
        if (!length_of_session && bytes[i] != frame.data[i]) {
            return "other tags";
        }
    }
    const std::uint8_t* const header = bytes.data() + ip;
    const std::uint32_t packet = ipv4 ? load_be16(header + 2) : 40U + load_be16(header + 4);
    if (packet < header_bytes + (answer.kind == AnswerKind::tcp_reset ? 20U : 8U)
        || ip + packet > answer.length) {
        return "lengths";
    }
    if (pppoe != 0 && load_be16(bytes.data() + pppoe + 4) != packet + (ip - pppoe - 6)) {
        return "length of the PPPoE session's payload";
    }
    if (std::any_of(bytes.begin() + ip + packet, bytes.end(), [](std::uint8_t b) {
            return b != 0;
        })) {
        return "padding that says something";
    }
    if (ipv4 && checksum({header, 20}, 0) != 0) {
        return "checksum of IPv4";
    }
    const std::span<const std::uint8_t> payload(header + header_bytes, packet - header_bytes);
    const std::uint8_t protocol = ipv4 ? header[9] : header[6];
    const std::uint64_t lengths = payload.size() + protocol;
    const bool pseudo = protocol != 1;
    std::uint64_t sum = pseudo ? lengths : 0;
    if (pseudo) {
        const std::span<const std::uint8_t> addresses(header + (ipv4 ? 12 : 8), ipv4 ? 8 : 32);
        sum += 0xFFFF - checksum(addresses, 0);
    }
    if (checksum(payload, sum) != 0) {
        return "checksum of the payload";
    }
    return answer.kind == AnswerKind::tcp_reset ? fault_of_tcp(payload)
                                                : fault_of_icmp(payload, answer.kind, ipv4);
}

}  // namespace portcullis::test
