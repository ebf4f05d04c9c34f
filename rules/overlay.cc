#include "rules/overlay.h"

#include "rules/image_sections.h"
#include "rules/prefix_set.h"

#include <xxhash.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portcullis {

namespace {

constexpr std::size_t kOverlayChecksumEnd =
    offsetof(OverlayHeader, checksum) + sizeof(OverlayHeader::checksum);

RuleSet rule_bit(RuleIndex rule) {
    return static_cast<RuleSet>(1U << rule.value);
}

// --- Compiling

// One family's tables. `places` are shared by both.
template <typename Entry>
struct FamilyTables {
    PrefixSetTables<Entry> set;
    std::vector<std::uint32_t> first_places;

    void give_places(std::vector<OverlayPlace>& places) {
        first_places.resize(set.entries.size());
        for (std::size_t i = 0; i < set.entries.size(); ++i) {
            first_places[i] = static_cast<std::uint32_t>(places.size());
            const auto rules = static_cast<unsigned>(std::popcount(set.entries[i].rules));
            places.resize(places.size() + rules);
        }
    }

    void set_place(const OverlayExemption& exemption, std::vector<OverlayPlace>& places) const {
        const AddressWords address = words_of(exemption.subscriber.address);
        for (const PrefixTable& table : set.tables) {
            if (table.length != exemption.subscriber.length) {
                continue;
            }
            const Entry masked = masked_entry(address, table.length, Entry{});
            const Entry* const found = find_entry(table, set.entries.data(), masked);
            const auto before =
                static_cast<unsigned>(std::popcount(found->rules & (rule_bit(exemption.rule) - 1U))
                );
            places[first_places[static_cast<std::size_t>(found - set.entries.data())] + before] =
                exemption.place;
        }
    }
};

struct Tables {
    OverlayHeader header;
    FamilyTables<PrefixEntry4> ipv4;
    FamilyTables<PrefixEntry6> ipv6;
    std::vector<OverlayPlace> places;
};

// Visits every section with its elements, in the order in which they stand in the overlay.
template <typename Visitor>
void for_each_section(Tables& tables, Visitor&& visit) {
    OverlayHeader& header = tables.header;
    visit(header.tables4, tables.ipv4.set.tables);
    visit(header.tables6, tables.ipv6.set.tables);
    visit(header.entries4, tables.ipv4.set.entries);
    visit(header.entries6, tables.ipv6.set.entries);
    visit(header.first_places4, tables.ipv4.first_places);
    visit(header.first_places6, tables.ipv6.first_places);
    visit(header.places, tables.places);
}

std::size_t aligned(std::size_t offset) {
    return (offset + kImageAlignment - 1) / kImageAlignment * kImageAlignment;
}

ImageBytes lay_out(Tables& tables) {
    std::size_t size = aligned(sizeof(OverlayHeader));
    for_each_section(tables, [&](Section& section, const auto& elements) {
        section = {size, elements.size()};
        size = aligned(size + elements.size() * sizeof(elements[0]));
    });
    tables.header.header_bytes = sizeof(OverlayHeader);
    tables.header.overlay_bytes = size;
    ImageBytes out(size);
    std::byte* const begin = out.bytes().data();
    for_each_section(tables, [&](const Section& section, const auto& elements) {
        if (!elements.empty()) {
            std::memcpy(
                begin + section.offset, elements.data(), elements.size() * sizeof(elements[0])
            );
        }
    });
    std::memcpy(begin, &tables.header, sizeof(OverlayHeader));
    tables.header.checksum = overlay_checksum(out.bytes());
    std::memcpy(begin, &tables.header, sizeof(OverlayHeader));
    return out;
}

// --- Checking

class OverlayValidator {
public:
    OverlayValidator(std::span<const std::byte> bytes, unsigned rule_count)
        : bytes_(bytes)
        , rule_count_(rule_count) {}

    [[nodiscard]] Result<OverlayView> run() {
        if (const char* const fault = fault_of_header()) {
            return refusal(fault);
        }
        OverlayView view;
        const auto places =
            section_of<OverlayPlace>(bytes_, sizeof(OverlayHeader), header_->places);
        if (!places) {
            return refusal("places out of bounds");
        }
        view.places = places->data();
        const char* fault = take_family(
            {header_->tables4, header_->entries4, header_->first_places4},
            32,
            places->size(),
            view.exemptions4,
            view.first_places4
        );
        if (fault == nullptr) {
            fault = take_family(
                {header_->tables6, header_->entries6, header_->first_places6},
                128,
                places->size(),
                view.exemptions6,
                view.first_places6
            );
        }
        if (fault != nullptr) {
            return refusal(fault);
        }
        return view;
    }

private:
    struct FamilySections {
        const Section& tables;
        const Section& entries;
        const Section& first_places;
    };

    static Error refusal(const char* fault) {
        return {
            {},
            std::string("overlay of exemptions refused: ") + fault,
            "compile it with the control process of this release"};
    }

    const char* fault_of_header() {
        if (bytes_.size() < sizeof(OverlayHeader)) {
            return "shorter than its header";
        }
        if (reinterpret_cast<std::uintptr_t>(bytes_.data()) % kImageAlignment != 0) {
            return "not aligned";
        }
        // The header was written as this type by the compiler of the same format version.
        header_ = reinterpret_cast<const OverlayHeader*>(bytes_.data());
        if (header_->magic != kOverlayMagic || header_->version != kOverlayVersion) {
            return "not an overlay of this format version";
        }
        if (header_->header_bytes != sizeof(OverlayHeader)) {
            return "header of another size";
        }
        if (header_->overlay_bytes != bytes_.size()) {
            return "truncated, or longer than it says";
        }
        if (header_->checksum != overlay_checksum(bytes_)) {
            return "checksum mismatch";
        }
        if (rule_count_ > kRulesMax || header_->rule_count != rule_count_) {
            return "made for an image with other rules";
        }
        return nullptr;
    }

    template <typename Set>
    const char* take_family(
        const FamilySections& sections,
        unsigned bits,
        std::size_t place_count,
        Set& set,
        const std::uint32_t*& first_places
    ) const {
        using Entry = std::remove_cv_t<std::remove_pointer_t<decltype(set.entries)>>;
        const auto tables = section_of<PrefixTable>(bytes_, sizeof(OverlayHeader), sections.tables);
        const auto entries = section_of<Entry>(bytes_, sizeof(OverlayHeader), sections.entries);
        const auto firsts =
            section_of<std::uint32_t>(bytes_, sizeof(OverlayHeader), sections.first_places);
        if (!tables || !entries || !firsts || firsts->size() != entries->size()) {
            return "a section out of bounds";
        }
        if (const char* const fault =
                fault_of_prefix_set(*tables, *entries, bits, ~0U << rule_count_)) {
            return fault;
        }
        for (std::size_t i = 0; i < entries->size(); ++i) {
            const auto rules = static_cast<unsigned>(std::popcount((*entries)[i].rules));
            if (rules != 0 && std::uint64_t{(*firsts)[i]} + rules > place_count) {
                return "a place out of bounds";
            }
        }
        set = {*tables, entries->data()};
        first_places = firsts->data();
        return nullptr;
    }

    std::span<const std::byte> bytes_;
    unsigned rule_count_;
    const OverlayHeader* header_ = nullptr;
};

}  // namespace

ImageBytes compile_overlay(std::span<const OverlayExemption> exemptions, unsigned rule_count) {
    std::vector<PrefixRules> prefixes4;
    std::vector<PrefixRules> prefixes6;
    for (const OverlayExemption& one : exemptions) {
        auto& prefixes = one.subscriber.address.family == Family::ipv4 ? prefixes4 : prefixes6;
        prefixes.push_back({one.subscriber, rule_bit(one.rule)});
    }
    Tables tables;
    tables.header.rule_count = rule_count;
    tables.ipv4.set = build_prefix_set4(std::move(prefixes4));
    tables.ipv6.set = build_prefix_set6(std::move(prefixes6));
    tables.ipv4.give_places(tables.places);
    tables.ipv6.give_places(tables.places);
    for (const OverlayExemption& one : exemptions) {
        if (one.subscriber.address.family == Family::ipv4) {
            tables.ipv4.set_place(one, tables.places);
        } else {
            tables.ipv6.set_place(one, tables.places);
        }
    }
    return lay_out(tables);
}

Result<OverlayView> validate_overlay(std::span<const std::byte> bytes, unsigned rule_count) {
    return OverlayValidator(bytes, rule_count).run();
}

std::uint64_t overlay_checksum(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data() + kOverlayChecksumEnd, bytes.size() - kOverlayChecksumEnd);
}

}  // namespace portcullis
