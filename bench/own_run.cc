#include "bench/own_run.h"

#include "bench/dialogue.h"

#include <nlohmann/json.hpp>

namespace portcullis::bench {

Result<nlohmann::ordered_json> run_own(const std::vector<std::string>& words) {
    constexpr std::chrono::hours kPatience{2};
    std::vector<std::string> all = {"/proc/self/exe"};
    all.insert(all.end(), words.begin(), words.end());
    all.emplace_back("--json");
    Result<Dialogue> dialogue = Dialogue::start(all);
    if (!dialogue) {
        return dialogue.errors();
    }
    const Result<std::string> printed = dialogue.value().all(kPatience);
    if (!printed) {
        return printed.errors();
    }
    auto out = nlohmann::ordered_json::parse(printed.value(), nullptr, false);
    if (out.is_discarded()) {
        std::string said = printed.value();
        while (!said.empty() && said.back() == '\n') {
            said.pop_back();
        }
        return Error{{}, "`portcullis-bench " + words.front() + "` failed: " + said, {}};
    }
    return out;
}

}  // namespace portcullis::bench
