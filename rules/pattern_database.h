// The pattern database of an image, opened: what workers scan with. Made and released by the cold thread; each worker
// scans with memory of its own.
#pragma once

#include "rules/flow_tracker.h"
#include "rules/result.h"
#include "rules/signature_patterns.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct hs_scratch;

namespace portcullis {

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
