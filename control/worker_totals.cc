#include "control/worker_totals.h"

#include <algorithm>
#include <bit>

namespace portcullis {

namespace {

// Sums of counters are nothing but 64-bit numbers: they are added and subtracted as an array of those.
template <typename Sums>
using Numbers = std::array<std::uint64_t, sizeof(Sums) / sizeof(std::uint64_t)>;

// Adds `now - before` to `total`, and says whether that was anything.
template <typename Sums>
bool add_difference(Sums& total, const Sums& now, const Sums& before) {
    auto out = std::bit_cast<Numbers<Sums>>(total);
    const auto more = std::bit_cast<Numbers<Sums>>(now);
    const auto less = std::bit_cast<Numbers<Sums>>(before);
    bool changed = false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] += more[i] - less[i];
        changed |= more[i] != less[i];
    }
    total = std::bit_cast<Sums>(out);
    return changed;
}

void add(FrameTotals& sum, const FrameCounter& counter) {
    sum.frames += counter.frames.read();
    sum.bytes += counter.bytes.read();
}

FrameSums frame_sums(const CounterMapping& counters) {
    FrameSums out;
    for (const WorkerCounters& worker : counters.workers()) {
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            add(out.received[side], worker.received[side]);
            add(out.transmitted[side], worker.transmitted[side]);
            add(out.transmit_refused[side], worker.transmit_refused[side]);
            for (unsigned verdict = 0; verdict < kVerdictCount; ++verdict) {
                for (unsigned reason = 0; reason < kReasonCount; ++reason) {
                    add(out.judged[verdict][side][reason], worker.judged[verdict][side][reason]);
                }
            }
        }
        out.unattributed_frames += worker.unattributed_frames.read();
        out.active_table_overflow_frames += worker.active_table_overflow_frames.read();
        out.unwatched_frames += worker.unwatched_frames.read();
        for (unsigned kind = 0; kind < kAnswerKindCount; ++kind) {
            add(out.answers[kind], worker.answers[kind]);
        }
        out.answers_limited += worker.answers_limited.read();
        out.answers_impossible += worker.answers_impossible.read();
        out.answers_unsent += worker.answers_unsent.read();
        out.captured_frames += worker.captured_frames.read();
        out.capture_lost_frames += worker.capture_lost_frames.read();
    }
    return out;
}

RuleTotals rule_sums(const CounterMapping& counters, unsigned rule) {
    RuleTotals out;
    for (const WorkerCounters& worker : counters.workers()) {
        const RuleCounters& one = worker.rules[rule];
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            add(out.dropped[side], one.dropped[side]);
            add(out.monitored[side], one.monitored[side]);
            out.smarthost_frames[side] += one.smarthost_frames[side].read();
            out.exempt_frames[side] += one.exempt_frames[side].read();
        }
        out.dropped_flows += one.dropped_flows.read();
        out.monitored_flows += one.monitored_flows.read();
    }
    return out;
}

InspectionSums inspection_sums(const CounterMapping& counters) {
    InspectionSums out;
    for (const WorkerCounters& worker : counters.workers()) {
        out.flows += worker.inspected_flows.read();
        out.uninspected_segments += worker.uninspected_segments.read();
    }
    return out;
}

PortTotals port_sums(const PortCounters& port) {
    return {
        port.receive_missed_frames.read(),
        port.receive_errors.read(),
        port.transmit_errors.read(),
        {port.received_frames.read(), port.received_bytes.read()},
        {port.transmitted_frames.read(), port.transmitted_bytes.read()}};
}

std::string name_of(const PortCounters& port) {
    return {port.name.begin(), std::find(port.name.begin(), port.name.end(), '\0')};
}

template <typename Map>
void save_map(StateWriter& writer, const Map& map) {
    writer.append_value(static_cast<std::uint32_t>(map.size()));
    for (const auto& [name, totals] : map) {
        writer.append_text(name);
        writer.append_value(totals);
    }
}

template <typename Map>
bool load_map(StateReader& reader, Map& map) {
    std::uint32_t count = 0;
    if (!reader.take_value(count)) {
        return false;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string name;
        typename Map::mapped_type totals;
        if (!reader.take_text(name) || !reader.take_value(totals)) {
            return false;
        }
        map.insert_or_assign(std::move(name), totals);
    }
    return true;
}

// Flows by signature and class: those that are not zero.
void save_signature_flows(StateWriter& writer, const SignatureFlows& flows) {
    writer.append_value(static_cast<std::uint32_t>(flows.size()));
    for (const auto& [names, count] : flows) {
        writer.append_text(names.first);
        writer.append_text(names.second);
        writer.append_value(count);
    }
}

bool load_signature_flows(StateReader& reader, SignatureFlows& flows) {
    std::uint32_t count = 0;
    if (!reader.take_value(count)) {
        return false;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string signature;
        std::string service_class;
        std::uint64_t found = 0;
        if (!reader.take_text(signature) || !reader.take_text(service_class)
            || !reader.take_value(found)) {
            return false;
        }
        flows[{std::move(signature), std::move(service_class)}] = found;
    }
    return true;
}

template <typename... Values>
bool take_all(StateReader& reader, Values&... values) {
    return (reader.take_value(values) && ...);
}

// As FrameSums was before Reason::payload_signature.
bool take_frames_without_signatures(StateReader& reader, FrameSums& out) {
    bool good = take_all(reader, out.received, out.transmitted, out.transmit_refused);
    for (auto& of_verdict : out.judged) {
        for (auto& of_direction : of_verdict) {
            for (unsigned reason = 0; reason < kReasonCount; ++reason) {
                good = good
                       && (reason == index_of(Reason::payload_signature)
                           || reader.take_value(of_direction[reason]));
            }
        }
    }
    return good
           && take_all(
               reader,
               out.unattributed_frames,
               out.active_table_overflow_frames,
               out.unwatched_frames,
               out.answers,
               out.answers_limited,
               out.answers_impossible,
               out.answers_unsent,
               out.captured_frames,
               out.capture_lost_frames
           );
}

}  // namespace

bool WorkerTotals::fold(const CounterMapping& counters, const CountedNames& names) {
    const std::vector<std::string>& rules = names.rules;
    const FrameSums now = frame_sums(counters);
    bool changed = add_difference(frames_, now, counted_frames_);
    counted_frames_ = now;
    for (unsigned i = 0; i < rules.size() && i < kRulesMax; ++i) {
        const RuleTotals sums = rule_sums(counters, i);
        changed |= add_difference(rules_[rules[i]], sums, counted_rules_[i]);
        counted_rules_[i] = sums;
    }
    for (const PortCounters& port : counters.ports()) {
        const std::string name = name_of(port);
        const PortTotals sums = port_sums(port);
        changed |= add_difference(ports_[name], sums, counted_ports_[name]);
        counted_ports_[name] = sums;
    }
    changed |= fold_signatures(counters, names);
    return changed;
}

WorkerTotals::FlowsByNumber WorkerTotals::signature_flows_of(const CounterMapping& counters) {
    FlowsByNumber out{};
    for (const WorkerCounters& worker : counters.workers()) {
        for (unsigned rule = 0; rule < kRulesMax; ++rule) {
            for (unsigned c = 0; c < kClassesMax; ++c) {
                out[rule][c] += worker.signature_flows[rule][c].read();
            }
        }
    }
    return out;
}

bool WorkerTotals::fold_signatures(const CounterMapping& counters, const CountedNames& names) {
    const InspectionSums inspection = inspection_sums(counters);
    bool changed = add_difference(inspection_, inspection, counted_inspection_);
    counted_inspection_ = inspection;
    const FlowsByNumber flows = signature_flows_of(counters);
    for (unsigned rule = 0; rule < names.rules.size() && rule < kRulesMax; ++rule) {
        for (unsigned c = 0; c < names.classes.size() && c < kClassesMax; ++c) {
            const std::uint64_t more = flows[rule][c] - counted_signature_flows_[rule][c];
            if (more != 0) {
                signature_flows_[{names.rules[rule], names.classes[c]}] += more;
                counted_signature_flows_[rule][c] = flows[rule][c];
                changed = true;
            }
        }
    }
    return changed;
}

void WorkerTotals::begin_instance() {
    counted_frames_ = {};
    counted_rules_ = {};
    counted_ports_.clear();
    counted_inspection_ = {};
    counted_signature_flows_ = {};
}

void WorkerTotals::skip_rules(const CounterMapping& counters) {
    for (unsigned i = 0; i < kRulesMax; ++i) {
        counted_rules_[i] = rule_sums(counters, i);
    }
    counted_signature_flows_ = signature_flows_of(counters);
}

void WorkerTotals::save(StateWriter& writer) const {
    writer.append_value(frames_);
    writer.append_value(counted_frames_);
    writer.append_value(counted_rules_);
    save_map(writer, rules_);
    save_map(writer, ports_);
    save_map(writer, counted_ports_);
    writer.append_value(inspection_);
    writer.append_value(counted_inspection_);
    save_signature_flows(writer, signature_flows_);
    writer.append_value(counted_signature_flows_);
}

bool WorkerTotals::load(StateReader& reader, TotalsContent content) {
    const bool frames = content == TotalsContent::no_signature_reason
                            ? take_frames_without_signatures(reader, frames_)
                                  && take_frames_without_signatures(reader, counted_frames_)
                            : take_all(reader, frames_, counted_frames_);
    const bool before_signatures = frames && reader.take_value(counted_rules_)
                                   && load_map(reader, rules_) && load_map(reader, ports_)
                                   && load_map(reader, counted_ports_);
    if (!before_signatures || content != TotalsContent::all) {
        return before_signatures;
    }
    return take_all(reader, inspection_, counted_inspection_)
           && load_signature_flows(reader, signature_flows_)
           && reader.take_value(counted_signature_flows_);
}

}  // namespace portcullis
