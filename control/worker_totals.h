// What all workers counted, by direction, verdict, reason and rule, since this product counts: totals that go on
// through restarts of the dataplane. Rules and classes are kept by name: their numbers change with the policy.
// Bookkeeper's thread.
#pragma once

#include "control/counter_mapping.h"
#include "control/state_file.h"
#include "rules/counter_layout.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portcullis {

struct RuleTotals {
    std::array<FrameTotals, kDirectionCount> dropped;
    std::array<FrameTotals, kDirectionCount> monitored;
    std::array<std::uint64_t, kDirectionCount> smarthost_frames{};
    std::array<std::uint64_t, kDirectionCount> exempt_frames{};
    std::uint64_t dropped_flows = 0;
    std::uint64_t monitored_flows = 0;
};

// The same as in WorkerCounters, summed over workers.
struct FrameSums {
    std::array<FrameTotals, kDirectionCount> received;
    std::array<FrameTotals, kDirectionCount> transmitted;
    std::array<FrameTotals, kDirectionCount> transmit_refused;
    std::array<std::array<std::array<FrameTotals, kReasonCount>, kDirectionCount>, kVerdictCount>
        judged;
    std::uint64_t unattributed_frames = 0;
    std::uint64_t active_table_overflow_frames = 0;
    std::uint64_t unwatched_frames = 0;
    std::array<FrameTotals, kAnswerKindCount> answers;
    std::uint64_t answers_limited = 0;
    std::uint64_t answers_impossible = 0;
    std::uint64_t answers_unsent = 0;
    std::uint64_t captured_frames = 0;
    std::uint64_t capture_lost_frames = 0;
};

struct PortTotals {
    std::uint64_t receive_missed_frames = 0;
    std::uint64_t receive_errors = 0;
    std::uint64_t transmit_errors = 0;
    FrameTotals received;
    FrameTotals transmitted;
};

// What payload signatures looked at.
struct InspectionSums {
    std::uint64_t flows = 0;
    std::uint64_t uninspected_segments = 0;
};

// What the dataplane counts by number, as the running policy names it.
struct CountedNames {
    std::vector<std::string> rules;    // by RuleIndex
    std::vector<std::string> classes;  // by ClassIndex
};

// Flows in which a signature was found, by the names of the signature and of the class. None is zero.
using SignatureFlows = std::map<std::pair<std::string, std::string>, std::uint64_t>;

// What is in the totals of a state file.
enum class TotalsContent : std::uint8_t {
    all,
    no_signatures,        // version 3
    no_signature_reason,  // version 3, of before Reason::payload_signature
};

class WorkerTotals {
public:
    // Adds what was counted since the last look. Returns whether anything has changed.
    bool fold(const CounterMapping& counters, const CountedNames& names);

    // The next counters to be folded are those of a new dataplane: they began at zero.
    void begin_instance();

    // What `counters` hold for rules and classes counts for none: it is not known what they were.
    void skip_rules(const CounterMapping& counters);

    [[nodiscard]] const FrameSums& frames() const noexcept { return frames_; }

    [[nodiscard]] const std::map<std::string, RuleTotals, std::less<>>& rules() const noexcept {
        return rules_;
    }

    [[nodiscard]] const std::map<std::string, PortTotals, std::less<>>& ports() const noexcept {
        return ports_;
    }

    [[nodiscard]] const InspectionSums& inspection() const noexcept { return inspection_; }

    [[nodiscard]] const SignatureFlows& signature_flows() const noexcept {
        return signature_flows_;
    }

    void save(StateWriter& writer) const;
    // What is missing in `content` is zero.
    [[nodiscard]] bool load(StateReader& reader, TotalsContent content);

private:
    using FlowsByNumber = std::array<std::array<std::uint64_t, kClassesMax>, kRulesMax>;

    static FlowsByNumber signature_flows_of(const CounterMapping& counters);
    bool fold_signatures(const CounterMapping& counters, const CountedNames& names);

    FrameSums frames_;
    std::map<std::string, RuleTotals, std::less<>> rules_;
    std::map<std::string, PortTotals, std::less<>> ports_;
    InspectionSums inspection_;
    SignatureFlows signature_flows_;
    // The dataplane's counters when they were last added.
    FrameSums counted_frames_;
    std::array<RuleTotals, kRulesMax> counted_rules_;
    std::map<std::string, PortTotals, std::less<>> counted_ports_;
    InspectionSums counted_inspection_;
    FlowsByNumber counted_signature_flows_{};
};

}  // namespace portcullis
