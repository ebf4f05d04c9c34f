#include "rules/pattern_database.h"

#include "rules/quoted_text.h"

#include <hs/hs_common.h>
#include <hs/hs_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

namespace portcullis {

namespace {

// What Hyperscan's serialised databases have at least.
constexpr std::size_t kSerialisedBytesMin = 32;

struct FreeInfo {
    // Hyperscan's own allocator is malloc, unless it is given another one.
    // NOLINTNEXTLINE(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)
    void operator()(void* memory) const noexcept { std::free(memory); }
};

Error refused(const std::string& why) {
    return Error{
        {},
        "policy image refused: its pattern database " + why,
        "compile it with the control process of this release, on this machine"};
}

int note_match(
    unsigned id,
    unsigned long long /*from*/,
    unsigned long long /*to*/,
    unsigned /*flags*/,
    void* found
) {
    if (id < kRulesMax) {
        auto& rules = *static_cast<RuleSet*>(found);
        rules = static_cast<RuleSet>(rules | (1U << id));
    }
    return 0;
}

}  // namespace

void FreePatterns::operator()(hs_database* database) const noexcept {
    (void)hs_free_database(database);
}

void PatternDatabase::FreeScratch::operator()(hs_scratch* scratch) const noexcept {
    (void)hs_free_scratch(scratch);
}

Result<std::shared_ptr<const PatternDatabase>> PatternDatabase::open(
    std::span<const std::byte> serialised,
    unsigned workers,
    std::uint8_t number
) {
    if (const std::string fault = fault_of_pattern_database(serialised); !fault.empty()) {
        return refused(fault);
    }
    hs_database_t* database = nullptr;
    const hs_error_t code = hs_deserialize_database(
        reinterpret_cast<const char*>(serialised.data()), serialised.size(), &database
    );
    if (code != HS_SUCCESS) {
        return refused(code == HS_DB_PLATFORM_ERROR ? "is for another processor" : "is damaged");
    }
    auto out = std::make_shared<PatternDatabase>();
    out->database_.reset(database);
    out->serialised_.assign(serialised.begin(), serialised.end());
    out->number_ = number;
    for (unsigned worker = 0; worker < workers; ++worker) {
        hs_scratch_t* scratch = nullptr;
        if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) {
            return refused("is for another processor, or needs more memory than there is");
        }
        Scan scan;
        scan.database = database;
        scan.scratch.reset(scratch);
        out->scans_.push_back(std::move(scan));
    }
    return std::shared_ptr<const PatternDatabase>(std::move(out));
}

bool PatternDatabase::is_made_of(std::span<const std::byte> serialised) const noexcept {
    return std::equal(serialised_.begin(), serialised_.end(), serialised.begin(), serialised.end());
}

RuleSet PatternDatabase::scan(const void* context, std::span<const std::uint8_t> bytes) noexcept {
    const Scan& scan = *static_cast<const Scan*>(context);
    RuleSet found = 0;
    (void)hs_scan(
        scan.database,
        reinterpret_cast<const char*>(bytes.data()),
        static_cast<unsigned>(bytes.size()),
        0,
        scan.scratch.get(),
        note_match,
        &found
    );
    return found;
}

std::string fault_of_pattern_database(std::span<const std::byte> database) {
    if (database.size() < kSerialisedBytesMin || database.size() > kPatternDatabaseBytesMax) {
        return "has " + std::to_string(database.size()) + " bytes";
    }
    char* info = nullptr;
    const hs_error_t code = hs_serialized_database_info(
        reinterpret_cast<const char*>(database.data()), database.size(), &info
    );
    const std::unique_ptr<char, FreeInfo> owned(info);
    if (code != HS_SUCCESS || info == nullptr) {
        return "is not one of Hyperscan, or damaged";
    }
    // "Version: 5.4.0 Features: AVX2 Mode: BLOCK"; hs_version() is "5.4.0 2021-01-26".
    const std::string said(info);
    const std::string version(hs_version());
    const std::string number = version.substr(0, version.find(' '));
    if (said.find("Version: " + number + " ") == std::string::npos) {
        return "is " + in_quotes(said) + ", and this machine has Hyperscan " + number;
    }
    if (said.find("Mode: BLOCK") == std::string::npos) {
        return "is not for blocks: " + in_quotes(said);
    }
    return {};
}

}  // namespace portcullis
