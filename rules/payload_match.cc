#include "rules/payload_match.h"

#include "rules/byte_order.h"

#include <algorithm>
#include <string_view>

namespace portcullis {

namespace {

using Bytes = std::span<const std::uint8_t>;

// What one side alone says about a protocol.
enum class Likeness : std::uint8_t {
    no,
    open,  // so far nothing against it
    client,
    server,
    found
};

constexpr std::uint8_t upper(std::uint8_t byte) noexcept {
    return byte >= 'a' && byte <= 'z' ? static_cast<std::uint8_t>(byte - 'a' + 'A') : byte;
}

// `found` if `bytes` begin with `token` (in capitals; there in either case), `open` if they end within it.
Likeness begins_with(Bytes bytes, std::string_view token) noexcept {
    const std::size_t common = std::min(bytes.size(), token.size());
    for (std::size_t i = 0; i < common; ++i) {
        if (upper(bytes[i]) != static_cast<std::uint8_t>(token[i])) {
            return Likeness::no;
        }
    }
    return common == token.size() ? Likeness::found : Likeness::open;
}

template <std::size_t kCount>
Likeness begins_with_any(Bytes bytes, const std::array<std::string_view, kCount>& tokens) noexcept {
    Likeness out = Likeness::no;
    for (const std::string_view token : tokens) {
        out = std::max(out, begins_with(bytes, token));
    }
    return out;
}

constexpr std::array<std::string_view, 2> kGreetings = {"220 ", "220-"};  // RFC 5321 section 4.2
// A client's first word, with or without its name, which some leave out; MAIL without HELO is what some bots say.
constexpr std::array<std::string_view, 5> kFirstCommands =
    {"EHLO ", "HELO ", "EHLO\r\n", "HELO\r\n", "MAIL FROM:"};
constexpr std::array<std::string_view, 4> kHellos = {"EHLO ", "HELO ", "EHLO\r\n", "HELO\r\n"};
// What follows a client's hello (RFC 5321 section 4.1.1, RFC 4954, RFC 3207).
constexpr std::array<std::string_view, 3> kNextCommands = {"MAIL FROM:", "AUTH ", "STARTTLS"};
constexpr std::array<std::string_view, 2> kAccepted = {"250 ", "250-"};

// What stands behind the first line; nothing if that does not end.
Bytes behind_line(Bytes bytes) noexcept {
    const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{'\n'});
    return end == bytes.end() ? Bytes{}
                              : bytes.subspan(static_cast<std::size_t>(end - bytes.begin()) + 1);
}

// What stands behind a greeting, which may have several lines ("220-...").
Bytes behind_greeting(Bytes bytes) noexcept {
    while (begins_with(bytes, "220-") == Likeness::found) {
        bytes = behind_line(bytes);
    }
    return begins_with(bytes, "220 ") == Likeness::found ? behind_line(bytes) : Bytes{};
}

bool says_smtp(Bytes bytes) noexcept {
    constexpr std::string_view kName = "SMTP";
    for (; bytes.size() >= kName.size(); bytes = bytes.subspan(1)) {
        if (begins_with(bytes, kName) == Likeness::found) {
            return true;
        }
    }
    return false;
}

Likeness smtp_side(Bytes bytes) noexcept {
    if (bytes.empty()) {
        return Likeness::open;
    }
    const Likeness server = begins_with_any(bytes, kGreetings);
    const Likeness client = begins_with_any(bytes, kFirstCommands);
    return server == Likeness::found   ? Likeness::server
           : client == Likeness::found ? Likeness::client
                                       : std::max(server, client);
}

// Whether one side alone leaves no doubt.
bool is_surely_smtp(Bytes bytes, Likeness likeness) noexcept {
    if (likeness == Likeness::client) {
        return begins_with_any(bytes, kHellos) == Likeness::found
               && begins_with_any(behind_line(bytes), kNextCommands) == Likeness::found;
    }
    if (likeness == Likeness::server) {
        const Bytes next = behind_greeting(bytes);
        return begins_with_any(next, kAccepted) == Likeness::found
               && says_smtp(bytes.first(bytes.size() - next.size()));
    }
    return false;
}

// The ids of SMB's messages: SMB1, SMB2 and 3, SMB3 encrypted, SMB3 compressed (MS-SMB 2.2.3.1, MS-SMB2 2.2.1,
// 2.2.41, 2.2.42). They stand behind a header of four bytes: a zero and the length (MS-SMB2 2.1, RFC 1002 section
// 4.3.1).
constexpr std::uint32_t kSmbIdMask = 0xFCFF'FFFF;
constexpr std::uint32_t kSmbId = 0xFC53'4D42;
constexpr std::uint32_t kMessageHeaderBytes = 4;
constexpr std::uint32_t kSmbLengthMin = 16;

Likeness smb_message(Bytes bytes) noexcept {
    constexpr std::size_t kBytesMin = 8;
    if (bytes.size() >= kBytesMin) {
        const std::uint32_t header = load_be32(bytes.data());
        const bool fits = (header >> 24U) == 0 && header >= kSmbLengthMin;
        return fits && (load_be32(bytes.data() + 4) & kSmbIdMask) == kSmbId ? Likeness::found
                                                                            : Likeness::no;
    }
    // What is not there yet is as it should be.
    std::array<std::uint8_t, kBytesMin> whole = {0, 0, 0, kSmbLengthMin, 0xFE, 'S', 'M', 'B'};
    std::copy(bytes.begin(), bytes.end(), whole.begin());
    const bool begins = whole[0] == 0 && (load_be32(whole.data() + 4) & kSmbIdMask) == kSmbId;
    return begins ? Likeness::open : Likeness::no;
}

// A NetBIOS session request: type 0x81, and two names of 32 letters A to P each (RFC 1002 section 4.3.2, RFC 1001
// section 14.1).
constexpr std::uint8_t kSessionRequest = 0x81;
constexpr std::uint8_t kPositiveResponse = 0x82;

Likeness session_request(Bytes bytes) noexcept {
    constexpr std::uint32_t kNameBytes = 32;
    constexpr std::uint32_t kLengthMin = 2 * (kNameBytes + 2);
    constexpr std::size_t kLettersAt = kMessageHeaderBytes + 1;
    constexpr std::size_t kBytesMin = kLettersAt + kNameBytes;
    if (bytes.empty() || bytes[0] != kSessionRequest) {
        return bytes.empty() ? Likeness::open : Likeness::no;
    }
    std::array<std::uint8_t, kBytesMin> whole{};
    whole.fill('A');
    whole[0] = kSessionRequest;
    whole[1] = 0;
    whole[2] = 0;
    whole[3] = kLengthMin;
    whole[4] = kNameBytes;
    std::copy_n(bytes.begin(), std::min(bytes.size(), kBytesMin), whole.begin());
    const bool begins = whole[0] == kSessionRequest && whole[1] == 0
                        && load_be16(whole.data() + 2) >= kLengthMin && whole[4] == kNameBytes
                        && std::all_of(whole.begin() + kLettersAt, whole.end(), [](std::uint8_t c) {
                               return c >= 'A' && c <= 'P';
                           });
    return !begins ? Likeness::no : bytes.size() >= kBytesMin ? Likeness::found : Likeness::open;
}

// The server's answer to it, four bytes.
Likeness positive_response(Bytes bytes) noexcept {
    constexpr std::array<std::uint8_t, 4> kResponse = {kPositiveResponse, 0, 0, 0};
    const std::size_t common = std::min(bytes.size(), kResponse.size());
    if (!std::equal(
            kResponse.begin(),
            kResponse.begin() + static_cast<std::ptrdiff_t>(common),
            bytes.begin()
        )) {
        return Likeness::no;
    }
    return common == kResponse.size() ? Likeness::found : Likeness::open;
}

// SMB, perhaps behind the opening of a NetBIOS session.
Likeness smb_side(Bytes bytes) noexcept {
    if (bytes.empty()) {
        return Likeness::open;
    }
    if (bytes[0] != kSessionRequest && bytes[0] != kPositiveResponse) {
        return smb_message(bytes);
    }
    const Likeness opening =
        bytes[0] == kSessionRequest ? session_request(bytes) : positive_response(bytes);
    if (opening != Likeness::found) {
        return opening;
    }
    const std::size_t opening_bytes =
        kMessageHeaderBytes + std::size_t{load_be16(bytes.data() + 2)};
    return opening_bytes >= bytes.size() ? Likeness::open
                                         : smb_message(bytes.subspan(opening_bytes));
}

Likeness session_side(Bytes bytes) noexcept {
    const Likeness request = session_request(bytes);
    return request == Likeness::no && positive_response(bytes) != Likeness::no ? Likeness::open
                                                                               : request;
}

struct Sides {
    Likeness first = Likeness::open;
    Likeness second = Likeness::open;

    [[nodiscard]] bool any(Likeness likeness) const noexcept {
        return first == likeness || second == likeness;
    }
};

// What both sides say; `open` is `no` of a side that has spoken, and is not looked at any more.
template <typename Compare>
Sides compare(const std::array<FlowSide, 2>& sides, Compare likeness) noexcept {
    const auto settled = [likeness](const FlowSide& side) {
        const Likeness out = likeness(side.bytes);
        return out == Likeness::open && side.closed && side.seen() ? Likeness::no : out;
    };
    return {settled(sides[0]), settled(sides[1])};
}

void add(ProtocolFindings& out, PayloadProtocol protocol, bool found, bool possible) noexcept {
    const ProtocolSet bit = protocol_bit(protocol);
    out.found = static_cast<ProtocolSet>(out.found | (found ? bit : 0));
    out.possible = static_cast<ProtocolSet>(out.possible | (!found && possible ? bit : 0));
}

void find_smtp(const std::array<FlowSide, 2>& sides, ProtocolFindings& out) noexcept {
    const Sides is = compare(sides, smtp_side);
    const bool both = is.any(Likeness::client) && is.any(Likeness::server);
    const bool one = sides[0].seen() != sides[1].seen();
    const unsigned seen = sides[0].seen() ? 0 : 1;
    const Likeness alone = seen == 0 ? is.first : is.second;
    const bool sure = one && is_surely_smtp(sides[seen].bytes, alone);
    const bool contradiction =
        is.any(Likeness::no) || (is.first == is.second && is.first >= Likeness::client);
    const bool over = (one && sides[seen].closed) || (sides[0].closed && sides[1].closed);
    add(out, PayloadProtocol::smtp, both || sure, !contradiction && !over);
    if (both) {
        out.server = is.first == Likeness::server ? 0 : 1;
    } else if (sure) {
        out.server = alone == Likeness::server ? seen : 1 - seen;
    }
}

}  // namespace

ProtocolFindings find_protocols(const std::array<FlowSide, 2>& sides, ProtocolSet wanted) noexcept {
    ProtocolFindings out;
    if ((wanted & protocol_bit(PayloadProtocol::smtp)) != 0) {
        find_smtp(sides, out);
    }
    // Every message of SMB begins like that: one side tells, and a side with anything else tells the contrary.
    if ((wanted & protocol_bit(PayloadProtocol::smb)) != 0) {
        const Sides is = compare(sides, smb_side);
        add(out, PayloadProtocol::smb, is.any(Likeness::found), !is.any(Likeness::no));
    }
    if ((wanted & protocol_bit(PayloadProtocol::netbios_session)) != 0) {
        const Sides is = compare(sides, session_side);
        add(out, PayloadProtocol::netbios_session, is.any(Likeness::found), !is.any(Likeness::no));
    }
    return out;
}

}  // namespace portcullis
