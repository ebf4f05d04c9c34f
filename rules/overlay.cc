#include "rules/overlay.h"

#include "rules/image_sections.h"
#include "rules/prefix_set.h"
#include "rules/section_layout.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <span>
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

bool is_before(const PrefixEntry4& a, const PrefixEntry4& b) {
    return a.address < b.address;
}

bool is_before(const PrefixEntry6& a, const PrefixEntry6& b) {
    return a.address.high != b.address.high ? a.address.high < b.address.high
                                            : a.address.low < b.address.low;
}

// An exemption, its length left out.
template <typename Entry>
struct PlacedEntry {
    Entry entry;  // with its one rule
    OverlayPlace place = 0;
};

// One family's tables. `places` are shared by both.
template <typename Entry>
struct FamilyTables {
    PrefixSetTables<Entry> set;
    std::vector<std::uint32_t> first_places;

    // Those of one length, at least one.
    void
    add(unsigned length,
        std::vector<PlacedEntry<Entry>> exemptions,
        std::vector<OverlayPlace>& places) {
        const auto before = [](const PlacedEntry<Entry>& a, const PlacedEntry<Entry>& b) {
            return is_before(a.entry, b.entry);
        };
        if (!std::is_sorted(exemptions.begin(), exemptions.end(), before)) {
            std::stable_sort(exemptions.begin(), exemptions.end(), before);
        }
        std::vector<Entry> prefixes;
        std::vector<std::uint32_t> firsts;
        prefixes.reserve(exemptions.size());
        firsts.reserve(exemptions.size());
        for (auto from = exemptions.begin(); from != exemptions.end();) {
            Entry& united = prefixes.emplace_back(from->entry);
            auto to = from + 1;
            for (; to != exemptions.end() && to->entry.address == united.address; ++to) {
                united.rules = static_cast<RuleSet>(united.rules | to->entry.rules);
            }
            firsts.push_back(static_cast<std::uint32_t>(places.size()));
            give_places({from, to}, united.rules, places);
            from = to;
        }
        const std::vector<std::uint32_t> numbers = add_prefix_table<Entry>(length, prefixes, set);
        first_places.resize(set.entries.size());
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            first_places[numbers[i]] = firsts[i];
        }
    }

private:
    // Of one prefix, whose `rules` they are together: in the order of the rules.
    static void give_places(
        std::span<const PlacedEntry<Entry>> exemptions,
        unsigned rules,
        std::vector<OverlayPlace>& places
    ) {
        if (exemptions.size() == 1) {
            places.push_back(exemptions.front().place);
            return;
        }
        const std::size_t first = places.size();
        places.resize(first + static_cast<unsigned>(std::popcount(rules)));
        for (const PlacedEntry<Entry>& one : exemptions) {
            const unsigned before = rules & (one.entry.rules - 1U);
            places[first + static_cast<unsigned>(std::popcount(before))] = one.place;
        }
    }
};

// Exemptions of one family, by their length.
template <typename Entry>
class ByLength {
public:
    explicit ByLength(unsigned bits)
        : exemptions_(bits + 1) {}

    void add(const OverlayExemption& one) {
        const unsigned length = one.subscriber.length;
        Entry entry = masked_entry(words_of(one.subscriber.address), length, Entry{});
        entry.rules = rule_bit(one.rule);
        exemptions_[length].push_back({entry, one.place});
    }

    void move_into(FamilyTables<Entry>& tables, std::vector<OverlayPlace>& places) {
        for (unsigned length = 0; length < exemptions_.size(); ++length) {
            if (!exemptions_[length].empty()) {
                tables.add(length, std::move(exemptions_[length]), places);
            }
        }
    }

private:
    std::vector<std::vector<PlacedEntry<Entry>>> exemptions_;
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

ImageBytes lay_out(Tables& tables) {
    return lay_out_sections(
        tables.header,
        &OverlayHeader::overlay_bytes,
        overlay_checksum,
        [&tables](auto&& visit) { for_each_section(tables, visit); }
    );
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
            const std::uint64_t first = (*firsts)[i];
            if (first + rule_count_ <= place_count) {
                continue;  // whatever rules it has
            }
            const auto rules = static_cast<unsigned>(std::popcount((*entries)[i].rules));
            if (rules != 0 && first + rules > place_count) {
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
    ByLength<PrefixEntry4> exemptions4(32);
    ByLength<PrefixEntry6> exemptions6(128);
    for (const OverlayExemption& one : exemptions) {
        if (one.subscriber.address.family == Family::ipv4) {
            exemptions4.add(one);
        } else {
            exemptions6.add(one);
        }
    }
    Tables tables;
    tables.header.rule_count = rule_count;
    tables.places.reserve(exemptions.size());
    exemptions4.move_into(tables.ipv4, tables.places);
    exemptions6.move_into(tables.ipv6, tables.places);
    return lay_out(tables);
}

Result<OverlayView> validate_overlay(std::span<const std::byte> bytes, unsigned rule_count) {
    return OverlayValidator(bytes, rule_count).run();
}

std::uint64_t overlay_checksum(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data() + kOverlayChecksumEnd, bytes.size() - kOverlayChecksumEnd);
}

}  // namespace portcullis
