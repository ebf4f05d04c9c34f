// The API's answers as tables. Every text in them came over a socket, so it is made printable.
#include "rules/quoted_text.h"
#include "tools/cli/show.h"
#include "tools/cli/table.h"

#include <array>
#include <cstdio>

namespace portcullis::cli {

namespace {

std::string text_of(const Json& value) {
    return printable(value.get<std::string>());
}

std::uint64_t number_of(const Json& value) {
    return value.get<std::uint64_t>();
}

// "a, b"; "-" when there is none.
std::string list_of(const Json& values) {
    std::string out;
    for (const Json& value : values) {
        out += (out.empty() ? "" : ", ")
               + (value.is_string() ? text_of(value) : std::to_string(number_of(value)));
    }
    return out.empty() ? "-" : out;
}

Cell yes_or_no(bool value) {
    return value ? Cell("yes", Colour::green) : Cell("no", Colour::red);
}

std::string with_digits(double value, int digits) {
    std::array<char, 48> out{};
    (void)std::snprintf(out.data(), out.size(), "%.*f", digits, value);
    return out.data();
}

// A line each, indented under a word.
void add_lines(Table& table, const char* subject, const Json& lines) {
    for (const Json& line : lines) {
        table.add_row({subject, text_of(line)});
        subject = "";
    }
}

std::string status_text(const Json& answer, TextStyle style) {
    const Json& dataplane = answer.at("dataplane");
    const Json& policy = answer.at("policy");
    Table table({{""}, {""}});
    table.add_row({"ready", yes_or_no(answer.at("ready").get<bool>())});
    add_lines(table, "problems", answer.at("problems"));
    table.add_row(
        {"control",
         "version " + text_of(answer.at("version")) + ", up "
             + with_digits(answer.at("uptime_seconds").get<double>(), 0) + " s"}
    );
    table.add_row({"dataplane connected", yes_or_no(dataplane.at("connected").get<bool>())});
    if (dataplane.contains("instance")) {
        table.add_row({"dataplane started", text_of(dataplane.at("started"))});
        table.add_row(
            {"slots in use",
             to_text(number_of(dataplane.at("slots_used")), style) + " of "
                 + to_text(number_of(dataplane.at("slot_capacity")), style)}
        );
    }
    table.add_row({"policy", text_of(policy.at("file"))});
    if (policy.contains("generation")) {
        table.add_row({"generation", std::to_string(number_of(policy.at("generation")))});
        table.add_row({"image checksum", text_of(policy.at("image_checksum"))});
        if (policy.contains("applied")) {
            table.add_row({"applied", text_of(policy.at("applied"))});
        }
    }
    add_lines(table, "policy errors", policy.at("errors"));
    table.add_row(
        {"subscribers with drops", to_text(number_of(answer.at("subscribers_with_drops")), style)}
    );
    std::string out = table.render(style);
    if (!dataplane.contains("workers")) {
        return out;
    }
    Table workers(
        {{"worker"},
         {"generation", Align::right},
         {"busy", Align::right},
         {"cycles/frame", Align::right}}
    );
    std::uint64_t number = 0;
    for (const Json& worker : dataplane.at("workers")) {
        workers.add_row(
            {std::to_string(number++),
             number_of(worker.at("generation")),
             with_digits(worker.at("busy_ratio").get<double>() * 100, 1) + " %",
             with_digits(worker.at("cycles_per_frame").get<double>(), 1)}
        );
    }
    Table ports({{"port"}, {"link"}});
    for (const Json& port : dataplane.at("ports")) {
        ports.add_row({text_of(port.at("name")), port.at("link_up").get<bool>() ? "up" : "down"});
    }
    return out + "\n" + workers.render(style) + "\n" + ports.render(style);
}

std::string verdicts_text(const Json& verdicts, TextStyle style) {
    Table table(
        {{"verdict"}, {"reason"}, {"direction"}, {"frames", Align::right}, {"bytes", Align::right}}
    );
    for (const Json& row : verdicts) {
        const std::uint64_t frames = number_of(row.at("frames"));
        if (frames == 0) {
            continue;
        }
        const std::string verdict = text_of(row.at("verdict"));
        table.add_row(
            {Cell(verdict, verdict == "drop" ? Colour::red : Colour::green),
             text_of(row.at("reason")),
             text_of(row.at("direction")),
             frames,
             number_of(row.at("bytes"))}
        );
    }
    return table.empty() ? "no frames yet\n" : table.render(style);
}

std::uint64_t both_ways(const Json& sides) {
    return number_of(sides.at("outbound")) + number_of(sides.at("inbound"));
}

std::uint64_t frames_both_ways(const Json& sides) {
    return number_of(sides.at("outbound").at("frames"))
           + number_of(sides.at("inbound").at("frames"));
}

std::string counters_text(const Json& answer, TextStyle style) {
    Table rules(
        {{"rule"},
         {"dropped", Align::right},
         {"flows", Align::right},
         {"monitored", Align::right},
         {"to smarthosts", Align::right},
         {"exempt", Align::right}}
    );
    for (const Json& rule : answer.at("rules")) {
        rules.add_row(
            {text_of(rule.at("rule")),
             frames_both_ways(rule.at("dropped")),
             number_of(rule.at("dropped_flows")),
             frames_both_ways(rule.at("monitored")),
             both_ways(rule.at("smarthost_frames")),
             both_ways(rule.at("exempt_frames"))}
        );
    }
    const std::uint64_t lost = number_of(answer.at("conservation_error_frames"));
    return verdicts_text(answer.at("verdicts"), style) + "\n" + rules.render(style) + "\n"
           + "received " + to_text(frames_both_ways(answer.at("received")), style)
           + ", transmitted " + to_text(frames_both_ways(answer.at("transmitted")), style)
           + ", refused by transmit "
           + to_text(frames_both_ways(answer.at("transmit_refused")), style) + "; "
           + coloured(
               to_text(lost, style) + " frames unaccounted for",
               lost == 0 ? Colour::none : Colour::red,
               style
           )
           + "\n";
}

// "tcp, udp: out to 137-139, 445; in to 445".
std::string ports_of(const Json& rule) {
    struct Side {
        const char* key;
        const char* words;
    };

    constexpr std::array<Side, 4> kSides = {
        {{"outbound_source_ports", "out from "},
         {"outbound_destination_ports", "out to "},
         {"inbound_source_ports", "in from "},
         {"inbound_destination_ports", "in to "}}};
    std::string out;
    for (const Side& side : kSides) {
        if (!rule.at(side.key).empty()) {
            out += (out.empty() ? "" : "; ") + (side.words + list_of(rule.at(side.key)));
        }
    }
    return out;
}

std::string policy_text(const Json& answer, TextStyle style) {
    if (!answer.contains("entries")) {
        return "no policy is in force yet; the file is " + text_of(answer.at("file")) + "\n";
    }
    Table entries({{""}, {"", Align::right}});
    for (const auto& [kind, count] : answer.at("entries").items()) {
        entries.add_row({printable(kind), number_of(count)});
    }
    Table classes({{"class"}, {"drops"}, {"rejects"}, {"monitors"}});
    for (const Json& one : answer.at("classes")) {
        classes.add_row(
            {text_of(one.at("name")),
             list_of(one.at("drop")),
             list_of(one.at("reject")),
             list_of(one.at("monitor"))}
        );
    }
    Table rules({{"rule"}, {"transport"}, {"ports"}, {"not to smarthosts"}});
    for (const Json& rule : answer.at("rules")) {
        rules.add_row(
            {text_of(rule.at("name")),
             list_of(rule.at("transport")),
             ports_of(rule),
             rule.at("except_smarthosts").get<bool>() ? "yes" : "no"}
        );
    }
    Table pools({{"pool"}, {"a subscriber is"}, {"class"}});
    for (const Json& pool : answer.at("pools")) {
        pools.add_row(
            {text_of(pool.at("prefix")),
             "/" + std::to_string(number_of(pool.at("subscriber_prefix_length"))),
             text_of(pool.at("class"))}
        );
    }
    std::string out = text_of(answer.at("file")) + ", generation "
                      + std::to_string(number_of(answer.at("generation"))) + "\n\n"
                      + entries.render(style) + "\n" + classes.render(style) + "\n"
                      + rules.render(style) + "\n" + pools.render(style);
    for (const Json& warning : answer.at("warnings")) {
        out += "warning: " + text_of(warning) + "\n";
    }
    return out;
}

// "likely spambot"; "-" for those who are not under watch.
Cell looks_like(const Json& watch) {
    if (watch.is_null()) {
        return "-";
    }
    const std::string suspicion = text_of(watch.at("suspicion"));
    const std::string behaviour = text_of(watch.at("behaviour"));
    if (suspicion == "none") {
        return behaviour;
    }
    return {suspicion + " " + behaviour, suspicion == "likely" ? Colour::red : Colour::yellow};
}

std::string text_or_dash(const Json& value) {
    return value.is_null() ? "-" : text_of(value);
}

std::string subscribers_text(const Json& answer, TextStyle style) {
    Table table(
        {{"subscriber"},
         {"dropped by"},
         {"frames", Align::right},
         {"bytes", Align::right},
         {"flows", Align::right},
         {"first seen"},
         {"last seen"},
         {"looks like"}}
    );
    for (const Json& subscriber : answer.at("subscribers")) {
        std::string name = text_of(subscriber.at("subscriber"));
        std::string first_seen = text_or_dash(subscriber.at("first_seen"));
        std::string last_seen = text_or_dash(subscriber.at("last_seen"));
        Cell watch = looks_like(subscriber.at("watch"));
        for (const Json& dropped : subscriber.at("dropped")) {
            if (number_of(dropped.at("frames")) == 0) {
                continue;
            }
            table.add_row(
                {name,
                 text_of(dropped.at("rule")),
                 number_of(dropped.at("frames")),
                 number_of(dropped.at("bytes")),
                 number_of(dropped.at("flows")),
                 first_seen,
                 last_seen,
                 watch}
            );
            name.clear();
            first_seen.clear();
            last_seen.clear();
            watch = "";
        }
    }
    const std::string count = to_text(number_of(answer.at("subscribers_with_drops")), style)
                              + " subscribers with drops\n";
    return table.empty() ? count : table.render(style) + "\n" + count;
}

// "smtp 180, mail-anywhere 40"; "-" where it is not known which rules the counts belong to.
std::string flows_by_rule(const Json& rules, TextStyle style) {
    if (rules.is_null()) {
        return "-";
    }
    std::string out;
    for (const Json& one : rules) {
        out += (out.empty() ? "" : ", ") + text_of(one.at("rule")) + " "
               + to_text(number_of(one.at("flows")), style);
    }
    return out;
}

std::string suspects_text(const Json& answer, TextStyle style) {
    Table table(
        {{"subscriber"},
         {"looks like"},
         {"in 5 min", Align::right},
         {"in 24 h", Align::right},
         {"attempts", Align::right},
         {"by rule"},
         {"because"},
         {"last seen"}}
    );
    for (const Json& one : answer.at("suspects")) {
        const std::string at_least = one.at("destinations_5m_at_least").get<bool>() ? ">= " : "";
        table.add_row(
            {text_of(one.at("subscriber")),
             looks_like(one),
             at_least + to_text(number_of(one.at("destinations_5m")), style),
             number_of(one.at("destinations_24h")),
             number_of(one.at("attempts_24h")),
             flows_by_rule(one.at("outbound_by_rule"), style),
             list_of(one.at("signals")),
             text_of(one.at("last_outbound_drop"))}
        );
    }
    const std::string count = to_text(number_of(answer.at("under_watch")), style)
                              + " subscribers under watch; destinations are estimates\n";
    return table.empty() ? "no suspects\n" + count : table.render(style) + "\n" + count;
}

}  // namespace

std::string show_text(const std::string& what, const Json& answer, TextStyle style) {
    if (what == "counters") {
        return counters_text(answer, style);
    }
    if (what == "policy") {
        return policy_text(answer, style);
    }
    if (what == "subscribers") {
        return subscribers_text(answer, style);
    }
    if (what == "suspects") {
        return suspects_text(answer, style);
    }
    return status_text(answer, style);
}

}  // namespace portcullis::cli
