#include "dataplane/verdict_recorder.h"

#include "rules/verdict_record.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace portcullis::dataplane {

namespace {

constexpr std::size_t kFileBufferBytes = std::size_t{1} << 20U;

Error record_failure(const std::filesystem::path& path, int error) {
    return {
        {path.string(), 0, 0},
        "verdict records cannot be written: " + std::generic_category().message(error),
        {}};
}

VerdictRecord
record_of(WorkerState& state, Direction direction, const Burst& burst, unsigned index) {
    const Key& key = key_of(state, burst, index);
    const JudgedBurst& judged = state.judged;
    const Outcome outcome = judged.outcome(index);
    VerdictRecord out;
    out.source = key.source;
    out.destination = key.destination;
    out.slot = key.family == Family::none ? kNoSlot : judged.slots[index];
    out.source_port = key.source_port;
    out.destination_port = key.destination_port;
    out.family = key.family;
    out.transport = key.transport;
    out.protocol = key.protocol;
    out.verdict = outcome.verdict;
    out.reason = outcome.reason;
    out.rule = outcome.rule;
    out.direction = direction;
    // What a payload signature found is a flow where it was found.
    out.initial_syn = (judged.notable & frame_bit(index)) != 0
                          ? (judged.initial_syns & frame_bit(index)) != 0
                          : judged.initial_syn(index);
    return out;
}

}  // namespace

void VerdictRecorder::Close::operator()(std::FILE* file) const noexcept {
    (void)std::fclose(file);
}

VerdictRecorder::VerdictRecorder(std::FILE* file, std::filesystem::path path) noexcept
    : file_(file)
    , path_(std::move(path)) {}

Result<VerdictRecorder> VerdictRecorder::open(const std::filesystem::path& path) {
    if (path.empty()) {
        return VerdictRecorder(nullptr, {});
    }
    std::FILE* file = std::fopen(path.c_str(), "wbe");
    if (file == nullptr) {
        return record_failure(path, errno);
    }
    (void)std::setvbuf(file, nullptr, _IOFBF, kFileBufferBytes);
    return VerdictRecorder(file, path);
}

void VerdictRecorder::judged(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    std::array<VerdictRecord, kBurstMax> records;
    const unsigned count = burst.size();
    for (unsigned i = 0; i < count; ++i) {
        records[i] = record_of(state, direction, burst, i);
        records[i].frame = ++frames_;
    }
    if (file_ != nullptr
        && std::fwrite(records.data(), sizeof(VerdictRecord), count, file_.get()) != count) {
        failed_ = true;
    }
}

BurstObserver VerdictRecorder::observer() noexcept {
    return {
        [](void* self, WorkerState& state, Direction direction, const Burst& burst) noexcept {
            static_cast<VerdictRecorder*>(self)->judged(state, direction, burst);
        },
        this};
}

std::optional<Error> VerdictRecorder::close() {
    if (file_ == nullptr) {
        return std::nullopt;
    }
    errno = 0;
    const bool whole = !failed_ && std::fflush(file_.get()) == 0;
    const int error = errno;
    file_.reset();
    return whole ? std::nullopt
                 : std::optional<Error>(record_failure(path_, error == 0 ? EIO : error));
}

}  // namespace portcullis::dataplane
