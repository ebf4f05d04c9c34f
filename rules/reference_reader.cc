#include "rules/reference_reader.h"

namespace portcullis {

std::vector<ReferenceHeader> ReferenceReader::run() {
    read_ethernet(0, frame_.size());
    return headers_;
}

ReferenceReader::Presence
ReferenceReader::look(std::size_t at, std::size_t count, std::size_t end) const {
    if (at + count > end || at + count > frame_.size()) {
        return Presence::cut;
    }
    return at + count > kHeaderBytesMax ? Presence::too_far : Presence::there;
}

unsigned ReferenceReader::u8(std::size_t at) const {
    return frame_[at];
}

unsigned ReferenceReader::u16(std::size_t at) const {
    return u8(at) * 256 + u8(at + 1);
}

unsigned ReferenceReader::u32(std::size_t at) const {
    return u16(at) * 65536 + u16(at + 2);
}

Address ReferenceReader::address(std::size_t at, Family family) const {
    Address out;
    out.family = family;
    for (std::size_t i = 0; i < address_bits(family) / 8; ++i) {
        out.bytes[i] = frame_[at + i];
    }
    return out;
}

void ReferenceReader::walked(const std::string& layer) {
    layers_.push_back(layer);
}

void ReferenceReader::found(ReferenceHeader header) {
    header.layers = layers_;
    headers_.push_back(header);
}

void ReferenceReader::no_ip_header(std::optional<Reason> fault) {
    ReferenceHeader none;
    if (fault) {
        none.faults.insert(*fault);
    }
    found(none);
}

void ReferenceReader::something_else(std::size_t at) {
    constexpr std::size_t kTellingBytes = 8;
    const bool believed = at + kTellingBytes <= rewritable_from_;
    no_ip_header(believed ? std::nullopt : std::optional(Reason::encapsulation_depth));
}

bool ReferenceReader::there_or_end(
    std::size_t at,
    std::size_t count,
    std::size_t end,
    Reason if_cut
) {
    const Presence presence = look(at, count, end);
    if (presence == Presence::cut) {
        no_ip_header(if_cut);
    } else if (presence == Presence::too_far) {
        no_ip_header(Reason::encapsulation_depth);
    }
    return presence == Presence::there;
}

bool ReferenceReader::there_or_other(
    std::size_t at,
    std::size_t count,
    std::size_t end,
    Reason if_cut
) {
    if (look(at, count, end) == Presence::cut && !in_first_fragment_) {
        no_ip_header(std::nullopt);
        return false;
    }
    return there_or_end(at, count, end, if_cut);
}

void ReferenceReader::read_ethernet(std::size_t at, std::size_t end) {
    walked("Ethernet");
    if (!there_or_end(at, 14, end, Reason::runt_frame)) {
        return;
    }
    unsigned type = u16(at + 12);
    at += 14;
    while (type == 0x8100 || type == 0x88A8 || type == 0x9100) {
        if (vlan_tags_ == kVlanTagsMax) {
            no_ip_header(Reason::encapsulation_depth);
            return;
        }
        ++vlan_tags_;
        if (!there_or_end(at, 4, end, Reason::runt_frame)) {
            return;
        }
        walked("VLAN " + std::to_string(u16(at) % 4096));
        type = u16(at + 2);
        at += 4;
    }
    if (type < 0x0600) {
        read_llc(at, end);
    } else {
        read_ether_type(type, at, end);
    }
}

// IEEE 802.3 with a length: only LLC/SNAP with the zero OUI carries EtherTypes (RFC 1042).
void ReferenceReader::read_llc(std::size_t at, std::size_t end) {
    if (!there_or_other(at, 8, end, Reason::runt_frame)) {
        return;
    }
    if (u32(at) != 0xAAAA0300 || u16(at + 4) != 0) {
        something_else(at);
        return;
    }
    walked("LLC/SNAP");
    read_ether_type(u16(at + 6), at + 8, end);
}

void ReferenceReader::read_ether_type(unsigned type, std::size_t at, std::size_t end) {
    if (type == 0x0800) {
        read_ipv4(at, end);
    } else if (type == 0x86DD) {
        read_ipv6(at, end);
    } else if (type == 0x8847 || type == 0x8848) {
        read_mpls(at, end);
    } else if (type == 0x8864) {
        read_pppoe(at, end);
    } else {
        something_else(at);
    }
}

// RFC 3032 section 2.1.
void ReferenceReader::read_mpls(std::size_t at, std::size_t end) {
    unsigned label = 0;
    bool bottom = false;
    while (!bottom) {
        if (mpls_labels_ == kMplsLabelsMax) {
            no_ip_header(Reason::encapsulation_depth);
            return;
        }
        ++mpls_labels_;
        if (!there_or_end(at, 4, end, Reason::runt_frame)) {
            return;
        }
        label = u32(at) / 4096;
        bottom = u8(at + 2) % 2 == 1;
        walked("MPLS " + std::to_string(label));
        at += 4;
    }
    if (label == 0) {
        read_ipv4(at, end);
    } else if (label == 2) {
        read_ipv6(at, end);
    } else {
        read_behind_labels(at, end);
    }
}

// Nothing says what MPLS carries. Pseudowires carry anything (RFC 4385 section 3), so the first nibble alone
// proves nothing: the lengths must agree as well.
void ReferenceReader::read_behind_labels(std::size_t at, std::size_t end) {
    if (!there_or_other(at, 1, end, Reason::runt_frame)) {
        return;
    }
    const unsigned nibble = u8(at) / 16;
    if (nibble != 4 && nibble != 6) {
        something_else(at);
        return;
    }
    if (!there_or_other(at, nibble == 4 ? 20 : 40, end, Reason::malformed_ip)) {
        return;
    }
    const std::size_t left = end - at;
    if (nibble == 4) {
        const std::size_t header = std::size_t{u8(at) % 16} * 4;
        const std::size_t total = u16(at + 2);
        if (header >= 20 && header <= total && (total <= left || in_first_fragment_)) {
            read_ipv4(at, end);
            return;
        }
    } else if (40 + std::size_t{u16(at + 4)} <= left || in_first_fragment_) {
        read_ipv6(at, end);
        return;
    }
    something_else(at);
}

// RFC 2516 section 4, with the one-byte protocol field of RFC 1661 section 6.5.
void ReferenceReader::read_pppoe(std::size_t at, std::size_t end) {
    if (!there_or_end(at, 7, end, Reason::runt_frame)) {
        return;
    }
    walked("PPPoE");
    at += 6;
    unsigned protocol = u8(at);
    if (protocol % 2 == 1) {
        at += 1;
    } else if (there_or_end(at, 2, end, Reason::runt_frame)) {
        protocol = u16(at);
        at += 2;
    } else {
        return;
    }
    if (protocol == 0x21) {
        read_ipv4(at, end);
    } else if (protocol == 0x57) {
        read_ipv6(at, end);
    } else {
        something_else(at);
    }
}

}  // namespace portcullis
