#include "tools/cli/show.h"

#include <ostream>

namespace portcullis::cli {

ExitStatus run_show(const ShowOptions& options, Console& console) {
    const std::string query = options.what == "subscribers" || options.what == "suspects"
                                  ? "?top=" + std::to_string(options.top)
                                  : "";
    const Result<Json> answer = get_api(options.address, "/api/v1/" + options.what + query);
    if (!answer) {
        return could_not_run(console, answer.errors());
    }
    if (options.json) {
        print_json(console, answer.value());
        return ExitStatus::done;
    }
    try {
        console.out << show_text(options.what, answer.value(), console.style);
    } catch (const Json::exception& wrong) {
        return could_not_run(
            console,
            {Error{
                {},
                std::string("portcullis-control answers in another form: ") + wrong.what(),
                "run portcullis and portcullis-control of the same release, or use --json"}}
        );
    }
    return ExitStatus::done;
}

}  // namespace portcullis::cli
