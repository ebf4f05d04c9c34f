// Builds frames for tests, layer by layer as one would draw them:
//
//   FrameBuilder().ethernet().vlan(5).ipv4({.source = "100.64.7.9"}).tcp(1234, 25).payload(10).bytes()
//
// Every length and every "what comes next" field is worked out from the layers that follow, unless the
// caller gives another value: a frame that lies is written as plainly as one that does not.
#pragma once

#include "rules/prefix.h"
#include "tests/rules/written_address.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace portcullis::test {

using Bytes = std::vector<std::uint8_t>;

// An address field: text in a test written by hand, an Address in a generated one.
struct AddressField {
    AddressField(std::string_view text)
        : value(address(text)) {}  // NOLINT(google-explicit-constructor)

    AddressField(const char* text)
        : value(address(text)) {}  // NOLINT(google-explicit-constructor)

    AddressField(const Address& given)
        : value(given) {}  // NOLINT(google-explicit-constructor)

    Address value;
};

struct Ipv4Fields {
    AddressField source = "100.64.7.9";
    AddressField destination = "198.51.100.7";
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // in units of 8 bytes
    Bytes options = {};                 // padded with zeros to a multiple of 4
    std::optional<std::uint8_t> version = {};
    std::optional<std::uint8_t> header_length = {};  // in units of 4 bytes
    std::optional<std::uint16_t> total_length = {};
    std::optional<std::uint8_t> protocol = {};
};

struct Ipv6Fields {
    AddressField source = "2001:db8:1::9";
    AddressField destination = "2001:db8:ffff::7";
    std::optional<std::uint8_t> version = {};
    std::optional<std::uint16_t> payload_length = {};
    std::optional<std::uint8_t> next = {};
};

struct ExtensionFields {
    std::size_t bytes = 8;  // as its length field says
    std::optional<std::uint8_t> length = {};
    std::optional<std::uint8_t> next = {};
};

struct FragmentFields {
    std::uint16_t offset = 0;  // in units of 8 bytes
    bool more = false;
    std::optional<std::uint8_t> next = {};
};

struct RoutingFields {
    std::uint8_t type = 0;
    std::uint8_t segments_left = 0;
    std::size_t bytes = 8;
    std::optional<std::uint8_t> next = {};
};

struct TcpFields {
    std::uint8_t flags = 0x10;
    std::size_t bytes = 20;  // of the header; fewer cut it
};

struct GreFields {
    bool checksum = false;
    bool key = false;
    bool sequence = false;
    // The data of each source route entry (RFC 1701); the closing entry is added. Not empty: routing bit.
    std::vector<Bytes> routes = {};
    std::uint8_t version = 0;
    std::optional<std::uint16_t> type = {};
};

class FrameBuilder {
public:
    // Link layers.
    FrameBuilder& ethernet(std::optional<std::uint16_t> type = {});
    FrameBuilder&
    vlan(std::uint16_t id, std::uint16_t tag_type = 0x8100, std::optional<std::uint16_t> type = {});
    // LLC/SNAP; the type field in front of it becomes a length.
    FrameBuilder& snap(std::optional<std::uint16_t> type = {});
    // `bottom` is set on the last label unless given.
    FrameBuilder& mpls(std::uint32_t label, std::optional<bool> bottom = {});
    FrameBuilder& pppoe(bool short_protocol = false, std::optional<std::uint16_t> protocol = {});

    // IP and what may stand before its payload.
    FrameBuilder& ipv4(const Ipv4Fields& fields = {});
    FrameBuilder& ipv6(const Ipv6Fields& fields = {});
    // type 0, 60, 135, 139, 140
    FrameBuilder& extension(std::uint8_t type, const ExtensionFields& fields = {});
    FrameBuilder& routing(const RoutingFields& fields = {});
    FrameBuilder& fragment(const FragmentFields& fields = {});
    // bytes: a multiple of 4, at least 8
    FrameBuilder& authentication(const ExtensionFields& fields = {24, {}, {}});

    // Transports and tunnels.
    FrameBuilder&
    tcp(std::uint16_t source, std::uint16_t destination, const TcpFields& fields = {});
    FrameBuilder& udp(std::uint16_t source, std::uint16_t destination);
    FrameBuilder& gre(const GreFields& fields = {});
    FrameBuilder& vxlan();
    FrameBuilder&
    teredo_authentication(std::uint8_t id_bytes = 0, std::uint8_t authentication_bytes = 0);
    FrameBuilder& teredo_origin();

    // `count` bytes of nothing in particular.
    FrameBuilder& payload(std::size_t count);
    FrameBuilder& raw(const Bytes& bytes);
    // Bytes behind everything, which no length counts.
    FrameBuilder& padding(std::size_t count);

    // The bytes of all layers so far: where the next one will start.
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] Bytes bytes() const;
    // Only the first `count` bytes.
    [[nodiscard]] Bytes cut(std::size_t count) const;

private:
    // What the layer before calls a layer.
    struct Name {
        std::uint16_t ether_type = 0x88B5;  // IEEE 802 local experimental
        std::uint16_t ppp = 0xC021;
        std::uint8_t protocol = 253;  // RFC 3692 experimental
        bool is_label = false;
    };

    // Fills in what depends on the layers behind.
    using Finish = std::function<void(Bytes& head, const Name& next, std::size_t bytes_behind)>;

    struct Layer {
        Name name;
        Bytes head;
        Finish finish;
    };

    FrameBuilder& add(const Name& name, Bytes head, Finish finish);
    FrameBuilder& add_extension(std::uint8_t type, Bytes head, std::optional<std::uint8_t> next);

    std::vector<Layer> layers_;
    std::size_t padding_ = 0;
};

}  // namespace portcullis::test
