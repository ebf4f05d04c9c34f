#include "dataplane/options.h"

#include "dataplane/config_text.h"
#include "dataplane/cpu_list.h"
#include "dataplane/exit_status.h"
#include "dataplane/isa_option.h"
#include "rules/command_line.h"
#include "rules/counter_layout.h"
#include "rules/watch_table.h"

#include <CLI/CLI.hpp>

#include <bit>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace portcullis::dataplane {

namespace {

const std::map<std::string, Verdict> kVerdicts = {{"pass", Verdict::pass}, {"drop", Verdict::drop}};

const std::map<std::string, ReplayDirection> kDirections = {
    {"outbound", ReplayDirection::outbound},
    {"inbound", ReplayDirection::inbound},
    {"by-source", ReplayDirection::by_source}};

const std::map<std::string, Idle> kIdles = {{"sleep", Idle::sleep}, {"poll", Idle::poll}};

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
    std::string cpus;
    std::uint16_t mtu = 0;
    bool mirror_link = false;
    std::filesystem::path config;
    bool check_config = false;
};

void describe_configuration(CLI::App& app, Raw& raw) {
    const std::string group = "Configuration";
    CLI::Option* config =
        app.add_option(
               "--config",
               raw.config,
               "Read all that is not said here from this file (TOML; dataplane/README.md)"
        )
            ->type_name("FILE")
            ->group(group);
    app.add_flag(
           "--check-config", raw.check_config, "Say whether it can be used, and do nothing else"
    )
        ->needs(config)
        ->group(group);
}

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
    app.add_option(
           "--mtu",
           raw.mtu,
           "Largest IP packet of all pairs, tags included; without it as large as a port takes"
    )
        ->check(between(kMtuMin, kMtuMax))
        ->type_name("BYTES")
        ->group("Ports (repeat both for more pairs)");
    app.add_flag(
           "--mirror-link",
           raw.mirror_link,
           "When one side of a pair loses its link, take the other's down"
    )
        ->group("Ports (repeat both for more pairs)");
}

void describe_policy(CLI::App& app, Options& options) {
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
}

void describe_room(CLI::App& app, Options& options) {
    app.add_option(
           "--subscriber-slots",
           options.subscriber_slots,
           "Room for the counters of this many subscribers"
    )
        ->check(between(1U, kSubscriberSlotsMax))
        ->type_name("N")
        ->capture_default_str();
    app.add_option(
           "--active-subscribers",
           options.active_subscribers,
           "Of pools too large for that: room for the counters of this many at a time"
    )
        ->check(between(0U, kActiveSubscribersMax))
        ->type_name("N")
        ->capture_default_str();
    app.add_option(
           "--watched-subscribers",
           options.watched_subscribers,
           "Of those with drops: room for what tells who is infected, for this many at a time"
    )
        ->check(between(0U, kWatchedSubscribersMax))
        ->type_name("N")
        ->capture_default_str();
}

void describe_workers(CLI::App& app, Options& options, Raw& raw) {
    app.add_option(
           "--workers", options.workers, "Threads that forward, each with a queue of every port"
    )
        ->check(between(1U, kWorkersMax))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--cpus", raw.cpus, "Where workers run, one CPU each: 2-5,8")->type_name("LIST");
    app.add_option(
           "--memory-mib",
           options.memory_mib,
           "Reserve this much for frames and rings at the start, not as it is needed"
    )
        ->check(between(1U, kMemoryMibMax))
        ->type_name("MIB");
    app.add_option(
           "--idle",
           options.idle,
           "What workers do when nothing comes: sleep (default) some microseconds, or poll"
    )
        ->transform(one_of(kIdles))
        ->type_name("sleep|poll");
    add_isa(app, options.isa)->envname("PORTCULLIS_ISA");
    app.add_option(
           "--reject-rate",
           options.reject_rate,
           "Answers to rejected frames a second and worker, at most; 0: rejected frames are only "
           "dropped"
    )
        ->check(between(0U, kRejectRateMax))
        ->type_name("N")
        ->capture_default_str();
    app.add_flag(
        "--test-mode", options.test_mode, "No hugepages, no PCI devices: works as an ordinary user"
    );
    app.add_option("--eal", raw.eal, "More arguments for DPDK's EAL, as one word: --eal \"-l 2-5\"")
        ->type_name("ARGS");
    app.add_option("--log-level", options.log_level, "How much to say on stderr")
        ->check(CLI::IsMember(std::vector<std::string>(kLogLevels.begin(), kLogLevels.end()))
                    .description(""))
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

// What a command line said, beside the options that it set.
struct Parsed {
    Raw raw;
    bool replays = false;
    bool counts_workers = false;
    bool mirrors_links = false;  // or says that it does not
};

// Sets the options that the command line names. Throws what CLI11 prints.
Parsed parse_onto(Options& options, CLI::App& app, int argc, const char* const* argv) {
    Parsed out;
    app.set_version_flag("--version", std::string(PORTCULLIS_VERSION));
    describe_configuration(app, out.raw);
    describe_ports(app, out.raw);
    describe_policy(app, options);
    describe_room(app, options);
    describe_workers(app, options, out.raw);
    const CLI::Option* replay = describe_replay(app, out.raw);
    app.parse(argc, argv);
    out.replays = replay->count() > 0;
    out.counts_workers = app.count("--workers") > 0;
    out.mirrors_links = app.count("--mirror-link") > 0;
    return out;
}

void take_ports(const Parsed& parsed, Options& options) {
    const Raw& raw = parsed.raw;
    if (parsed.replays && !(raw.inside.empty() && raw.outside.empty())) {
        throw CLI::ValidationError(
            "--replay", "has its own port: leave --inside and --outside out"
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
    if (parsed.replays || !raw.inside.empty()) {
        options.pairs.clear();  // those of the file
    }
    for (std::size_t i = 0; i < raw.inside.size(); ++i) {
        options.pairs.push_back({raw.inside[i], raw.outside[i]});
    }
    for (PortPair& pair : options.pairs) {
        pair.mtu = raw.mtu != 0 ? raw.mtu : pair.mtu;
        pair.mirror_link = parsed.mirrors_links ? raw.mirror_link : pair.mirror_link;
    }
    if (!parsed.replays && options.pairs.empty()) {
        throw CLI::ValidationError(
            "--inside",
            "name the ports (--inside DEV --outside DEV, or [[pair]] in the file of --config), or "
            "a "
            "capture (--replay CAPTURE)"
        );
    }
}

// One CPU a worker; as many workers as CPUs, where only they are named.
void take_cpus(const Parsed& parsed, Options& options) {
    if (!parsed.raw.cpus.empty()) {
        std::optional<std::vector<unsigned>> cpus = parse_cpu_list(parsed.raw.cpus);
        if (!cpus) {
            throw CLI::ValidationError(
                "--cpus", "is not a list of CPUs, each named once, such as 2-5,8"
            );
        }
        options.cpus = *std::move(cpus);
        if (!parsed.counts_workers) {
            options.workers = static_cast<std::uint32_t>(options.cpus.size());
        }
    }
    if (!options.cpus.empty()
        && (options.cpus.size() != options.workers || options.workers > kWorkersMax)) {
        throw CLI::ValidationError(
            "--workers",
            std::to_string(options.cpus.size()) + " CPUs for " + std::to_string(options.workers)
                + " workers: name one (--cpus) for each"
        );
    }
}

std::vector<std::string> words_of(const std::string& text) {
    return CLI::detail::split_up(text);
}

// Makes one whole of what was said. Throws what CLI11 prints.
void put_together(const Parsed& parsed, Options& options) {
    take_ports(parsed, options);
    if (parsed.replays) {
        options.replay = parsed.raw.replay;
        options.test_mode = true;
        options.workers = 1;
        options.cpus.clear();
    }
    take_cpus(parsed, options);
    options.active_subscribers = rounded_up(options.active_subscribers);
    if (options.watched_subscribers != 0) {
        options.watched_subscribers = rounded_up(std::max(options.watched_subscribers, kWatchWays));
    }
    if (!parsed.raw.eal.empty()) {
        options.eal_arguments = words_of(parsed.raw.eal);
    }
}

EarlyExit say_config_is_usable(const std::filesystem::path& file, const Options& options) {
    std::cout << file.string() << ": usable: " << options.pairs.size() << " pair(s) of ports, "
              << options.workers << " worker(s)\n";
    return {kExitDone};
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
    const auto make_app = [] {
        return std::make_unique<CLI::App>(
            "The data plane of Portcullis: forwards between its ports what the policy passes.",
            "portcullis-dataplane"
        );
    };
    Options options;
    auto app = make_app();
    try {
        Parsed parsed = parse_onto(options, *app, argc, argv);
        if (!parsed.raw.config.empty()) {
            Result<Options> from_file = read_config_file(parsed.raw.config);
            if (!from_file) {
                std::cerr << to_string(from_file.errors());
                return EarlyExit{kExitCouldNotRun};
            }
            // Once more, over what the file says.
            options = std::move(from_file).value();
            app = make_app();
            parsed = parse_onto(options, *app, argc, argv);
        }
        put_together(parsed, options);
        if (parsed.raw.check_config) {
            return say_config_is_usable(parsed.raw.config, options);
        }
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help, --version
            (void)app->exit(error);
            return EarlyExit{kExitDone};
        }
        const std::string& program = app->get_name();
        const Error wrong = error_of_options(*app, error, program + " --help");
        std::cerr << program << ": " << to_string(wrong) << '\n';
        return EarlyExit{kExitCouldNotRun};
    }
    return options;
}

}  // namespace portcullis::dataplane
