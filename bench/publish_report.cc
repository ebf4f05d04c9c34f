// What publishing under load found, for programs and for people.
#include "bench/publish.h"
#include "bench/report_text.h"
#include "tools/cli/table.h"

#include <nlohmann/json.hpp>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const CheckedVerdicts& found) {
    return {
        {"frames", found.frames},
        {"misjudged_frames", found.misjudged_frames},
        {"passed_frames", found.passed_frames},
        {"longest_stall_seconds", static_cast<double>(found.longest_stall_ns) * 1e-9},
        {"longest_stall_processor_seconds",
         static_cast<double>(found.longest_stall_processor_ns) * 1e-9}};
}

template <typename Function>
Summary summary(const PublishReport& report, Function value_of) {
    std::vector<double> values;
    for (const Publication& publication : report.publications) {
        values.push_back(value_of(publication));
    }
    return summary_of(std::move(values));
}

std::string milliseconds(double seconds) {
    constexpr double kMilli = 1e3;
    return fixed(seconds * kMilli, 2);
}

}  // namespace

std::string to_json_text(const PublishOptions& options, const PublishReport& report) {
    Json publications = Json::array();
    for (const Publication& publication : report.publications) {
        publications.push_back(
            {{"compile_seconds", publication.compile_s},
             {"hand_over_seconds", publication.hand_over_s},
             {"compile_processor_seconds", publication.compile_processor_s},
             {"hand_over_processor_seconds", publication.hand_over_processor_s}}
        );
    }
    const Json out = {
        {"benchmark", "publish"},
        {"machine", to_json(report.machine, report.dpdk)},
        {"subscribers", options.subscribers},
        {"exemptions", options.exemptions},
        {"smtp_share_percent", options.smtp_percent},
        {"image_bytes", report.image_bytes},
        {"effective_seconds",
         summary(report, [](const Publication& p) { return p.effective_s(); }).median},
        {"effective_processor_seconds",
         summary(report, [](const Publication& p) { return p.effective_processor_s(); }).median},
        {"compile_seconds",
         summary(report, [](const Publication& p) { return p.compile_s; }).median},
        {"frames_checked", report.quiet.frames + report.loaded.frames},
        {"frames_misjudged", report.frames_misjudged()},
        {"frames_lost", report.frames_lost()},
        {"without_publications", to_json(report.quiet)},
        {"with_publications", to_json(report.loaded)},
        {"publications", publications}};
    return out.dump(2) + "\n";
}

std::string to_text(const PublishReport& report, cli::TextStyle style) {
    using cli::Align;
    cli::Table times(
        {{"ms of a publication", Align::left},
         {"median", Align::right},
         {"least", Align::right},
         {"most", Align::right}}
    );
    const auto add = [&](const char* name, const Summary& found) {
        times.add_row(
            {name, milliseconds(found.median), milliseconds(found.least), milliseconds(found.most)}
        );
    };
    add("policy to image", summary(report, [](const Publication& p) { return p.compile_s; }));
    add("image to effective", summary(report, [](const Publication& p) { return p.hand_over_s; }));
    add("both", summary(report, [](const Publication& p) { return p.effective_s(); }));
    add("both, of processor time",
        summary(report, [](const Publication& p) { return p.effective_processor_s(); }));
    cli::Table checks(
        {{"", Align::left},
         {"frames checked", Align::right},
         {"misjudged", Align::right},
         {"longest stall, us", Align::right},
         {"of processor time", Align::right}}
    );
    const auto add_check = [&](const char* name, const CheckedVerdicts& found) {
        constexpr double kMicro = 1e-3;
        checks.add_row(
            {name,
             found.frames,
             found.misjudged_frames,
             fixed(static_cast<double>(found.longest_stall_ns) * kMicro, 1),
             fixed(static_cast<double>(found.longest_stall_processor_ns) * kMicro, 1)}
        );
    };
    add_check("without publications", report.quiet);
    add_check("while publishing", report.loaded);
    return to_text(report.machine, report.dpdk) + "\nan image of "
           + cli::to_text(report.image_bytes, style) + " bytes, "
           + std::to_string(report.publications.size()) + " publications, "
           + std::to_string(report.frames_lost()) + " frames lost\n\n" + times.render(style) + "\n"
           + checks.render(style);
}

}  // namespace portcullis::bench
