// The pattern database of an image, opened: what workers scan with. Made and released by the cold thread; each worker
// scans with memory of its own.
//
// Hyperscan checks a database's version, platform and checksum when it is opened, but trusts what the checksum covers:
// whoever may publish an image is trusted as far.
#pragma once

#include "rules/flow_tracker.h"
#include "rules/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct hs_database;
struct hs_scratch;

namespace portcullis {

// More would cost workers more than a glance at a flow may.
inline constexpr std::size_t kPatternDatabaseBytesMax = std::size_t{64} << 10U;

// Why these bytes are no database that this machine can use, before they are opened; empty if nothing is wrong.
[[nodiscard]] std::string fault_of_pattern_database(std::span<const std::byte> database);

struct FreePatterns {
    void operator()(hs_database* database) const noexcept;
};

class PatternDatabase {
public:
    // `number` tells this set of patterns from the ones before and after it.
    [[nodiscard]] static Result<std::shared_ptr<const PatternDatabase>>
    open(std::span<const std::byte> serialised, unsigned workers, std::uint8_t number);

    // For one worker, as long as this lives.
    [[nodiscard]] PatternScanner scanner(unsigned worker) const noexcept {
        return {scan, &scans_[worker], number_};
    }

    [[nodiscard]] std::uint8_t number() const noexcept { return number_; }

    [[nodiscard]] bool is_made_of(std::span<const std::byte> serialised) const noexcept;

private:
    struct FreeScratch {
        void operator()(hs_scratch* scratch) const noexcept;
    };

    // What one worker scans with.
    struct Scan {
        const hs_database* database = nullptr;
        std::unique_ptr<hs_scratch, FreeScratch> scratch;
    };

    [[nodiscard]] static RuleSet
    scan(const void* context, std::span<const std::uint8_t> bytes) noexcept;

    std::unique_ptr<hs_database, FreePatterns> database_;
    std::vector<Scan> scans_;
    std::vector<std::byte> serialised_;
    std::uint8_t number_ = 0;
};

}  // namespace portcullis
