#include "bench/report.h"

#include "bench/own_run.h"

#include <nlohmann/json.hpp>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

struct Variation {
    std::string label;
    Words words;
};

std::vector<Variation> variations(bool quick) {
    const std::string many = quick ? "10000" : "4000000";
    const std::string exempt = quick ? "1000" : "1000000";
    return {
        {"plain: IPv4, 1 % port 25", {}},
        {"1,000 subscribers", {"--subscribers", "1000"}},
        {many + " subscribers, " + exempt + " exemptions",
         {"--subscribers", many, "--exemptions", exempt}},
        {"10,000 smarthost prefixes", {"--smarthosts", "10000"}},
        {"all frames port 25", {"--smtp-share", "100"}},
        {"all port 25, " + many + " subscribers, " + exempt + " exemptions",
         {"--smtp-share", "100", "--subscribers", many, "--exemptions", exempt}},
        {"IPv6", {"--ipv6-share", "100"}},
        {"half IPv6", {"--ipv6-share", "50"}},
        {"IPv6 with 3 extension headers", {"--ipv6-share", "100", "--extension-headers", "3"}},
        {"VLAN", {"--vlan-tags", "1"}},
        {"QinQ", {"--vlan-tags", "2"}},
        {"spoofed flood, dropped", {"--sources", "spoofed", "--drop-spoofed"}},
        {"worst-case frames", {"--worst-case"}},
    };
}

class Collector {
public:
    Collector(const ReportPlan& plan, ProgressLine& progress)
        : plan_(plan)
        , progress_(progress) {}

    // What throughput says with `words`, under `label`.
    Result<Json> throughput(const std::string& label, Words words, unsigned runs) {
        progress_.show("throughput: " + label);
        words.insert(words.begin(), "throughput");
        words.insert(words.end(), {"--runs", std::to_string(plan_.quick ? 2 : runs)});
        if (plan_.quick) {
            words.insert(words.end(), {"--seconds", "0.05", "--warm-up", "0.02"});
        }
        Result<Json> out = run_own(words);
        if (out) {
            out.value()["label"] = label;
        }
        return out;
    }

    Result<Json> other(const std::string& command, Words quick_words) {
        progress_.show(command);
        Words words = {command};
        if (plan_.quick) {
            words.insert(words.end(), quick_words.begin(), quick_words.end());
        }
        return run_own(words);
    }

private:
    const ReportPlan& plan_;
    ProgressLine& progress_;
};

}  // namespace

Result<Json> collect_report(const ReportPlan& plan, ProgressLine& progress) {
    constexpr unsigned kRuns = 5;
    Collector collector(plan, progress);
    Json out = {{"benchmark", "report"}};
    Errors errors;
    const auto take = [&](Json& where, Result<Json> result) {
        if (result) {
            where = std::move(result).value();
        } else {
            errors = result.errors();
        }
        return errors.empty();
    };
    Words peer_words;
    for (const std::string& peer : plan.peers) {
        peer_words.insert(peer_words.end(), {"--peer", peer});
    }
    if (!plan.l3fwd_acl.empty()) {
        peer_words.insert(peer_words.end(), {"--l3fwd-acl", plan.l3fwd_acl});
    }
    if (!take(out["peers"], collector.throughput("beside its peers", peer_words, kRuns))) {
        return errors;
    }
    for (const Variation& variation : variations(plan.quick)) {
        Json& row = out["variations"].emplace_back();
        if (!take(row, collector.throughput(variation.label, variation.words, 3))) {
            return errors;
        }
    }
    for (const char* size : {"64", "128", "256", "512", "1024", "1280", "1518", "imix"}) {
        Json& row = out["sizes"].emplace_back();
        if (!take(row, collector.throughput(size, {"--frame-size", size}, 3))) {
            return errors;
        }
    }
    const bool whole =
        take(
            out["latency"],
            collector.other("latency", {"--seconds", "0.1", "--subscribers", "1000"})
        )
        && take(
            out["scaling"],
            collector.other("scaling", {"--runs", "2", "--seconds", "0.05", "--warm-up", "0.02"})
        )
        && take(
            out["publish"],
            collector.other(
                "publish", {"--subscribers", "10000", "--exemptions", "1000", "--publications", "3"}
            )
        )
        && take(out["memory"], collector.other("memory", {"--subscribers", "1000"}));
    if (!whole) {
        return errors;
    }
    return out;
}

}  // namespace portcullis::bench
