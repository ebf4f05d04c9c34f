#include "bench/race.h"

#include "tools/cli/stop_signals.h"

namespace portcullis::bench {

namespace {

Result<Rate> take_turn(Contestant& contestant, const RaceSetup& setup) {
    if (Errors errors = contestant.resume(); !errors.empty()) {
        return errors;
    }
    contestant.warm_up(setup.warm_up);
    Result<Rate> rate = contestant.measure(setup.window);
    contestant.rest();
    if (cli::StopSignals::received() != 0) {
        return cli::StopSignals::error();
    }
    return rate;
}

}  // namespace

Summary Standing::frames_per_second() const {
    std::vector<double> rates;
    rates.reserve(runs.size());
    for (const Rate& run : runs) {
        rates.push_back(run.frames_per_second);
    }
    return summary_of(std::move(rates));
}

Result<std::vector<Standing>>
race(const std::vector<Contestant*>& contestants, const RaceSetup& setup, ProgressLine& progress) {
    std::vector<Standing> out(contestants.size());
    for (unsigned run = 0; run < setup.runs; ++run) {
        for (std::size_t i = 0; i < contestants.size(); ++i) {
            progress.show(
                "run " + std::to_string(run + 1) + " of " + std::to_string(setup.runs) + ": "
                + contestants[i]->name()
            );
            Result<Rate> rate = take_turn(*contestants[i], setup);
            if (!rate) {
                return rate.errors();
            }
            out[i].runs.push_back(rate.value());
            const double own = out.front().runs.back().frames_per_second;
            out[i].ratios.push_back(own / rate.value().frames_per_second);
        }
    }
    return out;
}

}  // namespace portcullis::bench
