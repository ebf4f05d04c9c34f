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

}  // namespace

bool WorkerTotals::fold(const CounterMapping& counters, const std::vector<std::string>& rules) {
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
    return changed;
}

void WorkerTotals::begin_instance() {
    counted_frames_ = {};
    counted_rules_ = {};
    counted_ports_.clear();
}

void WorkerTotals::skip_rules(const CounterMapping& counters) {
    for (unsigned i = 0; i < kRulesMax; ++i) {
        counted_rules_[i] = rule_sums(counters, i);
    }
}

void WorkerTotals::save(StateWriter& writer) const {
    writer.append_value(frames_);
    writer.append_value(counted_frames_);
    writer.append_value(counted_rules_);
    save_map(writer, rules_);
    save_map(writer, ports_);
    save_map(writer, counted_ports_);
}

bool WorkerTotals::load(StateReader& reader) {
    return reader.take_value(frames_) && reader.take_value(counted_frames_)
           && reader.take_value(counted_rules_) && load_map(reader, rules_)
           && load_map(reader, ports_) && load_map(reader, counted_ports_);
}

}  // namespace portcullis
