#include "control/exemption_store.h"

#include "control/state_file.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr StateFormat kFormat{0x3150'5845'4C55'4350ULL, 1};  // "PCULEXP1" in memory
constexpr std::uint32_t kNoPlace = 0xFFFF'FFFFU;

// What is stored of an object beside its texts.
struct Stored {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t family = 0;
    std::uint32_t length = 0;
    std::uint32_t uid = 0;
    std::uint32_t place = kNoPlace;
    std::int64_t created = 0;
    std::int64_t expires = 0;  // 0: never
    std::uint64_t frames = 0;
    std::uint64_t flows = 0;
    std::uint64_t counted_instance = 0;
    std::uint64_t counted_frames = 0;
    std::uint64_t counted_flows = 0;
};

std::optional<ExemptionObject> take_object(StateReader& reader) {
    Stored stored;
    ExemptionObject out;
    if (!reader.take_value(stored) || !reader.take_text(out.rule) || !reader.take_text(out.reason)
        || !reader.take_text(out.reference) || !reader.take_text(out.user)
        || (stored.family != static_cast<std::uint32_t>(Family::ipv4)
            && stored.family != static_cast<std::uint32_t>(Family::ipv6))) {
        return std::nullopt;
    }
    out.subscriber.address = {static_cast<Family>(stored.family), stored.address};
    out.subscriber.length = static_cast<std::uint8_t>(stored.length);
    if (stored.length > address_bits(out.subscriber.address.family) || has_host_bits(out.subscriber)
        || (stored.place != kNoPlace && stored.place >= kOverlayPlaces)) {
        return std::nullopt;
    }
    out.uid = stored.uid;
    if (stored.place != kNoPlace) {
        out.place = static_cast<OverlayPlace>(stored.place);
    }
    out.created = stored.created;
    if (stored.expires != 0) {
        out.expires = stored.expires;
    }
    out.frames = stored.frames;
    out.flows = stored.flows;
    out.counted_instance = stored.counted_instance;
    out.counted_frames = stored.counted_frames;
    out.counted_flows = stored.counted_flows;
    return out;
}

}  // namespace

Result<std::vector<ExemptionObject>> load_exemptions(const std::filesystem::path& path) {
    std::vector<ExemptionObject> out;
    const auto payload = read_state(path, kFormat);
    if (!payload) {
        return payload.errors();
    }
    if (!payload.value()) {
        return out;
    }
    StateReader reader(*payload.value());
    while (!reader.at_end()) {
        auto object = take_object(reader);
        if (!object) {
            return Error{{path.string(), 0, 0}, "no exemptions", "make them anew"};
        }
        out.push_back(std::move(*object));
    }
    return out;
}

Result<std::monostate>
save_exemptions(const std::filesystem::path& path, std::span<const ExemptionObject> objects) {
    StateWriter writer(path, kFormat);
    for (const ExemptionObject& object : objects) {
        Stored stored;
        stored.address = object.subscriber.address.bytes;
        stored.family = static_cast<std::uint32_t>(object.subscriber.address.family);
        stored.length = object.subscriber.length;
        stored.uid = object.uid;
        stored.place = object.place ? *object.place : kNoPlace;
        stored.created = object.created;
        stored.expires = object.expires.value_or(0);
        stored.frames = object.frames;
        stored.flows = object.flows;
        stored.counted_instance = object.counted_instance;
        stored.counted_frames = object.counted_frames;
        stored.counted_flows = object.counted_flows;
        writer.append_value(stored);
        writer.append_text(object.rule);
        writer.append_text(object.reason);
        writer.append_text(object.reference);
        writer.append_text(object.user);
    }
    return writer.commit();
}

}  // namespace portcullis
