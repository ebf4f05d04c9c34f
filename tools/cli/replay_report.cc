#include "tools/cli/replay_report.h"

#include "rules/image_lookup.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/json.h"
#include "tools/cli/link_layer.h"
#include "tools/cli/replay_check.h"
#include "tools/cli/replay_customers.h"
#include "tools/cli/table.h"

#include <algorithm>
#include <ostream>

namespace portcullis::cli {

namespace {

std::uint64_t count_with_drops(const ReplayTally& tally) {
    const auto& all = tally.subscribers();
    return static_cast<std::uint64_t>(std::count_if(all.begin(), all.end(), [](const auto& entry) {
        return !entry.second.dropped.empty();
    }));
}

Conservation in_all(const std::array<Conservation, kDirectionCount>& sides) {
    Conservation out;
    for (const Conservation& side : sides) {
        out.received += side.received;
        out.transmitted += side.transmitted;
        out.dropped += side.dropped;
        out.transmit_refused += side.transmit_refused;
    }
    return out;
}

Table verdict_table(const ReplayAnswer& answer) {
    Table out(
        {{"verdict"},
         {"reason"},
         {"rule"},
         {"direction"},
         {"frames", Align::right},
         {"bytes", Align::right},
         {"flows", Align::right}}
    );
    for (const OutcomeRow& row : answer.tally.rows()) {
        out.add_row(
            {Cell(label(row.verdict), row.verdict == Verdict::drop ? Colour::red : Colour::green),
             Cell(label(row.reason)),
             rule_name(answer.compiled.policy, row.rule),
             label(row.direction),
             row.tally.frames,
             row.tally.bytes,
             row.tally.flows}
        );
    }
    return out;
}

// A line a cause, the subscriber named on its first.
void add_drops(
    Table& table,
    const std::string& name,
    const SubscriberTally& tally,
    const Policy& policy
) {
    std::string shown = name;
    for (const DropCause& cause : tally.dropped) {
        table.add_row(
            {shown,
             cause.rule == kNoRule ? std::string(label(cause.reason))
                                   : rule_name(policy, cause.rule),
             cause.tally.frames,
             cause.tally.bytes,
             cause.tally.flows}
        );
        shown.clear();
    }
}

Table subscriber_table(const ReplayAnswer& answer) {
    Table out(
        {{"subscriber"},
         {"dropped by"},
         {"frames", Align::right},
         {"bytes", Align::right},
         {"flows", Align::right}}
    );
    for (const Customer& customer : top_customers(answer.tally, answer.names, answer.options.top)) {
        add_drops(out, customer.name, customer.tally, answer.compiled.policy);
    }
    add_drops(out, "(in no pool)", answer.tally.unattributed(), answer.compiled.policy);
    return out;
}

Json to_json(const OutcomeTally& tally) {
    Json out = Json::object();
    out["frames"] = tally.frames;
    out["bytes"] = tally.bytes;
    out["flows"] = tally.flows;
    return out;
}

Json rule_json(const Policy& policy, std::uint8_t rule) {
    return rule < policy.rules.size() ? Json(policy.rules[rule].name) : Json();
}

void add_tally(Json& out, const SubscriberTally& tally, const Policy& policy) {
    for (const Direction direction : {Direction::outbound, Direction::inbound}) {
        out["passed"][label(direction)] = to_json(tally.passed[index_of(direction)]);
    }
    out["dropped"] = to_json(tally.dropped_in_all());
    out["dropped_by"] = Json::array();
    for (const DropCause& cause : tally.dropped) {
        Json entry = Json::object();
        entry["reason"] = label(cause.reason);
        entry["rule"] = rule_json(policy, cause.rule);
        entry.update(to_json(cause.tally));
        out["dropped_by"].push_back(entry);
    }
}

Json to_json(const Customer& customer, const CompiledPolicy& compiled) {
    const Address& address = customer.prefixes.front().address;
    const PoolEntry& pool =
        compiled.view.pools[find_pool(compiled.view, address.family, words_of(address))];
    Json out = Json::object();
    out["subscriber"] = customer.name;
    out["prefixes"] = Json::array();
    for (const Prefix& prefix : customer.prefixes) {
        out["prefixes"].push_back(to_string(prefix));
    }
    out["class"] = compiled.policy.classes[pool.service_class.value].name;
    add_tally(out, customer.tally, compiled.policy);
    return out;
}

Json verdicts_json(const ReplayAnswer& answer) {
    Json out = Json::array();
    for (const OutcomeRow& row : answer.tally.rows()) {
        Json entry = Json::object();
        entry["verdict"] = label(row.verdict);
        entry["reason"] = label(row.reason);
        entry["rule"] = rule_json(answer.compiled.policy, row.rule);
        entry["direction"] = label(row.direction);
        entry.update(to_json(row.tally));
        out.push_back(entry);
    }
    return out;
}

Json conservation_json(const CounterMapping& counters) {
    const Conservation sum = in_all(conservation_of(counters));
    Json out = Json::object();
    out["received"] = sum.received;
    out["transmitted"] = sum.transmitted;
    out["dropped"] = sum.dropped;
    out["transmit_refused"] = sum.transmit_refused;
    out["error_frames"] =
        sum.received - sum.transmitted - sum.dropped - sum.transmit_refused;  // checked: 0
    return out;
}

}  // namespace

void print_replay_text(const ReplayAnswer& answer, Console& console) {
    const TextStyle style = console.style;
    if (answer.capture.cut_frames != 0) {
        console.err << "note: " << to_text(answer.capture.cut_frames, style)
                    << " frames were captured in part, and are judged by that part\n";
    }
    console.out << answer.options.capture.string() << ": " << to_text(answer.capture.frames, style)
                << " frames, judged by " << answer.options.policy.string() << "\n\n"
                << verdict_table(answer).render(style) << '\n';
    const Table subscribers = subscriber_table(answer);
    if (!subscribers.empty()) {
        console.out << subscribers.render(style) << '\n';
    }
    console.out << "subscribers: " << to_text(answer.tally.subscribers().size(), style) << " seen, "
                << to_text(count_with_drops(answer.tally), style) << " with drops\n";
    const Conservation sum = in_all(conservation_of(answer.counters));
    console.out << "conserved: received " << to_text(sum.received, style) << " = transmitted "
                << to_text(sum.transmitted, style) << " + dropped " << to_text(sum.dropped, style)
                << " + refused by transmit " << to_text(sum.transmit_refused, style) << '\n';
}

void print_replay_json(const ReplayAnswer& answer, Console& console) {
    const Policy& policy = answer.compiled.policy;
    Json out = Json::object();
    out["policy"] = answer.options.policy.string();
    out["capture"] = answer.options.capture.string();
    out["link_type"] = describe_data_link(answer.capture.format.data_link);
    out["direction"] = answer.options.direction;
    out["frames"] = answer.capture.frames;
    out["cut_frames"] = answer.capture.cut_frames;
    out["passed"] = to_json(answer.tally.sum(Verdict::pass));
    out["dropped"] = to_json(answer.tally.sum(Verdict::drop));
    out["verdicts"] = verdicts_json(answer);
    out["subscribers_seen"] = answer.tally.subscribers().size();
    out["subscribers_with_drops"] = count_with_drops(answer.tally);
    out["subscribers"] = Json::array();
    for (const Customer& customer : top_customers(answer.tally, answer.names, answer.options.top)) {
        out["subscribers"].push_back(to_json(customer, answer.compiled));
    }
    out["unattributed"] = Json::object();
    add_tally(out["unattributed"], answer.tally.unattributed(), policy);
    out["conservation"] = conservation_json(answer.counters);
    print_json(console, out);
}

}  // namespace portcullis::cli
