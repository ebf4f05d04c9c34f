// portcullis-dataplane: options in, exit status out.
#include "dataplane/dataplane.h"
#include "dataplane/exit_status.h"
#include "dataplane/options.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace portcullis::dataplane {

namespace {

void start_log(const std::string& level) {
    auto log = spdlog::stderr_logger_mt("portcullis-dataplane");
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
    log->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(log));
}

int could_not_run(const std::string& why) {
    std::cerr << "portcullis-dataplane: " << why;
    return kExitCouldNotRun;
}

int run(const Options& options) {
    const Result<std::unique_ptr<Dataplane>> dataplane = Dataplane::start(options);
    if (!dataplane) {
        return could_not_run(to_string(dataplane.errors()));
    }
    const Errors errors = dataplane.value()->run();
    return errors.empty() ? kExitDone : could_not_run(to_string(errors));
}

}  // namespace

}  // namespace portcullis::dataplane

int main(int argc, char** argv) {
    using portcullis::dataplane::EarlyExit;
    using portcullis::dataplane::Options;
    try {
        const std::variant<Options, EarlyExit> parsed =
            portcullis::dataplane::parse_options(argc, argv);
        if (const auto* exit = std::get_if<EarlyExit>(&parsed); exit != nullptr) {
            return exit->status;
        }
        const Options& options = std::get<Options>(parsed);
        portcullis::dataplane::start_log(options.log_level);
        return portcullis::dataplane::run(options);
    } catch (const std::exception& error) {
        // Out of memory or the like: nothing that was foreseen.
        std::cerr << "portcullis-dataplane: " << error.what() << '\n';
        return portcullis::dataplane::kExitCouldNotRun;
    }
}
