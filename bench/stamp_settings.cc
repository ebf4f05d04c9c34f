#include "bench/stamp_settings.h"

#include "bench/profile.h"
#include "rules/key.h"
#include "rules/wire.h"

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace portcullis::bench {

namespace {

// As std::to_string writes it: digits, no zero before them.
std::optional<std::uint64_t>
number_of(std::string_view word, std::uint64_t least, std::uint64_t most) {
    std::uint64_t out = 0;
    const char* const end = word.data() + word.size();
    const auto [rest, error] = std::from_chars(word.data(), end, out);
    if (error != std::errc() || rest != end || std::to_string(out) != word) {
        return std::nullopt;
    }
    return out >= least && out <= most ? std::optional(out) : std::nullopt;
}

std::string word_of(Direction direction) {
    return direction == Direction::outbound ? "outbound" : "inbound";
}

bool read_direction(std::string_view word, Direction& out) {
    out = word == "outbound" ? Direction::outbound : Direction::inbound;
    return word == word_of(out);
}

std::string word_of(Sources sources) {
    return sources == Sources::spoofed ? "spoofed" : "stamped";
}

bool read_ip_offset(std::string_view word, StampSettings& out) {
    const auto number = number_of(
        word, wire::kEthernetBytes, wire::kEthernetBytes + wire::kVlanTagBytes * kVlanTagsMax
    );
    out.ip_offset = static_cast<std::uint32_t>(number.value_or(0));
    return number && (*number - wire::kEthernetBytes) % wire::kVlanTagBytes == 0;
}

struct Field {
    std::string_view name;
    std::string (*write)(const StampSettings& settings);
    bool (*read)(std::string_view word, StampSettings& out);  // whether it is right
};

// In the order of the text.
constexpr std::array<Field, 6> kFields = {{
    {"sources",
     [](const StampSettings& settings) { return word_of(settings.sources); },
     [](std::string_view word, StampSettings& out) {
         out.sources = word == "spoofed" ? Sources::spoofed : Sources::stamped;
         return word == word_of(out.sources);
     }},
    {"subscribers",
     [](const StampSettings& settings) { return std::to_string(settings.subscribers); },
     [](std::string_view word, StampSettings& out) {
         const auto number = number_of(word, 1, kSubscribersMax);
         out.subscribers = static_cast<std::uint32_t>(number.value_or(0));
         return number.has_value();
     }},
    {"ip_offset",
     [](const StampSettings& settings) { return std::to_string(settings.ip_offset); },
     read_ip_offset},
    {"port0",
     [](const StampSettings& settings) { return word_of(settings.directions[0]); },
     [](std::string_view word, StampSettings& out) {
         return read_direction(word, out.directions[0]);
     }},
    {"port1",
     [](const StampSettings& settings) { return word_of(settings.directions[1]); },
     [](std::string_view word, StampSettings& out) {
         return read_direction(word, out.directions[1]);
     }},
    {"seed",
     [](const StampSettings& settings) { return std::to_string(settings.seed); },
     [](std::string_view word, StampSettings& out) {
         const auto number = number_of(word, 0, std::numeric_limits<std::uint64_t>::max());
         out.seed = number.value_or(0);
         return number.has_value();
     }},
}};

}  // namespace

StampSetup StampSettings::of(unsigned port, unsigned queue) const noexcept {
    StampSetup out;
    out.sources = sources;
    out.subscribers = subscribers;
    out.ip_offset = ip_offset;
    out.direction = directions[port];
    out.seed = seed + port + std::uint64_t{queue} * kStampedPorts;
    return out;
}

std::string to_text(const StampSettings& settings) {
    std::string out;
    for (const Field& field : kFields) {
        out += out.empty() ? "" : " ";
        out += field.name;
        out += "=" + field.write(settings);
    }
    return out;
}

Result<StampSettings> parse_stamp_settings(const std::string& text) {
    const auto wrong = [&text](std::string_view field) {
        return Error{
            {kStampVariable, 0, 0},
            "'" + text + "' has no right value of " + std::string(field) + " where it belongs",
            "such as '" + to_text({}) + "'"};
    };
    StampSettings out;
    std::size_t begin = 0;
    for (const Field& field : kFields) {
        const bool last = &field == &kFields.back();
        const std::size_t end = last ? text.size() : text.find(' ', begin);
        if (end == std::string::npos) {
            return wrong(field.name);
        }
        const std::string_view word = std::string_view(text).substr(begin, end - begin);
        const std::string start = std::string(field.name) + "=";
        if (word.rfind(start, 0) != 0 || !field.read(word.substr(start.size()), out)) {
            return wrong(field.name);
        }
        begin = end + 1;
    }
    return out;
}

std::string stamping_line(unsigned port, unsigned queues) {
    return "portcullis-bench-stamp: port " + std::to_string(port)
           + ": a subscriber for every frame; queues: " + std::to_string(queues) + "\n";
}

}  // namespace portcullis::bench
