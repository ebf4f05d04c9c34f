#include "tests/rules/frame_builder.h"

#include <string>
#include <utility>

namespace portcullis::test {

namespace {

void put16(Bytes& bytes, std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

void append16(Bytes& bytes, std::size_t value) {
    bytes.resize(bytes.size() + 2);
    put16(bytes, bytes.size() - 2, value);
}

void append(Bytes& bytes, const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

void put_address(Bytes& bytes, std::size_t at, const Address& value) {
    for (std::size_t i = 0; i < address_bits(value.family) / 8; ++i) {
        bytes[at + i] = value.bytes[i];
    }
}

constexpr std::uint16_t kSnapMark = 0;  // an "EtherType" that stands for a length

}  // namespace

FrameBuilder& FrameBuilder::add(const Name& name, Bytes head, Finish finish) {
    layers_.push_back({name, std::move(head), std::move(finish)});
    return *this;
}

FrameBuilder& FrameBuilder::ethernet(std::optional<std::uint16_t> type) {
    Bytes head = {0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0, 0};
    return add(
        {.ether_type = 0x6558},
        std::move(head),
        [type](Bytes& bytes, const Name& next, std::size_t behind) {
            const std::size_t own = next.ether_type == kSnapMark ? behind : next.ether_type;
            put16(bytes, 12, type.value_or(static_cast<std::uint16_t>(own)));
        }
    );
}

FrameBuilder&
FrameBuilder::vlan(std::uint16_t id, std::uint16_t tag_type, std::optional<std::uint16_t> type) {
    Bytes head(4);
    put16(head, 0, id);
    return add(
        {.ether_type = tag_type},
        std::move(head),
        [type](Bytes& bytes, const Name& next, std::size_t behind) {
            const std::size_t own = next.ether_type == kSnapMark ? behind : next.ether_type;
            put16(bytes, 2, type.value_or(static_cast<std::uint16_t>(own)));
        }
    );
}

FrameBuilder& FrameBuilder::snap(std::optional<std::uint16_t> type) {
    return add(
        {.ether_type = kSnapMark},
        {0xAA, 0xAA, 0x03, 0, 0, 0, 0, 0},
        [type](Bytes& bytes, const Name& next, std::size_t /*behind*/) {
            put16(bytes, 6, type.value_or(next.ether_type));
        }
    );
}

FrameBuilder& FrameBuilder::mpls(std::uint32_t label, std::optional<bool> bottom) {
    Bytes head(4);
    put16(head, 0, label >> 4U);
    head[2] = static_cast<std::uint8_t>(label << 4U);
    head[3] = 64;
    return add(
        {.ether_type = 0x8847, .protocol = 137, .is_label = true},
        std::move(head),
        [bottom](Bytes& bytes, const Name& next, std::size_t /*behind*/) {
            if (bottom.value_or(!next.is_label)) {
                bytes[2] = static_cast<std::uint8_t>(bytes[2] | 1U);
            }
        }
    );
}

FrameBuilder& FrameBuilder::pppoe(bool short_protocol, std::optional<std::uint16_t> protocol) {
    Bytes head = {0x11, 0, 0, 1, 0, 0};
    head.resize(short_protocol ? 7 : 8);
    return add(
        {.ether_type = 0x8864},
        std::move(head),
        [short_protocol, protocol](Bytes& bytes, const Name& next, std::size_t behind) {
            const std::uint16_t value = protocol.value_or(next.ppp);
            put16(bytes, 4, bytes.size() - 6 + behind);
            if (short_protocol) {
                bytes[6] = static_cast<std::uint8_t>(value);
            } else {
                put16(bytes, 6, value);
            }
        }
    );
}

FrameBuilder& FrameBuilder::ipv4(const Ipv4Fields& fields) {
    Bytes head(20);
    append(head, fields.options);
    head.resize((head.size() + 3) / 4 * 4);
    const std::size_t words =
        fields.header_length.value_or(static_cast<std::uint8_t>(head.size() / 4));
    head[0] = static_cast<std::uint8_t>(fields.version.value_or(4) * 16U + words % 16);
    put16(head, 6, (fields.more_fragments ? 0x2000U : 0U) + fields.fragment_offset % 0x2000U);
    head[8] = 64;
    put_address(head, 12, fields.source.value);
    put_address(head, 16, fields.destination.value);
    return add(
        {.ether_type = 0x0800, .ppp = 0x0021, .protocol = 4},
        std::move(head),
        [total = fields.total_length,
         protocol = fields.protocol](Bytes& bytes, const Name& next, std::size_t behind) {
            put16(bytes, 2, total.value_or(static_cast<std::uint16_t>(bytes.size() + behind)));
            bytes[9] = protocol.value_or(next.protocol);
        }
    );
}

FrameBuilder& FrameBuilder::ipv6(const Ipv6Fields& fields) {
    Bytes head(40);
    head[0] = static_cast<std::uint8_t>(fields.version.value_or(6) * 16U);
    head[7] = 64;
    put_address(head, 8, fields.source.value);
    put_address(head, 24, fields.destination.value);
    return add(
        {.ether_type = 0x86DD, .ppp = 0x0057, .protocol = 41},
        std::move(head),
        [length = fields.payload_length,
         next_field = fields.next](Bytes& bytes, const Name& next, std::size_t behind) {
            put16(bytes, 4, length.value_or(static_cast<std::uint16_t>(behind)));
            bytes[6] = next_field.value_or(next.protocol);
        }
    );
}

FrameBuilder&
FrameBuilder::add_extension(std::uint8_t type, Bytes head, std::optional<std::uint8_t> next_field) {
    return add(
        {.protocol = type},
        std::move(head),
        [next_field](Bytes& bytes, const Name& next, std::size_t /*behind*/) {
            bytes[0] = next_field.value_or(next.protocol);
        }
    );
}

FrameBuilder& FrameBuilder::extension(std::uint8_t type, const ExtensionFields& fields) {
    Bytes head(fields.bytes);
    head[1] = fields.length.value_or(static_cast<std::uint8_t>(fields.bytes / 8 - 1));
    return add_extension(type, std::move(head), fields.next);
}

FrameBuilder& FrameBuilder::routing(const RoutingFields& fields) {
    Bytes head(fields.bytes);
    head[1] = static_cast<std::uint8_t>(fields.bytes / 8 - 1);
    head[2] = fields.type;
    head[3] = fields.segments_left;
    return add_extension(43, std::move(head), fields.next);
}

FrameBuilder& FrameBuilder::fragment(const FragmentFields& fields) {
    Bytes head(8);
    put16(head, 2, fields.offset * 8U + (fields.more ? 1U : 0U));
    return add_extension(44, std::move(head), fields.next);
}

FrameBuilder& FrameBuilder::authentication(const ExtensionFields& fields) {
    Bytes head(fields.bytes);
    head[1] = fields.length.value_or(static_cast<std::uint8_t>(fields.bytes / 4 - 2));
    return add_extension(51, std::move(head), fields.next);
}

FrameBuilder&
FrameBuilder::tcp(std::uint16_t source, std::uint16_t destination, const TcpFields& fields) {
    Bytes head(20);
    put16(head, 0, source);
    put16(head, 2, destination);
    head[12] = 0x50;
    head[13] = fields.flags;
    head.resize(fields.bytes);
    return add({.protocol = 6}, std::move(head), {});
}

FrameBuilder& FrameBuilder::udp(std::uint16_t source, std::uint16_t destination) {
    Bytes head(8);
    put16(head, 0, source);
    put16(head, 2, destination);
    return add(
        {.protocol = 17},
        std::move(head),
        [](Bytes& bytes, const Name& /*next*/, std::size_t behind) { put16(bytes, 4, 8 + behind); }
    );
}

FrameBuilder& FrameBuilder::gre(const GreFields& fields) {
    const bool routing = !fields.routes.empty();
    Bytes head;
    append16(
        head,
        (fields.checksum ? 0x8000U : 0U) + (routing ? 0x4000U : 0U) + (fields.key ? 0x2000U : 0U)
            + (fields.sequence ? 0x1000U : 0U) + fields.version
    );
    append16(head, 0);
    head.resize(
        head.size() + (fields.checksum || routing ? 4 : 0) + (fields.key ? 4 : 0)
        + (fields.sequence ? 4 : 0)
    );
    for (const Bytes& route : fields.routes) {
        append16(head, 0x0800);
        append16(head, route.size());
        append(head, route);
    }
    head.resize(head.size() + (routing ? 4 : 0));
    return add(
        {.protocol = 47},
        std::move(head),
        [type = fields.type](Bytes& bytes, const Name& next, std::size_t /*behind*/) {
            put16(bytes, 2, type.value_or(next.ether_type));
        }
    );
}

FrameBuilder& FrameBuilder::vxlan() {
    return raw({0x08, 0, 0, 0, 0, 0, 1, 0});
}

FrameBuilder&
FrameBuilder::teredo_authentication(std::uint8_t id_bytes, std::uint8_t authentication_bytes) {
    Bytes head = {0, 1, id_bytes, authentication_bytes};
    head.resize(std::size_t{13} + id_bytes + authentication_bytes);
    return raw(head);
}

FrameBuilder& FrameBuilder::teredo_origin() {
    return raw({0, 0, 0x12, 0x34, 1, 2, 3, 4});
}

FrameBuilder& FrameBuilder::payload(std::size_t count) {
    return raw(Bytes(count, 0x5A));
}

FrameBuilder& FrameBuilder::raw(const Bytes& bytes) {
    return add({}, bytes, {});
}

FrameBuilder& FrameBuilder::padding(std::size_t count) {
    padding_ += count;
    return *this;
}

std::size_t FrameBuilder::size() const {
    std::size_t out = 0;
    for (const Layer& layer : layers_) {
        out += layer.head.size();
    }
    return out;
}

Bytes FrameBuilder::bytes() const {
    // From the last layer to the first: each one knows what stands behind it.
    Bytes out;
    Name next;
    for (std::size_t i = layers_.size(); i-- > 0;) {
        Bytes head = layers_[i].head;
        if (layers_[i].finish) {
            layers_[i].finish(head, next, out.size());
        }
        next = layers_[i].name;
        head.insert(head.end(), out.begin(), out.end());
        out = std::move(head);
    }
    out.resize(out.size() + padding_);
    return out;
}

Bytes FrameBuilder::cut(std::size_t count) const {
    Bytes out = bytes();
    out.resize(count);
    return out;
}

}  // namespace portcullis::test
