#include "bench/testpmd.h"

#include <cstdlib>
#include <string_view>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr std::string_view kPrompt = "testpmd> ";
constexpr std::chrono::seconds kTestpmdStartWithin{60};
constexpr std::chrono::seconds kAnswerWithin{20};

std::vector<std::string> words_of(const TestpmdSetup& setup) {
    // Its answers come line by line, not when a buffer is full.
    std::vector<std::string> out = {"stdbuf", "-oL", "dpdk-testpmd"};
    const std::vector<std::string> eal = eal_words(setup.dpdk);
    out.insert(out.end(), eal.begin(), eal.end());
    for (const std::string& device : setup.devices) {
        out.insert(out.end(), {"--vdev", device});
    }
    const std::string workers = std::to_string(setup.dpdk.worker_cpus.size());
    out.insert(
        out.end(),
        {"--",
         "-i",
         "--forward-mode=" + setup.forward_mode,
         "--total-num-mbufs=" + std::to_string(setup.frames),
         "--nb-cores=" + workers,
         "--rxq=" + workers,
         "--txq=" + workers,
         "--burst=64",
         "--rxd=1024",
         "--txd=1024",
         "--mbcache=256",
         "--no-flush-rx",
         "--disable-link-check"}
    );
    if (setup.first_frame_bytes > 0) {
        out.push_back("--txpkts=" + std::to_string(setup.first_frame_bytes));
    }
    return out;
}

}  // namespace

double received_per_second(const std::string& port_statistics) {
    constexpr std::string_view kLabel = "Rx-pps:";
    double out = 0;
    for (std::size_t at = port_statistics.find(kLabel); at != std::string::npos;
         at = port_statistics.find(kLabel, at + 1)) {
        out += std::strtod(port_statistics.c_str() + at + kLabel.size(), nullptr);
    }
    return out;
}

Testpmd::Testpmd(TestpmdSetup setup, Dialogue dialogue)
    : setup_(std::move(setup))
    , dialogue_(std::move(dialogue))
    , clock_(dialogue_.id()) {}

Result<std::unique_ptr<Testpmd>> Testpmd::open(const TestpmdSetup& setup) {
    Result<Dialogue> dialogue = start_stamping(words_of(setup), setup.stamp);
    if (!dialogue) {
        return dialogue.errors();
    }
    std::unique_ptr<Testpmd> out(new Testpmd(setup, std::move(dialogue).value()));
    const Result<std::string> greeting = out->dialogue_.until(kPrompt, kTestpmdStartWithin);
    if (!greeting) {
        return greeting.errors();
    }
    if (setup.stamp) {
        const auto queues = static_cast<unsigned>(setup.dpdk.worker_cpus.size());
        if (Errors errors = check_stamping(out->name(), greeting.value(), queues);
            !errors.empty()) {
            return errors;
        }
    }
    return out;
}

std::string Testpmd::includes() const {
    const std::string what = setup_.forward_mode == "io"
                                 ? "moves frames and looks at none"
                                 : "moves frames and swaps the MAC addresses of each";
    std::string out = "dpdk-testpmd, forward mode " + setup_.forward_mode + ": " + what;
    if (setup_.first_frame_bytes > 0) {
        out += "; same ports, frames of its own that go round";
    } else if (setup_.stamp) {
        out += std::string(kStampIncluded) + "; same ports and frames";
    } else {
        out += "; same ports, frames as these deliver them";
    }
    return out + ", bursts of 64";
}

Result<std::string> Testpmd::ask(const std::string& command) {
    dialogue_.say(command);
    return dialogue_.until(kPrompt, kAnswerWithin);
}

Errors Testpmd::resume() {
    // As many frames as ours has on a ring: see Traffic::ring_frames.
    const bool fill = setup_.first_frame_bytes > 0 && !started_;
    const Result<std::string> answer = ask(fill ? "start tx_first 4" : "start");
    started_ = true;
    return answer ? Errors{} : answer.errors();
}

void Testpmd::warm_up(std::chrono::milliseconds time) {
    (void)clock_.wait(time, static_cast<double>(setup_.dpdk.worker_cpus.size()));
}

Result<Rate> Testpmd::measure(std::chrono::milliseconds time) {
    const Result<std::string> before = ask("show port stats all");
    if (!before) {
        return before.errors();
    }
    const auto workers = static_cast<double>(setup_.dpdk.worker_cpus.size());
    const Moment spent = clock_.wait(time, workers);
    const Result<std::string> after = ask("show port stats all");
    if (!after) {
        return after.errors();
    }
    Rate out;
    out.processor_share = spent.processor_s / spent.wall_s / workers;
    out.wall_frames_per_second = received_per_second(after.value());
    if (out.wall_frames_per_second == 0 || out.processor_share == 0) {
        return Error{{}, name() + " moves no frames: " + after.value(), {}};
    }
    out.frames_per_second = out.wall_frames_per_second / out.processor_share;
    out.bits_per_second = out.frames_per_second * setup_.wire_bits_per_frame;
    return out;
}

void Testpmd::rest() {
    (void)ask("stop");
}

}  // namespace portcullis::bench
