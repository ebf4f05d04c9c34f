#include "tests/rules/random_frame.h"

#include "rules/key.h"

#include <algorithm>
#include <array>

namespace portcullis::test {

namespace {

constexpr std::array<std::uint16_t, 14> kLengths =
    {0, 1, 7, 8, 19, 20, 21, 24, 28, 39, 40, 60, 1024, 65'535};

class FrameMaker {
public:
    FrameMaker(Dice& dice, const AddressChoices& addresses)
        : dice_(dice)
        , addresses_(addresses) {}

    Bytes make() {
        add_link();
        Bytes out = frame_.padding(dice_.one_in(8) ? dice_.below(32) : 0).bytes();
        damage(out);
        out.resize(std::min<std::size_t>(out.size(), kFrameBytesMax));
        return out;
    }

private:
    bool lie() { return dice_.one_in(32); }

    template <typename T>
    std::optional<T> lie_of(T value) {
        return lie() ? std::optional<T>(value) : std::nullopt;
    }

    // Of an IP header; inside a first fragment it is the length of the whole datagram.
    std::optional<std::uint16_t> any_length() {
        if (in_first_fragment_ && dice_.one_in(2)) {
            return std::uint16_t{1400};
        }
        return lie_of(dice_.pick(kLengths));
    }

    Address any_address(Family family) {
        return dice_.pick(family == Family::ipv4 ? addresses_.ipv4 : addresses_.ipv6);
    }

    // How many of something that at most `max` of are allowed: mostly few, sometimes about the limit.
    unsigned some_of(unsigned max) {
        return dice_.one_in(12) ? max - 1 + dice_.below(3) : dice_.one_in(3) ? dice_.below(3) : 0;
    }

    // How large to make a header for the next one to stand at about the end of what is read.
    std::size_t filling(std::size_t unit, std::size_t max) {
        const std::size_t target = kHeaderBytesMax - 72 + dice_.below(96);
        const std::size_t wanted = target > frame_.size() ? target - frame_.size() : 0;
        return std::clamp(wanted / unit * unit, std::size_t{8}, max);
    }

    std::uint16_t any_ether_type() {
        constexpr std::array<std::uint16_t, 13> kTypes = {
            0x0800,
            0x86DD,
            0x8100,
            0x88A8,
            0x9100,
            0x8847,
            0x8848,
            0x8864,
            0x0806,
            0x6558,
            0x05FF,
            0x0600,
            0x0000};
        return dice_.pick(kTypes);
    }

    void add_link() {
        frame_.ethernet(lie_of(any_ether_type()));
        for (unsigned tags = some_of(kVlanTagsMax); tags > 0; --tags) {
            constexpr std::array<std::uint16_t, 3> kTags = {0x8100, 0x88A8, 0x9100};
            frame_.vlan(
                static_cast<std::uint16_t>(dice_.below(4096)),
                dice_.pick(kTags),
                lie_of(any_ether_type())
            );
        }
        if (dice_.one_in(16)) {
            frame_.snap(lie_of(any_ether_type()));
        }
        if (dice_.one_in(10)) {
            add_labels();
        } else if (dice_.one_in(10)) {
            constexpr std::array<std::uint16_t, 7> kPpp = {
                0x21, 0x57, 0x0121, 0x2100, 0xC021, 0x0020, 0x23};
            frame_.pppoe(dice_.one_in(2), lie_of(dice_.pick(kPpp)));
        }
        add_ip(dice_.one_in(2) ? Family::ipv4 : Family::ipv6);
    }

    void add_labels() {
        for (unsigned labels = 1 + some_of(kMplsLabelsMax); labels > 0; --labels) {
            constexpr std::array<std::uint32_t, 7> kLabels = {0, 1, 2, 3, 15, 16, 0xFFFFF};
            frame_.mpls(dice_.pick(kLabels), lie_of(dice_.one_in(2)));
        }
    }

    void add_ip(Family family) {
        const bool fragmented = dice_.one_in(5);
        constexpr std::array<std::uint16_t, 8> kOffsets = {0, 0, 0, 1, 2, 15, 16, 8191};
        const std::uint16_t offset = fragmented ? dice_.pick(kOffsets) : std::uint16_t{0};
        const bool more = fragmented && !dice_.one_in(4);
        if (family == Family::ipv4) {
            add_ipv4(offset, more);
        } else {
            add_ipv6(fragmented, offset, more);
        }
        in_first_fragment_ = in_first_fragment_ || (more && offset == 0);
        add_payload(family);
    }

    void add_ipv4(std::uint16_t offset, bool more) {
        Ipv4Fields fields{
            .source = any_address(Family::ipv4), .destination = any_address(Family::ipv4)};
        fields.fragment_offset = offset;
        fields.more_fragments = more;
        if (dice_.one_in(6)) {
            fields.options = any_options();
        }
        fields.version = lie_of(static_cast<std::uint8_t>(dice_.below(16)));
        fields.header_length = lie_of(static_cast<std::uint8_t>(dice_.below(16)));
        fields.total_length = any_length();
        fields.protocol = lie_of(any_protocol());
        frame_.ipv4(fields);
        if (dice_.one_in(12)) {
            for (unsigned headers = 1 + some_of(kExtensionHeadersMax); headers > 0; --headers) {
                add_authentication();
            }
        }
    }

    void add_authentication() {
        const std::size_t bytes = dice_.one_in(6) ? filling(4, 1028) : 8 + 4 * dice_.below(6);
        frame_.authentication({bytes, lie_of(dice_.byte()), lie_of(any_protocol())});
    }

    Bytes any_options() {
        Bytes out;
        for (unsigned count = 1 + dice_.below(4); count > 0 && out.size() < 28; --count) {
            constexpr std::array<std::uint8_t, 8> kTypes = {0, 1, 7, 68, 131, 137, 148, 255};
            constexpr std::array<std::uint8_t, 8> kSizes = {0, 1, 2, 3, 4, 7, 11, 40};
            const std::uint8_t type = dice_.pick(kTypes);
            out.push_back(type);
            if (type > 1) {
                const std::uint8_t size = dice_.pick(kSizes);
                out.push_back(size);
                const std::size_t end = out.size() + (size > 2 ? size - 2 : 0);
                out.push_back(static_cast<std::uint8_t>(dice_.below(16)));
                out.resize(std::max(end, out.size() - 1));
            }
        }
        out.resize(std::min<std::size_t>(out.size(), 40));
        return out;
    }

    void add_ipv6(bool fragmented, std::uint16_t offset, bool more) {
        Ipv6Fields fields{
            .source = any_address(Family::ipv6), .destination = any_address(Family::ipv6)};
        fields.version = lie_of(static_cast<std::uint8_t>(dice_.below(16)));
        fields.payload_length = any_length();
        fields.next = lie_of(any_protocol());
        frame_.ipv6(fields);
        unsigned headers = dice_.one_in(3) ? some_of(kExtensionHeadersMax) : 0;
        const unsigned fragment_at = dice_.below(headers + 1);
        for (unsigned i = 0; i <= headers; ++i) {
            if (fragmented && i == fragment_at) {
                frame_.fragment({offset, more, lie_of(any_protocol())});
            }
            if (i < headers) {
                add_extension();
            }
        }
    }

    void add_extension() {
        const std::size_t bytes = dice_.one_in(8)    ? filling(8, 2048)
                                  : dice_.one_in(12) ? 64 + 8 * dice_.below(9)
                                                     : 8 + 8 * dice_.below(4);
        constexpr std::array<std::uint8_t, 7> kTypes = {0, 43, 51, 60, 135, 139, 140};
        const std::uint8_t type = dice_.pick(kTypes);
        if (type == 43) {
            RoutingFields fields;
            fields.type = static_cast<std::uint8_t>(dice_.below(6));
            fields.segments_left = static_cast<std::uint8_t>(dice_.below(3));
            fields.bytes = bytes;
            fields.next = lie_of(any_protocol());
            frame_.routing(fields);
        } else if (type == 51) {
            add_authentication();
        } else {
            frame_.extension(type, {bytes, lie_of(dice_.byte()), lie_of(any_protocol())});
        }
    }

    std::uint8_t any_protocol() {
        constexpr std::array<std::uint8_t, 17> kProtocols = {
            0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 135, 139, 140};
        return dice_.pick(kProtocols);
    }

    void add_payload(Family family) {
        // Every tunnel makes the frame longer; a few beyond the limit are enough.
        const bool may_nest = tunnels_ < kTunnelsMax + 2;
        const unsigned what = dice_.below(may_nest ? 12 : 6);
        if (what < 4) {
            add_tcp();
        } else if (what == 4) {
            frame_.udp(random_port(dice_), random_port(dice_)).payload(dice_.below(20));
        } else if (what == 5) {
            frame_.payload(dice_.below(40));
        } else {
            ++tunnels_;
            add_tunnel(family, what);
        }
    }

    void add_tcp() {
        constexpr std::array<std::size_t, 12> kSizes = {
            20, 20, 20, 20, 0, 3, 4, 13, 14, 15, 16, 17};
        constexpr std::array<std::uint8_t, 5> kFlags = {0x02, 0x12, 0x10, 0x00, 0xC2};
        frame_.tcp(
            random_port(dice_), random_port(dice_), {dice_.pick(kFlags), dice_.pick(kSizes)}
        );
        frame_.payload(dice_.one_in(2) ? dice_.below(30) : 0);
    }

    void add_tunnel(Family family, unsigned what) {
        if (what < 8) {
            add_ip(dice_.one_in(2) ? Family::ipv4 : Family::ipv6);
        } else if (what == 8) {
            add_gre(family);
        } else if (what == 9) {
            frame_.udp(random_port(dice_), 4789).vxlan();
            add_link();
        } else {
            add_teredo();
        }
    }

    void add_gre(Family family) {
        GreFields fields;
        fields.checksum = dice_.one_in(4);
        fields.key = dice_.one_in(4);
        fields.sequence = dice_.one_in(4);
        fields.version = dice_.one_in(24) ? 1 : 0;
        fields.type = lie_of(any_ether_type());
        if (dice_.one_in(5)) {
            constexpr std::array<std::size_t, 4> kSizes = {0, 1, 4, 255};
            for (unsigned routes = 1 + dice_.below(5); routes > 0; --routes) {
                fields.routes.emplace_back(dice_.pick(kSizes));
            }
        }
        frame_.gre(fields);
        if (dice_.one_in(6)) {
            add_link();
            return;
        }
        if (dice_.one_in(6)) {
            add_labels();
        }
        add_ip(dice_.one_in(4) ? family : Family::ipv4);
    }

    void add_teredo() {
        const bool to_server = dice_.one_in(2);
        frame_.udp(
            to_server ? random_port(dice_) : std::uint16_t{3544},
            to_server ? std::uint16_t{3544} : random_port(dice_)
        );
        if (dice_.one_in(3)) {
            constexpr std::array<std::uint8_t, 4> kSizes = {0, 1, 4, 255};
            frame_.teredo_authentication(dice_.pick(kSizes), dice_.pick(kSizes));
        }
        if (dice_.one_in(3)) {
            frame_.teredo_origin();
        }
        add_ip(dice_.one_in(12) ? Family::ipv4 : Family::ipv6);
    }

    // Up to three bytes changed, or the end cut off.
    void damage(Bytes& frame) {
        if (frame.empty()) {
            return;
        }
        const auto size = static_cast<std::uint32_t>(frame.size());
        if (dice_.one_in(4)) {
            for (unsigned count = 1 + dice_.below(3); count > 0; --count) {
                std::uint8_t& byte = frame[dice_.below(size)];
                const std::array<unsigned, 5> values = {
                    byte + 1U, byte - 1U, byte ^ (1U << dice_.below(8)), dice_.byte(), 0};
                byte = static_cast<std::uint8_t>(dice_.pick(values));
            }
        }
        if (dice_.one_in(6)) {
            frame.resize(
                dice_.one_in(2) ? dice_.below(size) : size - dice_.below(std::min(size, 24U))
            );
        }
    }

    Dice& dice_;
    const AddressChoices& addresses_;
    FrameBuilder frame_;
    // So far, and whether one of the packets is a first fragment.
    unsigned tunnels_ = 0;
    bool in_first_fragment_ = false;
};

}  // namespace

Bytes random_frame(Dice& dice, const AddressChoices& addresses) {
    return FrameMaker(dice, addresses).make();
}

}  // namespace portcullis::test
