#include "tools/cli/verdict_records.h"

#include "rules/decision.h"
#include "rules/policy.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace portcullis::cli {

namespace {

constexpr std::size_t kFileBufferBytes = std::size_t{1} << 20U;

Error wrong_record(std::uint64_t number) {
    return {
        {},
        "INTERNAL ERROR: verdict record " + std::to_string(number) + " makes no sense",
        "are portcullis and portcullis-dataplane of one release?"};
}

// Whether every value of the record is one of its type, whatever wrote it.
bool makes_sense(const std::array<std::uint8_t, sizeof(VerdictRecord)>& bytes) {
    const auto at = [&](std::size_t offset) {
        return bytes[offset];
    };
    const std::uint8_t rule = at(offsetof(VerdictRecord, rule));
    return at(offsetof(VerdictRecord, family)) <= static_cast<std::uint8_t>(Family::ipv6)
           && at(offsetof(VerdictRecord, transport)) < kTransportCount
           && at(offsetof(VerdictRecord, verdict)) < kVerdictCount
           && at(offsetof(VerdictRecord, reason)) < kReasonCount
           && at(offsetof(VerdictRecord, direction)) < kDirectionCount
           && at(offsetof(VerdictRecord, initial_syn)) <= 1
           && (rule < kRulesMax || rule == kNoRule);
}

}  // namespace

Result<VerdictRecordReader> VerdictRecordReader::open(const std::filesystem::path& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rbe");
    if (file == nullptr) {
        return Error{
            {},
            "cannot read the dataplane's verdict records: "
                + std::generic_category().message(errno),
            ""};
    }
    (void)std::setvbuf(file, nullptr, _IOFBF, kFileBufferBytes);
    return VerdictRecordReader(file);
}

bool VerdictRecordReader::next(VerdictRecord& record) {
    std::array<std::uint8_t, sizeof(VerdictRecord)> bytes{};
    const std::size_t count = std::fread(bytes.data(), 1, bytes.size(), file_.get());
    if (count == 0) {
        return false;
    }
    ++records_read_;
    if (count != bytes.size() || !makes_sense(bytes)) {
        error_ = wrong_record(records_read_);
        return false;
    }
    std::memcpy(&record, bytes.data(), sizeof(record));
    if (record.frame != records_read_) {
        error_ = wrong_record(records_read_);
        return false;
    }
    return true;
}

}  // namespace portcullis::cli
