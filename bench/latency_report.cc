// What a latency benchmark found, for programs and for people.
#include "bench/latency.h"
#include "bench/report_text.h"
#include "tools/cli/table.h"

#include <nlohmann/json.hpp>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

// Of the TSC, as microseconds.
class Microseconds {
public:
    explicit Microseconds(double tsc_hz)
        : per_cycle_(1e6 / tsc_hz) {}

    [[nodiscard]] double operator()(std::uint64_t cycles) const {
        return static_cast<double>(cycles) * per_cycle_;
    }

private:
    double per_cycle_;
};

constexpr double kMedian = 0.5;
constexpr double kP99 = 0.99;
constexpr double kP999 = 0.999;

}  // namespace

std::string to_json_text(const LatencyOptions& options, const LatencyReport& report) {
    const Microseconds us(report.machine.tsc_hz);
    Json rows = Json::array();
    for (const LatencyRow& row : report.rows) {
        Json histogram = Json::array();
        for (std::size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
            if (row.cycles.in_bucket(bucket) != 0) {
                histogram.push_back(
                    {{"microseconds_max", us(Histogram::end_of(bucket))},
                     {"frames", row.cycles.in_bucket(bucket)}}
                );
            }
        }
        rows.push_back(
            {{"load_percent", row.load_percent},
             {"offered_frames_per_second", row.offered_per_second},
             {"sent_frames_per_second", row.achieved_per_second},
             {"sent_frames", row.sent_frames},
             {"returned_frames", row.returned_frames},
             {"refused_frames", row.refused_frames},
             {"p50_microseconds", us(row.cycles.percentile(kMedian))},
             {"p99_microseconds", us(row.cycles.percentile(kP99))},
             {"p99_9_microseconds", us(row.cycles.percentile(kP999))},
             {"max_microseconds", us(row.cycles.most())},
             {"histogram", histogram}}
        );
    }
    const Json out = {
        {"benchmark", "latency"},
        {"machine", to_json(report.machine, report.dpdk)},
        {"subscribers", options.subscribers},
        {"exemptions", options.exemptions},
        {"smtp_share_percent", options.smtp_percent},
        {"most_frames_per_second", report.most_per_second},
        {"rows", rows}};
    return out.dump(2) + "\n";
}

std::string to_text(const LatencyReport& report, cli::TextStyle style) {
    using cli::Align;
    constexpr double kMega = 1e6;
    const Microseconds us(report.machine.tsc_hz);
    cli::Table table(
        {{"load", Align::right},
         {"Mframes/s", Align::right},
         {"frames", Align::right},
         {"p50 us", Align::right},
         {"p99 us", Align::right},
         {"p99.9 us", Align::right},
         {"max us", Align::right},
         {"ring full", Align::right}}
    );
    for (const LatencyRow& row : report.rows) {
        table.add_row(
            {fixed(row.load_percent, 0) + " %",
             fixed(row.achieved_per_second / kMega, 3),
             row.returned_frames,
             fixed(us(row.cycles.percentile(kMedian)), 2),
             fixed(us(row.cycles.percentile(kP99)), 2),
             fixed(us(row.cycles.percentile(kP999)), 2),
             fixed(us(row.cycles.most()), 2),
             row.refused_frames}
        );
    }
    return to_text(report.machine, report.dpdk) + "\nat most "
           + fixed(report.most_per_second / kMega, 2) + " Mframes/s through the rings\n\n"
           + table.render(style);
}

}  // namespace portcullis::bench
