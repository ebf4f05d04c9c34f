// Plots as SVG, to stand in a page without anything else. Colours come from the page (classes s0, s1, ...).
#pragma once

#include <string>
#include <vector>

namespace portcullis::bench {

// What HTML and SVG would take for markup, written so that it is text.
[[nodiscard]] std::string escaped(const std::string& text);

struct Bar {
    std::string label;
    double value = 0;
    std::string text;     // at its end
    double least = 0;     // a whisker from here
    double most = 0;      // to here; none when both are 0
    unsigned series = 0;  // colour
};

// A bar below the other, all from zero.
[[nodiscard]] std::string bar_chart(const std::vector<Bar>& bars);

struct Point {
    double x = 0;
    double y = 0;  // above 0
};

struct Line {
    std::string label;
    std::vector<Point> points;  // in order of x
};

struct Tick {
    double x = 0;
    std::string label;
};

// Lines over x as it is and the logarithm of y, with a legend.
[[nodiscard]] std::string line_chart(
    const std::vector<Line>& lines,
    const std::vector<Tick>& ticks,
    const std::string& x_title,
    const std::string& y_title
);

}  // namespace portcullis::bench
