// What `portcullis top` makes of two answers of the API: rates, orders, and screens of any size.
#include "tools/cli/top_view.h"

#include <catch2/catch.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace portcullis::cli {
namespace {

constexpr TextStyle kPlain{false, false};
constexpr TextStyle kColour{true, true};

Json counters(std::uint64_t passed, std::uint64_t dropped, std::uint64_t lost = 0) {
    return {
        {"verdicts",
         Json::array(
             {{{"verdict", "pass"}, {"frames", passed}, {"bytes", passed * 100}},
              {{"verdict", "drop"}, {"frames", dropped}, {"bytes", dropped * 100}}}
         )},
        {"conservation_error_frames", lost}};
}

Json subscriber(const std::string& name, std::uint64_t frames, const Json& watch = nullptr) {
    return {
        {"subscriber", name},
        {"dropped",
         Json::array(
             {{{"rule", "smtp"}, {"frames", frames}, {"bytes", frames * 60}, {"flows", frames / 2}},
              {{"rule", "other"}, {"frames", 0}, {"bytes", 0}, {"flows", 0}}}
         )},
        {"watch", watch}};
}

Json answer(const std::vector<Json>& subscribers) {
    return {{"subscribers_with_drops", 1234}, {"subscribers", subscribers}};
}

Json spambot() {
    return {{"behaviour", "spambot"}, {"suspicion", "likely"}, {"destinations_5m", 61}};
}

// Two looks, two seconds apart.
TopView two_looks() {
    TopView view;
    view.take(
        counters(1'000, 10),
        answer({subscriber("100.64.0.7", 100), subscriber("100.64.0.8", 500)}),
        100
    );
    view.take(
        counters(5'000, 510),
        answer({subscriber("100.64.0.7", 1'000, spambot()), subscriber("100.64.0.8", 510)}),
        102
    );
    return view;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        out.push_back(line);
    }
    return out;
}

TEST_CASE("rates are differences over time") {
    const std::string text = two_looks().text({200, 50}, TopOrder::rate, false, kPlain);
    CHECK(
        text
        == "portcullis  passed 2.00k frames/s, dropped 250 frames/s, 1.80Mbit/s; 0 frames "
           "unaccounted for\n"
           "1234 subscribers with drops\n"
           "\n"
           "subscriber  dropped by  frames/s  frames  bytes  flows  dests/5m  looks like\n"
           "100.64.0.7  smtp             450    1000  60000    500        61  likely spambot\n"
           "100.64.0.8  smtp               5     510  30600    255         -"
    );
    const Json json = two_looks().json(10, TopOrder::rate);
    CHECK(json["dropped_frames_per_second"] == 250.0);
    CHECK(json["subscribers"][0]["frames_per_second"] == 450.0);
    CHECK(json["subscribers"][0]["suspicion"] == "likely");
    CHECK(json["subscribers"][1]["suspicion"].is_null());
}

TEST_CASE("one look has no rates, and says so") {
    TopView view;
    view.take(counters(1'000, 10), answer({subscriber("100.64.0.7", 100)}), 100);
    const std::string text = view.text({200, 50}, TopOrder::rate, false, kPlain);
    CHECK(text.find("passed - frames/s, dropped - frames/s") != std::string::npos);
    CHECK(view.json(10, TopOrder::rate)["dropped_frames_per_second"].is_null());
}

TEST_CASE("a counter that began anew is no rate") {
    TopView view = two_looks();
    view.take(counters(3, 1), answer({subscriber("100.64.0.7", 1)}), 104);
    const Json json = view.json(10, TopOrder::rate);
    CHECK(json["passed_frames_per_second"].is_null());
    CHECK(json["subscribers"][0]["frames_per_second"].is_null());
}

TEST_CASE("the order is the asked one") {
    TopView view;
    view.take(
        counters(0, 0),
        answer(
            {subscriber("few", 10, spambot()), subscriber("many", 1'000), subscriber("some", 100)}
        ),
        1
    );
    const auto names = [&](TopOrder order) {
        std::string out;
        const Json shown = view.json(10, order);
        for (const Json& one : shown.at("subscribers")) {
            out += one["subscriber"].get<std::string>() + " ";
        }
        return out;
    };
    CHECK(names(TopOrder::frames) == "many some few ");
    CHECK(names(TopOrder::bytes) == "many some few ");
    CHECK(names(TopOrder::flows) == "many some few ");
    CHECK(names(TopOrder::destinations) == "few many some ");
    CHECK(names(TopOrder::rate) == "many some few ");  // no rates yet: by frames
    CHECK(view.json(2, TopOrder::frames)["subscribers"].size() == 2);
}

TEST_CASE("a screen is never wider nor higher than the terminal") {
    std::vector<Json> many;
    for (unsigned i = 0; i < 100; ++i) {
        many.push_back(
            subscriber("customer with a long näme " + std::to_string(i), i + 1, spambot())
        );
    }
    TopView view;
    view.take(counters(1, 1, 7), answer(many), 1);
    for (const ScreenSize size : {ScreenSize{80, 24}, ScreenSize{20, 5}, ScreenSize{1, 1}}) {
        const std::vector<std::string> lines =
            lines_of(view.text(size, TopOrder::frames, true, kColour));
        CHECK(lines.size() <= size.rows);
        for (const std::string& line : lines) {
            std::string bare;
            bool escape = false;
            for (const char c : line) {
                escape |= c == '\033';
                const bool continues = (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
                if (!escape && !continues) {
                    bare += c;
                }
                escape = escape && c != 'm';
            }
            CHECK(bare.size() <= size.columns);
            // Whatever is coloured ends so.
            if (line.find('\033') != std::string::npos) {
                CHECK(line.rfind("\033[0m") == line.rfind("\033["));
            }
        }
    }
    const std::string high = view.text({200, 200}, TopOrder::frames, true, kColour);
    CHECK(high.find("\033[31m7 frames unaccounted for\033[0m") != std::string::npos);
    CHECK(high.find("\033[31mlikely spambot\033[0m") != std::string::npos);
    CHECK(lines_of(high).size() == 105);
}

TEST_CASE("keys choose orders") {
    CHECK(order_of_key('b') == TopOrder::bytes);
    CHECK(order_of_key('d') == TopOrder::destinations);
    CHECK_FALSE(order_of_key('x'));
    CHECK(parse_top_order("flows") == TopOrder::flows);
    CHECK_FALSE(parse_top_order("names"));
}

TEST_CASE("names cannot write to the terminal") {
    TopView view;
    view.take(counters(0, 0), answer({subscriber("evil\033[31m", 1)}), 1);
    CHECK(view.text({200, 50}, TopOrder::frames, false, kPlain).find('\033') == std::string::npos);
}

}  // namespace
}  // namespace portcullis::cli
