#include "tools/cli/top_view.h"

#include "rules/quoted_text.h"
#include "tools/cli/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <tuple>
#include <utility>

namespace portcullis::cli {

namespace {

struct OrderInfo {
    TopOrder order;
    const char* name;
    char key;
};

constexpr std::array<OrderInfo, 5> kOrders = {
    {{TopOrder::rate, "rate", 'r'},
     {TopOrder::frames, "frames", 'f'},
     {TopOrder::bytes, "bytes", 'b'},
     {TopOrder::flows, "flows", 'l'},
     {TopOrder::destinations, "destinations", 'd'}}};

constexpr const char* kKeys =
    "r rate  f frames  b bytes  l flows  d destinations  space stop  q quit";

// 1.23k, 45.6M: four characters and a letter at the most.
std::string short_number(double value) {
    constexpr std::array<const char*, 5> kUnits = {"", "k", "M", "G", "T"};
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    std::array<char, 32> out{};
    (void)std::snprintf(out.data(), out.size(), "%.*f%s", digits, value, kUnits[unit]);
    return out.data();
}

Colour colour_of(const std::string& suspicion) {
    return suspicion == "likely"     ? Colour::red
           : suspicion == "possible" ? Colour::yellow
                                     : Colour::none;
}

// The first `columns` columns of a line; escapes of colours take none.
std::string cut(std::string_view line, std::size_t columns) {
    std::string out;
    bool escape = false;
    bool coloured = false;
    std::size_t used = 0;
    for (const char c : line) {
        if (c == '\033') {
            escape = true;
            coloured = true;
        }
        const bool continues = (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;  // of UTF-8
        if (!escape && !continues && ++used > columns) {
            break;
        }
        out += c;
        escape = escape && c != 'm';
    }
    return used > columns && coloured ? out + "\033[0m" : out;
}

std::string fit(const std::string& text, ScreenSize size) {
    std::string out;
    std::size_t rows = 0;
    for (std::size_t at = 0; at < text.size() && rows < size.rows; ++rows) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        out += (rows == 0 ? "" : "\n")
               + cut(std::string_view(text).substr(at, end - at), size.columns);
        at = end + 1;
    }
    return out;
}

}  // namespace

std::optional<TopOrder> parse_top_order(std::string_view text) noexcept {
    for (const OrderInfo& one : kOrders) {
        if (text == one.name) {
            return one.order;
        }
    }
    return std::nullopt;
}

const char* label(TopOrder order) noexcept {
    return kOrders[static_cast<unsigned>(order)].name;
}

std::optional<TopOrder> order_of_key(char key) noexcept {
    for (const OrderInfo& one : kOrders) {
        if (key == one.key) {
            return one.order;
        }
    }
    return std::nullopt;
}

void TopView::take(const Json& counters, const Json& subscribers, double at_s) {
    Totals now;
    for (const Json& row : counters.at("verdicts")) {
        const auto frames = row.at("frames").get<std::uint64_t>();
        (row.at("verdict") == "drop" ? now.dropped_frames : now.passed_frames) += frames;
        now.bytes += row.at("bytes").get<std::uint64_t>();
    }
    now.unaccounted_frames = counters.at("conservation_error_frames").get<std::uint64_t>();
    elapsed_s_ = at_s_ == 0 ? 0 : at_s - at_s_;
    std::vector<Line> lines;
    std::map<std::string, std::uint64_t, std::less<>> frames_of;
    for (const Json& one : subscribers.at("subscribers")) {
        Line line;
        line.name = printable(one.at("subscriber").get<std::string>());
        for (const Json& row : one.at("dropped")) {
            const auto frames = row.at("frames").get<std::uint64_t>();
            line.frames += frames;
            line.bytes += row.at("bytes").get<std::uint64_t>();
            line.flows += row.at("flows").get<std::uint64_t>();
            if (frames != 0) {
                line.rules +=
                    (line.rules.empty() ? "" : ", ") + printable(row.at("rule").get<std::string>());
            }
        }
        if (const Json& watch = one.at("watch"); !watch.is_null()) {
            line.behaviour = printable(watch.at("behaviour").get<std::string>());
            line.suspicion = printable(watch.at("suspicion").get<std::string>());
            line.destinations = watch.at("destinations_5m").get<std::uint64_t>();
        }
        const auto before = frames_before_.find(line.name);
        if (elapsed_s_ > 0 && before != frames_before_.end() && before->second <= line.frames) {
            line.rate = static_cast<double>(line.frames - before->second) / elapsed_s_;
        }
        frames_of.emplace(line.name, line.frames);
        lines.push_back(std::move(line));
    }
    subscribers_with_drops_ = subscribers.at("subscribers_with_drops").get<std::uint64_t>();
    lines_ = std::move(lines);
    frames_before_ = std::move(frames_of);
    before_ = std::exchange(now_, now);
    at_s_ = at_s;
}

std::vector<TopView::Line> TopView::sorted(TopOrder order) const {
    std::vector<Line> out = lines_;
    const auto value = [order](const Line& line) -> double {
        switch (order) {
        case TopOrder::rate: return line.rate.value_or(0);
        case TopOrder::frames: return static_cast<double>(line.frames);
        case TopOrder::bytes: return static_cast<double>(line.bytes);
        case TopOrder::flows: return static_cast<double>(line.flows);
        case TopOrder::destinations: return static_cast<double>(line.destinations);
        }
        return 0;
    };
    std::stable_sort(out.begin(), out.end(), [&](const Line& a, const Line& b) {
        return std::tuple(value(a), a.frames) > std::tuple(value(b), b.frames);
    });
    return out;
}

std::string TopView::head(TextStyle style) const {
    const auto rate = [this](std::uint64_t now, std::uint64_t before) {
        return elapsed_s_ > 0 && now >= before
                   ? short_number(static_cast<double>(now - before) / elapsed_s_)
                   : std::string("-");
    };
    const std::string bits = rate(now_.bytes * 8, before_.bytes * 8);
    return coloured("portcullis", Colour::bold, style) + "  passed "
           + rate(now_.passed_frames, before_.passed_frames) + " frames/s, dropped "
           + rate(now_.dropped_frames, before_.dropped_frames) + " frames/s, " + bits + "bit/s; "
           + coloured(
               to_text(now_.unaccounted_frames, style) + " frames unaccounted for",
               now_.unaccounted_frames == 0 ? Colour::none : Colour::red,
               style
           )
           + "\n" + to_text(subscribers_with_drops_, style) + " subscribers with drops\n";
}

std::string TopView::text(ScreenSize size, TopOrder order, bool with_keys, TextStyle style) const {
    Table table(
        {{"subscriber"},
         {"dropped by"},
         {"frames/s", Align::right},
         {"frames", Align::right},
         {"bytes", Align::right},
         {"flows", Align::right},
         {"dests/5m", Align::right},
         {"looks like"}}
    );
    for (const Line& line : sorted(order)) {
        const bool suspected = !line.suspicion.empty() && line.suspicion != "none";
        table.add_row(
            {line.name,
             line.rules,
             line.rate ? short_number(*line.rate) : "-",
             line.frames,
             line.bytes,
             line.flows,
             line.behaviour.empty() ? Cell("-") : Cell(line.destinations),
             Cell(
                 suspected ? line.suspicion + " " + line.behaviour : line.behaviour,
                 colour_of(line.suspicion)
             )}
        );
    }
    const std::string keys =
        with_keys ? std::string("by ") + label(order) + "; " + kKeys + "\n" : "";
    return fit(
        head(style) + keys + "\n" + (table.empty() ? "no drops yet\n" : table.render(style)), size
    );
}

Json TopView::json(std::size_t count, TopOrder order) const {
    const auto rate = [this](std::uint64_t now, std::uint64_t before) -> Json {
        if (elapsed_s_ <= 0 || now < before) {
            return nullptr;
        }
        return static_cast<double>(now - before) / elapsed_s_;
    };
    Json subscribers = Json::array();
    for (const Line& line : sorted(order)) {
        if (subscribers.size() == count) {
            break;
        }
        subscribers.push_back(
            {{"subscriber", line.name},
             {"frames_per_second", line.rate ? Json(*line.rate) : Json(nullptr)},
             {"frames", line.frames},
             {"bytes", line.bytes},
             {"flows", line.flows},
             {"destinations_5m", line.behaviour.empty() ? Json(nullptr) : Json(line.destinations)},
             {"behaviour", line.behaviour.empty() ? Json(nullptr) : Json(line.behaviour)},
             {"suspicion", line.behaviour.empty() ? Json(nullptr) : Json(line.suspicion)}}
        );
    }
    return {
        {"passed_frames_per_second", rate(now_.passed_frames, before_.passed_frames)},
        {"dropped_frames_per_second", rate(now_.dropped_frames, before_.dropped_frames)},
        {"conservation_error_frames", now_.unaccounted_frames},
        {"subscribers_with_drops", subscribers_with_drops_},
        {"sort", label(order)},
        {"subscribers", std::move(subscribers)}};
}

}  // namespace portcullis::cli
