#include "bench/svg.h"

#include "bench/report_text.h"

#include <algorithm>
#include <cmath>

namespace portcullis::bench {

namespace {

constexpr double kWidth = 860;
constexpr unsigned kColours = 5;

std::string number(double value) {
    return fixed(value, 1);
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text) {
    return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">"
           + escaped(text) + "</text>\n";
}

std::string line_between(Point from, Point to, const std::string& style) {
    return "<line x1=\"" + number(from.x) + "\" y1=\"" + number(from.y) + "\" x2=\"" + number(to.x)
           + "\" y2=\"" + number(to.y) + "\" class=\"" + style + "\"/>\n";
}

std::string frame_of(double height, const std::string& inside) {
    return "<svg viewBox=\"0 0 " + number(kWidth) + " " + number(height)
           + "\" role=\"img\" width=\"100%\">\n" + inside + "</svg>\n";
}

std::string colour_of(std::size_t series) {
    return "s" + std::to_string(series % kColours);
}

// From values to places in a plot.
struct Axes {
    double x_least = 0;
    double x_most = 1;
    double y_least = 0;  // logarithms
    double y_most = 1;

    static constexpr double kLeft = 70;
    static constexpr double kRight = kWidth - 150;
    static constexpr double kTop = 16;
    static constexpr double kBottom = 300;

    [[nodiscard]] Point place(double x, double y) const {
        return {
            kLeft + (x - x_least) / (x_most - x_least) * (kRight - kLeft),
            kBottom - (std::log10(y) - y_least) / (y_most - y_least) * (kBottom - kTop)};
    }
};

Axes axes_of(const std::vector<Line>& lines, const std::vector<Tick>& ticks) {
    Axes out;
    out.x_least = ticks.front().x;
    out.x_most = std::max(ticks.back().x, ticks.front().x + 1);
    double least = HUGE_VAL;
    double most = 0;
    for (const Line& line : lines) {
        for (const Point& point : line.points) {
            least = std::min(least, point.y);
            most = std::max(most, point.y);
        }
    }
    if (most > 0) {
        out.y_least = std::floor(std::log10(least));
        out.y_most = std::max(std::ceil(std::log10(most)), out.y_least + 1);
    }
    return out;
}

std::string grid_of(const Axes& axes, const std::vector<Tick>& ticks) {
    std::string out;
    const auto last = static_cast<int>(axes.y_most);
    for (auto power = static_cast<int>(axes.y_least); power <= last; ++power) {
        const double value = std::pow(10, power);
        const Point at = axes.place(axes.x_least, value);
        out += line_between(at, {Axes::kRight, at.y}, "grid");
        out += text_at(at.x - 8, at.y + 4, "end", fixed(value, std::max(-power, 0)));
    }
    for (const Tick& tick : ticks) {
        const double x = axes.place(tick.x, 1).x;
        out += line_between({x, Axes::kTop}, {x, Axes::kBottom}, "grid");
        out += text_at(x, Axes::kBottom + 18, "middle", tick.label);
    }
    return out;
}

}  // namespace

std::string escaped(const std::string& text) {
    std::string out;
    for (const char letter : text) {
        switch (letter) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        default: out += letter;
        }
    }
    return out;
}

std::string bar_chart(const std::vector<Bar>& bars) {
    constexpr double kLabels = 330;
    constexpr double kTexts = 190;
    constexpr double kStep = 26;
    constexpr double kThickness = 17;
    double most = 0;
    for (const Bar& bar : bars) {
        most = std::max({most, bar.value, bar.most});
    }
    const double scale = most == 0 ? 0 : (kWidth - kLabels - kTexts) / most;
    std::string out;
    double y = 4;
    for (const Bar& bar : bars) {
        const double middle = y + kThickness / 2;
        out += text_at(kLabels - 10, middle + 4, "end", bar.label);
        out += "<rect x=\"" + number(kLabels) + "\" y=\"" + number(y) + "\" width=\""
               + number(std::max(1.0, bar.value * scale)) + "\" height=\"" + number(kThickness)
               + "\" rx=\"2\" class=\"" + colour_of(bar.series) + "\"/>\n";
        if (bar.most > 0) {
            out += line_between(
                {kLabels + bar.least * scale, middle},
                {kLabels + bar.most * scale, middle},
                "whisker"
            );
        }
        out += text_at(
            kLabels + std::max(bar.value, bar.most) * scale + 8, middle + 4, "start", bar.text
        );
        y += kStep;
    }
    return frame_of(y + 4, out);
}

std::string line_chart(
    const std::vector<Line>& lines,
    const std::vector<Tick>& ticks,
    const std::string& x_title,
    const std::string& y_title
) {
    if (lines.empty() || ticks.empty()) {
        return {};
    }
    const Axes axes = axes_of(lines, ticks);
    std::string out = grid_of(axes, ticks);
    double legend_y = Axes::kTop + 10;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string points;
        for (const Point& point : lines[i].points) {
            const Point at = axes.place(point.x, point.y);
            points += number(at.x) + "," + number(at.y) + " ";
            out += "<circle cx=\"" + number(at.x) + "\" cy=\"" + number(at.y)
                   + "\" r=\"3.5\" class=\"" + colour_of(i) + "\"/>\n";
        }
        out += "<polyline points=\"" + points + "\" class=\"line l" + std::to_string(i % kColours)
               + "\"/>\n";
        out += "<rect x=\"" + number(Axes::kRight + 16) + "\" y=\"" + number(legend_y - 9)
               + "\" width=\"10\" height=\"10\" rx=\"2\" class=\"" + colour_of(i) + "\"/>\n";
        out += text_at(Axes::kRight + 32, legend_y, "start", lines[i].label);
        legend_y += 20;
    }
    out += text_at((Axes::kLeft + Axes::kRight) / 2, Axes::kBottom + 42, "middle", x_title);
    out += "<text transform=\"translate(16 " + number((Axes::kTop + Axes::kBottom) / 2)
           + ") rotate(-90)\" text-anchor=\"middle\">" + escaped(y_title) + "</text>\n";
    return frame_of(Axes::kBottom + 54, out);
}

}  // namespace portcullis::bench
