#include "control/exemption_store.h"

#include "control/state_file.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace portcullis {

namespace {

constexpr std::uint64_t kMagic = 0x3150'5845'4C55'4350ULL;  // "PCULEXP1" in memory
constexpr StateFormat kExemptionsFormat{kMagic, 2};
constexpr StateFormat kOldFormat{kMagic, 1};  // a state file of objects, one behind the other
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

// Of an object that is erased.
struct StoredKey {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t family = 0;
    std::uint32_t length = 0;
};

// The prefix of `stored`, a Stored or a StoredKey, if it is one.
template <typename T>
std::optional<Prefix> prefix_of(const T& stored) {
    const bool known = stored.family == static_cast<std::uint32_t>(Family::ipv4)
                       || stored.family == static_cast<std::uint32_t>(Family::ipv6);
    if (!known || stored.length > address_bits(static_cast<Family>(stored.family))) {
        return std::nullopt;
    }
    const Prefix out{
        {static_cast<Family>(stored.family), stored.address},
        static_cast<std::uint8_t>(stored.length)};
    return has_host_bits(out) ? std::nullopt : std::optional(out);
}

std::optional<ExemptionObject> take_object(StateReader& reader) {
    Stored stored;
    ExemptionObject out;
    if (!reader.take_value(stored) || !reader.take_text(out.rule) || !reader.take_text(out.reason)
        || !reader.take_text(out.reference) || !reader.take_text(out.user)) {
        return std::nullopt;
    }
    const auto subscriber = prefix_of(stored);
    if (!subscriber || (stored.place != kNoPlace && stored.place >= kOverlayPlaces)) {
        return std::nullopt;
    }
    out.subscriber = *subscriber;
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

std::optional<ExemptionKey> take_key(StateReader& reader) {
    StoredKey stored;
    ExemptionKey out;
    if (!reader.take_value(stored) || !reader.take_text(out.rule)) {
        return std::nullopt;
    }
    const auto subscriber = prefix_of(stored);
    out.subscriber = subscriber.value_or(Prefix{});
    return subscriber ? std::optional(std::move(out)) : std::nullopt;
}

class Encoder {
public:
    template <typename T>
    void value(const T& one) {
        static_assert(std::has_unique_object_representations_v<T>, "no padding, no pointers");
        append(std::as_bytes(std::span<const T, 1>(&one, 1)));
    }

    void text(const std::string& one) {
        value(static_cast<std::uint32_t>(one.size()));
        append(std::as_bytes(std::span(one)));
    }

    void key(const ExemptionKey& one) {
        value(StoredKey{
            one.subscriber.address.bytes,
            static_cast<std::uint32_t>(one.subscriber.address.family),
            one.subscriber.length});
        text(one.rule);
    }

    void object(const ExemptionObject& one) {
        Stored stored;
        stored.address = one.subscriber.address.bytes;
        stored.family = static_cast<std::uint32_t>(one.subscriber.address.family);
        stored.length = one.subscriber.length;
        stored.uid = one.uid;
        stored.place = one.place ? *one.place : kNoPlace;
        stored.created = one.created;
        stored.expires = one.expires.value_or(0);
        stored.frames = one.frames;
        stored.flows = one.flows;
        stored.counted_instance = one.counted_instance;
        stored.counted_frames = one.counted_frames;
        stored.counted_flows = one.counted_flows;
        value(stored);
        text(one.rule);
        text(one.reason);
        text(one.reference);
        text(one.user);
    }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return out_; }

private:
    void append(std::span<const std::byte> bytes) {
        out_.insert(out_.end(), bytes.begin(), bytes.end());
    }

    std::vector<std::byte> out_;
};

// A record: how many are erased, they; how many are put, they.
Encoder encode(const ExemptionStep& step) {
    Encoder out;
    out.value(static_cast<std::uint64_t>(step.erased.size()));
    for (const ExemptionKey& key : step.erased) {
        out.key(key);
    }
    out.value(static_cast<std::uint64_t>(step.put.size()));
    for (const ExemptionObject& object : step.put) {
        out.object(object);
    }
    return out;
}

std::optional<ExemptionStep> decode(std::span<const std::byte> record) {
    StateReader reader(record);
    ExemptionStep out;
    std::uint64_t count = 0;
    if (!reader.take_value(count)) {
        return std::nullopt;
    }
    for (; count != 0; --count) {
        auto key = take_key(reader);
        if (!key) {
            return std::nullopt;
        }
        out.erased.push_back(std::move(*key));
    }
    if (!reader.take_value(count)) {
        return std::nullopt;
    }
    for (; count != 0; --count) {
        auto object = take_object(reader);
        if (!object) {
            return std::nullopt;
        }
        out.put.push_back(std::move(*object));
    }
    return reader.at_end() ? std::optional(std::move(out)) : std::nullopt;
}

void take_step(ExemptionStep step, ExemptionObjects& objects) {
    for (const ExemptionKey& key : step.erased) {
        objects.erase(key);
    }
    for (ExemptionObject& object : step.put) {
        ExemptionKey key = key_of(object);
        objects.insert_or_assign(std::move(key), std::move(object));
    }
}

}  // namespace

ExemptionStore::ExemptionStore(std::filesystem::path path)
    : path_(std::move(path))
    , log_(path_, kExemptionsFormat) {}

ExemptionObjects ExemptionStore::load(Errors& problems) {
    ExemptionObjects out;
    if (path_.empty()) {
        return out;
    }
    bool understood = true;
    const std::size_t problems_before = problems.size();
    const auto found = log_.load(
        [&](RecordLog::Record record) {
            auto step = decode(record);
            understood &= step.has_value();
            if (step) {
                take_step(std::move(*step), out);
            }
        },
        problems
    );
    if (!understood) {
        problems.push_back(
            {{path_.string(), 0, 0}, "some records are no exemptions", "the rest is kept"}
        );
    }
    if (found == RecordLog::Found::another_kind) {
        out = load_old_format(problems);
    } else if (found == RecordLog::Found::nothing && problems.size() != problems_before) {
        move_aside(problems);
    }
    for (const auto& [key, object] : out) {
        Encoder one;
        one.object(object);
        held_bytes_ += one.bytes().size();
    }
    return out;
}

ExemptionObjects ExemptionStore::load_old_format(Errors& problems) const {
    ExemptionObjects out;
    const auto payload = read_state(path_, kOldFormat);
    bool whole = payload && payload.value();
    if (whole) {
        StateReader reader(*payload.value());
        while (whole && !reader.at_end()) {
            auto object = take_object(reader);
            whole = object.has_value();
            if (whole) {
                ExemptionKey key = key_of(*object);
                out.insert_or_assign(std::move(key), std::move(*object));
            }
        }
    }
    if (!whole) {
        const std::string why = payload ? "no exemptions" : payload.errors().front().message;
        problems.push_back({{path_.string(), 0, 0}, why, "make them anew"});
        move_aside(problems);
    }
    return out;
}

// So that what may be in it is not written over.
void ExemptionStore::move_aside(Errors& problems) const {
    std::error_code failure;
    const std::string aside = path_.string() + ".unreadable";
    std::filesystem::rename(path_, aside, failure);
    problems.back().cure += failure ? "" : "; it is now " + aside;
}

Result<std::monostate> ExemptionStore::append(const ExemptionStep& step) {
    return path_.empty() ? std::monostate{} : log_.append(encode(step).bytes());
}

Result<std::monostate> ExemptionStore::take_back() {
    return path_.empty() ? std::monostate{} : log_.take_back();
}

bool ExemptionStore::must_be_rewritten() const {
    return !path_.empty() && log_.must_be_rewritten();
}

bool ExemptionStore::has_grown() const noexcept {
    constexpr std::uint64_t kNotWorthIt = std::uint64_t{64} << 10U;
    return log_.bytes() > kNotWorthIt && log_.bytes() > 2 * held_bytes_;
}

Result<std::monostate> ExemptionStore::rewrite(const ExemptionObjects& objects) {
    if (path_.empty()) {
        return std::monostate{};
    }
    constexpr std::size_t kObjectsARecord = 256;
    auto written = log_.rewrite([&](const RecordLog::Sink& sink) {
        ExemptionStep piece;
        for (const auto& [key, object] : objects) {
            piece.put.push_back(object);
            if (piece.put.size() == kObjectsARecord) {
                sink(encode(piece).bytes());
                piece.put.clear();
            }
        }
        if (!piece.put.empty()) {
            sink(encode(piece).bytes());
        }
    });
    if (written) {
        held_bytes_ = log_.bytes();
    }
    return written;
}

}  // namespace portcullis
