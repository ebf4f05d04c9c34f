#include "tools/cli/top.h"

#include "tools/cli/stop_signals.h"
#include "tools/cli/terminal.h"

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <thread>

namespace portcullis::cli {

namespace {

using Clock = std::chrono::steady_clock;

// So many are asked for, so that those which drop most now are among them.
constexpr std::size_t kAskedFor = 500;
// How soon a key, or a signal while nothing is typed, is seen.
constexpr std::chrono::milliseconds kStep{50};

// What control sorts by; rates and destinations are sorted here, among those with most frames dropped.
const char* sort_of(TopOrder order) {
    return order == TopOrder::bytes ? "bytes" : order == TopOrder::flows ? "flows" : "frames";
}

// Asks once; what went wrong, if anything.
Errors look(const TopOptions& options, TopOrder order, TopView& view) {
    const Result<Json> counters = get_api(options.address, "/api/v1/counters");
    if (!counters) {
        return counters.errors();
    }
    const std::string query =
        "?top=" + std::to_string(std::max(options.count, kAskedFor)) + "&sort=" + sort_of(order);
    const Result<Json> subscribers = get_api(options.address, "/api/v1/subscribers" + query);
    if (!subscribers) {
        return subscribers.errors();
    }
    try {
        const std::chrono::duration<double> now = Clock::now().time_since_epoch();
        view.take(counters.value(), subscribers.value(), now.count());
    } catch (const Json::exception& wrong) {
        return {Error{
            {},
            std::string("portcullis-control answers in another form: ") + wrong.what(),
            "run portcullis and portcullis-control of the same release"}};
    }
    return {};
}

// False when a signal came first.
bool wait(std::chrono::milliseconds period) {
    const Clock::time_point end = Clock::now() + period;
    while (StopSignals::received() == 0 && Clock::now() < end) {
        std::this_thread::sleep_for(std::min<Clock::duration>(kStep, end - Clock::now()));
    }
    return StopSignals::received() == 0;
}

ExitStatus run_plain(const TopOptions& options, Console& console) {
    TopView view;
    for (bool first = true;; first = false) {
        if (const Errors errors = look(options, options.order, view); !errors.empty()) {
            return could_not_run(console, errors);
        }
        if (!(options.once && first)) {
            if (options.json) {
                console.out << view.json(options.count, options.order).dump() << '\n';
            } else {
                // Title and head take five lines.
                const ScreenSize size{1'000, options.count + 4};
                console.out << view.text(size, options.order, false, console.style) << "\n\n";
            }
            console.out.flush();
            if (options.once || !console.out) {
                return ExitStatus::done;
            }
        }
        if (!wait(options.period)) {
            return ExitStatus::done;
        }
    }
}

ExitStatus run_screen(const TopOptions& options, Console& console) {
    Errors errors;
    {
        const Terminal terminal;
        TopView view;
        TopOrder order = options.order;
        bool stopped = false;
        Clock::time_point next = Clock::now();
        while (StopSignals::received() == 0) {
            if (!stopped && Clock::now() >= next) {
                errors = look(options, order, view);
                if (!errors.empty()) {
                    break;
                }
                next = Clock::now() + options.period;
            }
            Terminal::show(view.text(Terminal::size(), order, true, console.style));
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
            const auto key = Terminal::key(
                stopped ? std::chrono::milliseconds(1'000)
                        : std::clamp(left, std::chrono::milliseconds(0), options.period)
            );
            if (key == 'q') {
                break;
            }
            if (key == ' ') {
                stopped = !stopped;
            } else if (key) {
                if (const auto chosen = order_of_key(*key)) {
                    order = *chosen;
                }
            }
        }
    }
    return errors.empty() ? ExitStatus::done : could_not_run(console, errors);
}

}  // namespace

ExitStatus run_top(const TopOptions& options, Console& console) {
    const StopSignals signals;
    const bool screen = !options.once && !options.json && Terminal::available();
    return screen ? run_screen(options, console) : run_plain(options, console);
}

}  // namespace portcullis::cli
