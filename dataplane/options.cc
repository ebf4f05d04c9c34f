#include "dataplane/options.h"

#include "dataplane/exit_status.h"
#include "rules/counter_layout.h"

#include <CLI/CLI.hpp>

#include <bit>
#include <iterator>
#include <map>
#include <sstream>

namespace portcullis::dataplane {

namespace {

const std::map<std::string, Verdict> kVerdicts = {{"pass", Verdict::pass}, {"drop", Verdict::drop}};

const std::map<std::string, ReplayDirection> kDirections = {
    {"outbound", ReplayDirection::outbound},
    {"inbound", ReplayDirection::inbound},
    {"by-source", ReplayDirection::by_source}};

const std::map<std::string, Idle> kIdles = {{"sleep", Idle::sleep}, {"poll", Idle::poll}};

const std::vector<std::string> kLogLevels = {"error", "warn", "info", "debug"};

// A value by its name. The names stand in the option's type already.
template <typename Value>
CLI::Validator one_of(const std::map<std::string, Value>& names) {
    return CLI::CheckedTransformer(names).description("");
}

// A number from `least` to `most`; the help need not say so.
template <typename Number>
CLI::Validator between(Number least, Number most) {
    return CLI::Range(least, most).description("");
}

std::uint32_t rounded_up(std::uint32_t count) {
    return count == 0 ? 0 : std::bit_ceil(count);
}

// What CLI11 fills in, before it is known to fit together.
struct Raw {
    std::vector<std::string> inside;
    std::vector<std::string> outside;
    ReplayOptions replay;
    std::string eal;
};

void describe_ports(CLI::App& app, Raw& raw) {
    const std::string device =
        "a PCI address (0000:01:00.0) or a DPDK virtual device (net_af_packet0,iface=veth0)";
    app.add_option("--inside", raw.inside, "The port that faces the subscribers: " + device)
        ->type_name("DEV")
        ->expected(1)
        ->take_all()
        ->group("Ports (repeat both for more pairs)");
    app.add_option("--outside", raw.outside, "The port that faces the internet")
        ->type_name("DEV")
        ->expected(1)
        ->take_all()
        ->group("Ports (repeat both for more pairs)");
}

void describe_running(CLI::App& app, Options& options, Raw& raw) {
    app.add_option(
           "--socket", options.socket, "Where control publishes policies and fetches counters"
    )
        ->type_name("PATH")
        ->capture_default_str();
    app.add_option(
           "--before-policy",
           options.before_policy,
           "Until the first policy: pass (default) or drop all"
    )
        ->transform(one_of(kVerdicts))
        ->type_name("pass|drop");
    app.add_flag(
        "--wait-for-policy", options.wait_for_policy, "Receive nothing until a policy is effective"
    );
    app.add_option(
           "--subscriber-slots",
           options.subscriber_slots,
           "Room for the counters of this many subscribers"
    )
        ->check(between(1U, 1U << 30U))
        ->type_name("N")
        ->capture_default_str();
    app.add_option(
           "--active-subscribers",
           options.active_subscribers,
           "Of pools too large for that: room for the counters of this many at a time"
    )
        ->check(between(0U, 1U << 26U))
        ->type_name("N")
        ->capture_default_str();
    app.add_option(
           "--workers", options.workers, "Threads that forward, each with a queue of every port"
    )
        ->check(between(1U, kWorkersMax))
        ->type_name("N")
        ->capture_default_str();
    app.add_option(
           "--idle",
           options.idle,
           "What workers do when nothing comes: sleep (default) some microseconds, or poll"
    )
        ->transform(one_of(kIdles))
        ->type_name("sleep|poll");
    app.add_flag(
        "--test-mode", options.test_mode, "No hugepages, no PCI devices: works as an ordinary user"
    );
    app.add_option("--eal", raw.eal, "More arguments for DPDK's EAL, as one word: --eal \"-l 2-5\"")
        ->type_name("ARGS");
    app.add_option("--log-level", options.log_level, "How much to say on stderr")
        ->check(CLI::IsMember(kLogLevels).description(""))
        ->type_name("error|warn|info|debug")
        ->capture_default_str();
}

CLI::Option* describe_replay(CLI::App& app, Raw& raw) {
    const std::string group = "Replay";
    CLI::Option* replay =
        app.add_option(
               "--replay",
               raw.replay.capture,
               "Judge a capture (pcap, pcapng; Ethernet), then end; implies --test-mode"
        )
            ->check(CLI::ExistingFile)
            ->type_name("CAPTURE")
            ->group(group);
    app.add_option(
           "--direction",
           raw.replay.direction,
           "Of its frames; outbound (default), or by-source: outbound if the source is in a pool"
    )
        ->transform(one_of(kDirections))
        ->type_name("outbound|inbound|by-source")
        ->needs(replay)
        ->group(group);
    app.add_option(
           "--verdict-records",
           raw.replay.verdict_records,
           "Write what was decided of each frame (rules/verdict_record.h)"
    )
        ->type_name("FILE")
        ->needs(replay)
        ->group(group);
    app.add_option("--pace", raw.replay.frames_per_second, "Not faster than this")
        ->check(between(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->type_name("FRAMES_PER_SECOND")
        ->needs(replay)
        ->group(group);
    app.add_flag(
           "--linger",
           raw.replay.linger,
           "Stay when all is judged, counters readable, until SIGINT or SIGTERM"
    )
        ->needs(replay)
        ->group(group);
    return replay;
}

// Throws what CLI11 prints.
void require_one_input(const Raw& raw, bool replays) {
    if (replays && !(raw.inside.empty() && raw.outside.empty())) {
        throw CLI::ValidationError(
            "--replay", "has its own port: leave --inside and --outside out"
        );
    }
    if (!replays && raw.inside.empty()) {
        throw CLI::ValidationError(
            "--inside",
            "name the ports (--inside DEV --outside DEV), or a capture (--replay CAPTURE)"
        );
    }
    if (raw.inside.size() != raw.outside.size()) {
        throw CLI::ValidationError(
            "--outside",
            std::to_string(raw.inside.size()) + " inside and " + std::to_string(raw.outside.size())
                + " outside ports: each --inside needs one --outside"
        );
    }
    if (raw.inside.size() * 2 > kPortsMax) {
        throw CLI::ValidationError(
            "--inside", "at most " + std::to_string(kPortsMax / 2) + " pairs of ports"
        );
    }
}

std::vector<std::string> words_of(const std::string& text) {
    return CLI::detail::split_up(text);
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
    Options options;
    Raw raw;
    CLI::App app(
        "The data plane of Portcullis: forwards between its ports what the policy passes.",
        "portcullis-dataplane"
    );
    app.set_version_flag("--version", std::string(PORTCULLIS_VERSION));
    describe_ports(app, raw);
    describe_running(app, options, raw);
    const CLI::Option* replay = describe_replay(app, raw);
    try {
        app.parse(argc, argv);
        require_one_input(raw, replay->count() > 0);
    } catch (const CLI::ParseError& error) {
        return EarlyExit{app.exit(error) == 0 ? kExitDone : kExitCouldNotRun};
    }
    for (std::size_t i = 0; i < raw.inside.size(); ++i) {
        options.pairs.push_back({raw.inside[i], raw.outside[i]});
    }
    if (replay->count() > 0) {
        options.replay = raw.replay;
        options.test_mode = true;
        options.workers = 1;
    }
    options.active_subscribers = rounded_up(options.active_subscribers);
    options.eal_arguments = words_of(raw.eal);
    return options;
}

}  // namespace portcullis::dataplane
